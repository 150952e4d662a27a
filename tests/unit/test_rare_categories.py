"""Rare categories share a code that is trained, and so do those that come later; many share codes by a hash."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support import quick_model

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.inspection import inspect_bundle
from orchestrator.cli import main
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.data import ColumnarEncoder, DataOptions, open_dataset
from orchestrator.data.asked import prepare_dataset
from orchestrator.errors import BundleError, UsageError
from orchestrator.features import rare_categories
from orchestrator.features.categorical import SeenCategories
from orchestrator.features.fitted import FIRST_CATEGORY, MISSING, UNKNOWN, CategoricalFeature
from orchestrator.features.rare_categories import MANY_VALUES, RARE_ROWS, table_of

COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(1, 12), max_size=120)


def shops(rows=600, count=150, seed=1):
    """Rows of shops, of which many are rare."""
    random = np.random.default_rng(seed)
    shop = np.minimum(random.geometric(1 / 30, rows), count)
    return pd.DataFrame(
        {
            "shop": [f"shop {number}" for number in shop],
            "x": random.normal(size=rows),
            "y": np.where(random.random(rows) < 0.3 + 0.4 * (shop % 2), "yes", "no"),
        }
    )


@given(counts=COUNTS, wish=st.sampled_from(["auto", "none", "2", "5"]))
def test_each_value_is_kept_or_has_too_few_rows(counts, wish):
    table = table_of(counts, wish)
    feature = CategoricalFeature("x", table.kept, table.shared)
    codes = dict(zip(counts, feature.encode(list(counts)).tolist(), strict=True))
    assert all(FIRST_CATEGORY <= code < feature.cardinality for code in codes.values())
    assert feature.encode([None]).tolist() == [MISSING]
    if not table.shared:
        assert table.kept == tuple(sorted(counts))
        assert feature.encode(["never seen"]).tolist() == [UNKNOWN]
        return
    least = RARE_ROWS if wish == "auto" else int(wish)
    assert {value for value, rows in counts.items() if rows < least} == counts.keys() - set(table.kept)
    # what comes later shares the code of the rare ones, which has rows enough to be trained
    shared = feature.encode(["never seen"]).item()
    assert {code for value, code in codes.items() if value not in table.kept} == {shared}
    assert sum(rows for value, rows in counts.items() if codes[value] == shared) >= least


@given(counts=COUNTS, parts=st.integers(1, 4), seed=st.integers(0, 99))
def test_counts_of_pieces_are_those_of_all_rows(counts, parts, seed):
    random = np.random.default_rng(seed)
    pieces = [{} for _ in range(parts)]
    for value, rows in counts.items():
        for _ in range(rows):
            piece = pieces[random.integers(parts)]
            piece[value] = piece.get(value, 0) + 1
    merged = SeenCategories({})
    for at in random.permutation(parts):
        merged = merged.merge(SeenCategories(pieces[at]))
    assert merged.counts == counts


def test_few_values_are_left_alone_unless_a_number_is_said():
    counts = {f"v{number}": 1 for number in range(MANY_VALUES)}
    assert table_of(counts, "auto").kept == tuple(sorted(counts))
    assert table_of({**counts, "one more": 1}, "auto").kept == ()
    assert table_of(counts, "2").kept == ()


def test_too_many_values_share_codes_by_a_hash_that_never_changes(monkeypatch):
    monkeypatch.setattr(rare_categories, "MAX_CODES", 60)
    monkeypatch.setattr(rare_categories, "SHARED_CODES", 10)
    counts = {f"v{number:03}": 200 - number for number in range(100)} | {"rare": 1}
    table = table_of(counts, "auto")
    assert (table.kept, table.shared) == (tuple(f"v{number:03}" for number in range(50)), 10)
    feature = CategoricalFeature("x", table.kept, table.shared)
    assert feature.cardinality == 62
    codes = feature.encode([f"v{number:03}" for number in range(50, 100)] + ["rare", "never seen"])
    assert len(set(codes.tolist())) > 5
    assert set(codes.tolist()) <= set(range(52, 62))
    # of a bundle that was written elsewhere
    assert feature.encode(["v050", "rare", "never seen", "ü"]).tolist() == HASHED
    assert "the 50 most frequent have their own codes; all others" in str(table.notes("shop")[0])
    assert table_of(counts, "none").kept == tuple(sorted(counts))


HASHED = [55, 52, 61, 60]


def test_rows_in_files_give_the_table_of_rows_in_memory_and_both_say_so(tmp_path):
    frame = shops(3000, 400)
    frame.to_parquet(tmp_path / "part.parquet", row_group_size=100, index=False)
    streamed = open_dataset(tmp_path, DataOptions(target="y"))
    codes = np.concatenate([rows.inputs["categorical"][:, 0] for rows in streamed.rows("train")])
    feature = streamed.encoder.categorical[0]
    assert feature.shared == 1
    assert np.bincount(codes)[FIRST_CATEGORY:-1].min() >= RARE_ROWS
    assert codes.max() == feature.cardinality - 1
    in_memory = prepare_dataset(frame, "y")
    for dataset in (streamed, in_memory):
        note = next(note for note in dataset.notes if note.column == "shop")
        assert "in fewer than 3 rows" in str(note)
        assert "these share one code, which later values that training did not see have, too" in str(note)
        assert note.option == "--rare-categories none gives each its own"
    plain = prepare_dataset(frame, "y", rare_categories="none")
    assert plain.digest == in_memory.digest
    assert plain.encoder.categorical[0].shared == 0
    assert not [note for note in plain.notes if note.column == "shop"]
    more = prepare_dataset(frame, "y", rare_categories=20)
    assert not [note for note in more.notes if note.column == "shop"]
    assert len(more.encoder.categorical[0].categories) < len(in_memory.encoder.categorical[0].categories)


def test_a_model_answers_later_shops_as_rare_ones_and_keeps_that_in_its_bundle(tmp_path):
    network, dataset = quick_model(shops(), "y")
    make_bundle(network, dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    feature = bundle.encoder.categorical[0]
    assert bundle.encoder == dataset.encoder
    rare = next(shop for shop in shops()["shop"] if shop not in feature.categories)
    answers = bundle.predict(pd.DataFrame({"shop": [rare, "a new one", None], "x": [0.5] * 3}))
    first, second, missing = answers.iloc[:, -1]
    assert first == second != missing
    cells = ColumnarEncoder(bundle.schema, bundle.encoder).encode({"shop": [rare, "a new one"], "x": [0.5] * 2}, 2)
    assert cells["categorical"].tolist() == [[feature.cardinality - 1]] * 2
    encoded = inspect_bundle(tmp_path / "bundle", "x").columns[0].encoded
    assert encoded == f"{len(feature.categories)} categories, others share one code"


@pytest.mark.parametrize("shared", [-1, 2**30, True, "1"])
def test_a_damaged_number_of_shared_codes_is_a_sentence(tmp_path, shared):
    network, dataset = quick_model(shops(100), "y")
    make_bundle(network, dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    file = tmp_path / "bundle" / "encoder.json"
    content = json.loads(file.read_text())
    content["features"]["categorical"][0]["shared"] = shared
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
        ModelBundle.load(tmp_path / "bundle")


def test_it_is_seen_before_anything_is_trained_and_wrong_choices_are_named(tmp_path):
    path = tmp_path / "shops.csv"
    shops().to_csv(path, index=False)
    shown = CliRunner().invoke(main, ["inspect", str(path), "--target", "y"])
    assert "in fewer than 3 rows: these share one code" in shown.output
    none = CliRunner().invoke(main, ["inspect", str(path), "--target", "y", "--rare-categories", "none"])
    assert "share one code" not in none.output
    wrong = CliRunner().invoke(main, ["inspect", str(path), "--rare-categories", "1"])
    assert wrong.exit_code == 2
    assert "--rare-categories 1: give a number of rows above 1, auto or none" in wrong.stderr
    for options in ({"rare_categories": "x"}, {"rare_categories": -3}):
        with pytest.raises(UsageError, match="give a number of rows above 1"):
            prepare_dataset(shops(), "y", **options)
    with pytest.raises(UsageError, match="--rare-categories 0"):
        open_dataset(shops(), DataOptions(target="y", features=FeaturesWish(rare_categories="0")))
