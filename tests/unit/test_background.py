"""The training rows that stay with a model: drawn by chance, raw, and only if that is wanted."""

import json
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from golden import record
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mixed_frame, quick_network

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.background import BACKGROUND_ROWS, MOST_BYTES, Background, draw_background
from orchestrator.data.parquet import open_parquet_folder
from orchestrator.data.profile import PieceProfile, profile_piece, sample_schema
from orchestrator.data.splits import HOLDOUT
from orchestrator.errors import BundleError


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 400), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_each_class_has_its_share_of_the_rows_that_are_kept(counts, seed):
    strata = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.flatnonzero(np.random.default_rng(seed + 1).random(len(strata)) < 0.8)
    drawn = draw_background(rows, strata, seed)
    assert len(drawn) == min(len(rows), BACKGROUND_ROWS)
    assert set(drawn) <= set(rows)
    assert (np.diff(drawn) > 0).all()
    assert (drawn == draw_background(rows, strata, seed)).all()
    shares = np.bincount(strata[rows], minlength=len(counts)) * len(drawn) / max(1, len(rows))
    assert (np.abs(np.bincount(strata[drawn], minlength=len(counts)) - shares) <= 1).all()


def test_other_seeds_draw_other_rows_and_no_part_of_the_table_is_left_out():
    drawn = [draw_background(np.arange(10_000), None, seed) for seed in range(20)]
    assert len({tuple(found) for found in drawn}) == 20
    assert np.concatenate(drawn).mean() == pytest.approx(5000, abs=300)


def test_the_rows_of_a_model_are_its_training_rows_as_they_stand_in_the_data():
    frame = mixed_frame(400)
    dataset = open_dataset(frame, DataOptions(target="label"))
    background = dataset.background
    assert list(background.columns) == ["number", "color", "flag", "day"]
    assert len(background) == BACKGROUND_ROWS
    # each of them is encoded as a row of the training part is
    encoded = dataset.encoder.transform(dataset.schema, background.frame())
    rows = {row.tobytes() for row in np.hstack(list(dataset.train.inputs.arrays.values()))}
    assert {row.tobytes() for row in np.hstack(list(encoded.arrays.values()))} <= rows
    assert open_dataset(frame, DataOptions(target="label")).background == background


def test_of_a_folder_they_are_the_same_in_whatever_order_its_files_are_read(tmp_path):
    frame = mixed_frame(500)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=60, index=False)
    folder = open_parquet_folder(tmp_path)
    schema, _ = sample_schema(folder, DataOptions(target="label"))
    pieces = [profile_piece(folder, schema, HOLDOUT, number) for number in range(len(folder.pieces))]
    one, other = reduce(PieceProfile.merge, pieces), reduce(PieceProfile.merge, pieces[::-1])
    assert one.sample == other.sample
    assert len(one.sample) == BACKGROUND_ROWS
    streamed = open_dataset(tmp_path, DataOptions(target="label"))
    kept = streamed.background.frame()
    assert kept["day"].isin(frame["day"].str.replace(" ", "T")).all()
    assert kept["day"].nunique() == BACKGROUND_ROWS
    assert open_dataset(tmp_path, DataOptions(target="label", background=False)).background is None


def test_a_bundle_keeps_them_unless_the_user_does_not_want_that(tmp_path):
    for wanted in (True, False):
        dataset = open_dataset(mixed_frame(200), DataOptions(target="label", background=wanted))
        made = make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"})
        made.save(tmp_path / str(wanted))
        read = ModelBundle.load(tmp_path / str(wanted))
        assert read.background == made.background == dataset.background
        assert (read.background is not None) == wanted == (tmp_path / str(wanted) / "background.json").exists()
        if wanted:
            pd.testing.assert_frame_equal(
                read.predict(read.background.frame()), made.predict(dataset.background.frame()), atol=1e-6
            )


def test_bundles_of_before_have_none():
    assert ModelBundle.load(record.HERE / "bundles" / "kinds").background is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda columns: columns | {"number": columns["number"][:5]}, "the same number"),
        (lambda columns: columns | {"number": [[1]] * len(columns["number"])}, "background.json"),
        (lambda columns: {name: columns[name] for name in reversed(columns)}, "other columns"),
        (lambda columns: {name: [] for name in columns}, "no rows"),
    ],
)
def test_damaged_ones_are_refused_in_a_sentence(tmp_path_factory, change, reason):
    folder = _saved(tmp_path_factory.getbasetemp())
    path = folder / "background.json"
    good = path.read_text()
    try:
        path.write_text(json.dumps({"columns": change(json.loads(good)["columns"])}))
        with pytest.raises(BundleError, match=rf"background\.json: damaged \(.*{reason if '.' not in reason else ''}"):
            ModelBundle.load(folder)
    finally:
        path.write_text(good)


def _saved(base: Path) -> Path:
    folder = base / "with-background"
    if not folder.exists():
        dataset = open_dataset(mixed_frame(100), DataOptions(target="label"))
        make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"}).save(folder)
    return folder


def test_of_rows_with_long_texts_there_are_fewer():
    rows = [{"text": "x" * (MOST_BYTES // 10), "number": number} for number in range(50)]
    background = Background.of(rows)
    assert len(background) == 9
    assert background.columns["number"] == tuple(range(9))
    assert Background.of([{"text": "x" * (MOST_BYTES + 1)}]) is None
    assert Background.of([]) is None


def test_what_is_said_about_it_travels_with_a_sweep():
    config = SweepConfig.create(data="x.csv", background=False)
    assert config.model_dump(mode="json")["background"] is False
    assert "background" not in SweepConfig.create(data="x.csv").model_dump(mode="json")
    options = DataOptions(target="y", background=False)
    assert DataOptions.from_json(options.to_json(), name="x").background is False
    assert "background" not in DataOptions(target="y").to_json()
