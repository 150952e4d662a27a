"""What a time budget has room for."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import SearchSpaceError
from orchestrator.inputs import TEXT
from orchestrator.runtime.planning import plan_sweep
from orchestrator.search import DataSize, SearchSpace, load_space
from orchestrator.sweeps.pace import LEAST_SHARE, fitted, fold_rows, row_milliseconds, text_tokens
from orchestrator.sweeps.slots import Slots

SPACE = SearchSpace(
    epochs=50,
    architectures={"tabm_mini": {}, "mlp": {}},
    milliseconds_per_row={"tabm_mini": 0.2, "mlp": 0.05},
    start_points=[{"architecture": "tabm_mini"}, {"architecture": "mlp"}, {"architecture": "mlp"}],
)


@pytest.mark.parametrize(
    ("rows", "seconds", "slots", "epochs", "left_out"),
    [
        *((1_000, 600, 2, 50, ()), (10_000, 600, 2, 50, ())),
        # two MLPs first, each with 1.5 s of an epoch, then 6 s of an epoch of TabM: 480 s until that ends
        (30_000, 600, 2, 64, ()),
        (60_000, 600, 2, 32, ()),
        # not even half of the epochs of all in 360 s of one slot: then MLP has 6 s of an epoch
        (60_000, 600, 1, 60, ("tabm_mini",)),
        (30_000, 600, 1, 40, ()),
        # 12 s of an epoch, 480 s of one slot, whatever the number of slots
        *((60_000, 600, 8, 40, ()), (60_000, 600, 800, 40, ())),
        # not even half of the epochs of TabM: then MLP has 72 s of two slots for two times 1.5 s of an epoch
        (30_000, 60, 2, 24, ("tabm_mini",)),
        # one architecture always stays
        (3_000_000, 60, 2, 1, ("tabm_mini",)),
    ],
)
def test_start_points_end_in_time(rows, seconds, slots, epochs, left_out):
    space = SPACE.model_copy(update={"epochs": max(50, epochs)})
    pace = fitted(space, space.milliseconds_per_row, rows, seconds, slots)
    assert (pace.epochs, pace.left_out) == (epochs, left_out)


def test_what_is_quick_is_tried_first():
    points = [{"architecture": name, "width": width} for name, width in (("tabm_mini", 1), ("mlp", 2), ("mlp", 3))]
    space = SPACE.model_copy(update={"start_points": points})
    assert [point["width"] for point in space.quickest_first(space.milliseconds_per_row).start_points] == [2, 3, 1]
    # how long it takes is not known of all: they stay where their author has put them
    unknown = space.model_copy(update={"milliseconds_per_row": {"tabm_mini": 0.2}})
    assert unknown.quickest_first(unknown.milliseconds_per_row).start_points == points


def test_nothing_is_known_of_other_networks():
    unknown = SPACE.model_copy(update={"milliseconds_per_row": {}})
    assert fitted(unknown, {}, 10_000_000, 1, 1).epochs == 50
    partly = SPACE.model_copy(update={"milliseconds_per_row": {"tabm_mini": 0.2}})
    assert fitted(partly, partly.milliseconds_per_row, 10_000_000, 1, 1).left_out == ("tabm_mini",)


@given(
    rows=st.integers(1, 10_000_000),
    seconds=st.floats(1, 100_000),
    slots=st.integers(1, 64),
    columns=st.integers(1, 500),
)
def test_more_time_never_means_less(rows, seconds, slots, columns):
    space = load_tabular(rows, columns)
    less, more = (fitted(space, space.milliseconds_per_row, rows, time, slots) for time in (seconds, 2 * seconds))
    assert set(more.left_out) <= set(less.left_out)
    assert 1 <= less.epochs <= space.epochs
    if more.left_out == less.left_out:
        assert less.epochs <= more.epochs
    if less.left_out and len(less.left_out) < len(space.architectures) - 1:
        assert less.epochs >= int(LEAST_SHARE * space.epochs)


def load_tabular(rows: int, columns: int) -> SearchSpace:
    return TABULAR.for_size(DataSize(rows, columns))


TABULAR = load_space("tabular")


def test_folds_pass_over_more_rows_in_more_time():
    assert fold_rows(None) == fold_rows(timedelta(minutes=3)) == fold_rows(timedelta(minutes=10)) == 20_000
    assert fold_rows(timedelta(minutes=1)) == 6_667
    assert fold_rows(timedelta(minutes=20)) == 40_000
    assert fold_rows(timedelta(hours=1)) == fold_rows(timedelta(days=1)) == 120_000


def test_a_space_says_its_paced_epochs():
    space = load_tabular(640, 20).with_epochs(17)
    assert (space.epochs, space.follows["epochs"]) == (17, 17)
    less = space.without("tabm_mini")
    assert "tabm_mini" not in less.architectures
    assert len(less.start_points) == len(space.start_points) - 1


@pytest.mark.parametrize("key", ["milliseconds_per_row: {mpl: 0.1}", "most_rows: {mpl: 100}"])
def test_what_is_said_of_an_unknown_architecture_is_refused(tmp_path, key):
    file = tmp_path / "space.yaml"
    file.write_text(f"architectures:\n  mlp: {{}}\n{key}\n")
    with pytest.raises(SearchSpaceError, match=r"space.yaml, line 3, .*'mpl' is not in this space.*mlp"):
        load_space(file)


def test_a_sweep_with_a_time_budget_tries_first_what_is_quick():
    def first(**given):
        plan = plan_sweep(SweepConfig.create(data="sklearn:iris", **given)).paced(Slots(2, 1, 2))
        return [point["architecture"] for point in plan.points]

    quick = ["mlp", "mlp", "resnet", "realmlp", "modern_nca", "tabm_mini"]
    assert first(time_budget="10m") == quick
    assert first(time_budget="10m", trials=5) == quick
    # as their author has them, or who names an earlier sweep to begin with
    warm = replace(plan_sweep(SweepConfig.create(data="sklearn:iris", time_budget="10m")), started_from=("a sweep",))
    assert warm.paced(Slots(2, 1, 2)).points == warm.points
    assert first(trials=5)[0] == first(time_budget="10m", epochs=3)[0] == "tabm_mini"


# milliseconds of a core for each training row of the first configurations, measured; tokens of the longest text
MEASURED = [
    (2560, 949, {"mlp": 0.179, "resnet": 0.173, "realmlp": 0.144, "tabm_mini": 0.191, "modern_nca": 1.52}),
    (4864, 1126, {"mlp": 0.119, "modern_nca": 1.07}),
    (1280, 1047, {"mlp": 0.151, "resnet": 0.163, "realmlp": 0.147, "tabm_mini": 0.132}),
]


@pytest.mark.parametrize(("rows", "tokens", "measured"), MEASURED)
def test_rows_with_texts_take_about_what_was_measured(rows, tokens, measured):
    space = load_tabular(rows, 1)
    estimated = row_milliseconds(space, rows, tokens, only_texts=True)
    for name, milliseconds in measured.items():
        assert milliseconds / 1.45 < estimated[name] < 1.45 * milliseconds, name
    assert row_milliseconds(space, rows, 0) == space.milliseconds_per_row
    # a step draws no more rows than there are
    few = row_milliseconds(space, 100, tokens, only_texts=True)
    assert few["modern_nca"] < estimated["modern_nca"] / 2
    assert few["mlp"] == estimated["mlp"]
    assert list(row_milliseconds(space.only("mlp"), rows, tokens)) == ["mlp"]
    # the network beside the texts takes its own time
    both = row_milliseconds(space, rows, tokens)["tabm_mini"]
    assert both == pytest.approx(row_milliseconds(space, rows, tokens, only_texts=True)["tabm_mini"] + 0.15)


def test_what_columns_take_is_no_entry_that_trials_have():
    few, many = load_tabular(20_000, 14), load_tabular(20_000, 53)
    assert all(few.milliseconds_per_row[name] < many.milliseconds_per_row[name] for name in few.architectures)
    assert "batch_size" in many.follows
    assert not [name for name in many.follows if "milliseconds" in name]


def said(rows):
    random = np.random.default_rng(0)
    words = [f"w{word}" for word in range(400)]
    texts = [" ".join(random.choice(words, 20)) for _ in range(rows)]
    return pd.DataFrame({"words": texts, "label": random.integers(0, 2, rows)})


def test_a_sweep_knows_that_texts_take_longer(tmp_path):
    def outlook(data, **given):
        plan = plan_sweep(SweepConfig.create(data=data, **given)).paced(Slots(2, 1, 2))
        return plan, plan.outlook(Slots(2, 1, 2))

    frame = said(3000)
    frame.to_csv(tmp_path / "said.csv", index=False)
    (tmp_path / "rows").mkdir()
    for part in range(2):
        frame[part::2].to_parquet(tmp_path / "rows" / f"{part}.parquet")
    plan, texts = outlook(str(tmp_path / "said.csv"), target="label", time_budget="5m", folds="1")
    (rows,) = plan.dataset.rows(Part.TRAIN)
    assert text_tokens(plan.dataset) == rows.inputs[TEXT].shape[1] > 100
    assert [point["architecture"] for point in plan.points][-1] == "modern_nca"
    streamed = open_dataset(str(tmp_path / "rows"), DataOptions(target="label"))
    assert text_tokens(streamed) == pytest.approx(text_tokens(plan.dataset), rel=0.2)
    assert plan.epochs == plan.sampler.space.epochs == TABULAR.text_epochs
    asked = plan_sweep(SweepConfig.create(data=str(tmp_path / "said.csv"), target="label", epochs=30))
    assert asked.epochs == 30
    plain, known = outlook("sklearn:iris", time_budget="5m", folds="1")
    assert text_tokens(plain.dataset) == 0
    assert plain.epochs > TABULAR.text_epochs
    assert texts.epoch_seconds / plan.trained_rows > known.epoch_seconds / plain.trained_rows
