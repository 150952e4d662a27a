"""What a time budget has room for."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SearchSpaceError
from orchestrator.search import DataSize, SearchSpace, load_space
from orchestrator.sweeps.pace import LEAST_SHARE, fitted, fold_rows

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
        # 6 s of an epoch of TabM and 3 s of two MLPs, 720 s of two slots
        (30_000, 600, 2, 80, ()),
        (60_000, 600, 2, 40, ()),
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
    pace = fitted(space, rows, seconds, slots)
    assert (pace.epochs, pace.left_out) == (epochs, left_out)


def test_nothing_is_known_of_other_networks():
    unknown = SPACE.model_copy(update={"milliseconds_per_row": {}})
    assert fitted(unknown, 10_000_000, 1, 1).epochs == 50
    partly = SPACE.model_copy(update={"milliseconds_per_row": {"tabm_mini": 0.2}})
    assert fitted(partly, 10_000_000, 1, 1).left_out == ("tabm_mini",)


@given(
    rows=st.integers(1, 10_000_000),
    seconds=st.floats(1, 100_000),
    slots=st.integers(1, 64),
    columns=st.integers(1, 500),
)
def test_more_time_never_means_less(rows, seconds, slots, columns):
    space = load_tabular(rows, columns)
    less, more = fitted(space, rows, seconds, slots), fitted(space, rows, 2 * seconds, slots)
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
