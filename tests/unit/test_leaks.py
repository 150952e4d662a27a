"""Columns that are a copy of the target are said, in memory, in a folder and by inspect; others are not."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.inspection import inspect_data

ROWS = 300
GENERATOR = np.random.default_rng(7)
BASE = GENERATOR.normal(size=ROWS).round(3)
LABELS = GENERATOR.choice(["low", "middle", "high"], ROWS)
PRICE = GENERATOR.lognormal(3, 1, ROWS).round(2)


def leaks(frame, target="y", **options):
    found = open_dataset(frame, DataOptions(target=target, **options))
    return [note.column for note in found.notes if "gives the answer away" in note.why]


def with_target(target, **columns):
    return pd.DataFrame({"base": BASE, **columns, "y": target})


def mapped(**names):
    return pd.Series(LABELS).map(names)


def gaps(values, share=0.2):
    return pd.Series(values).mask(np.arange(ROWS) % 100 < 100 * share)


@pytest.mark.parametrize(
    "copy",
    [
        LABELS,
        mapped(low=0, middle=1, high=2),
        mapped(low="C", middle="B", high="A"),
        mapped(low=1.5, middle=-3, high=8),
        mapped(low="$1,000.00", middle="$2,500.00", high="$9,000.00"),
        gaps(LABELS),
    ],
)
@pytest.mark.parametrize("order", ["random", "sorted"])
def test_another_name_of_each_class_is_a_copy(copy, order):
    frame = with_target(LABELS, copy=copy)
    assert leaks(frame if order == "random" else frame.sort_values("y", ignore_index=True)) == ["copy"]


def test_a_truth_value_is_a_copy_of_a_word(tmp_path):
    frame = with_target(np.where(BASE > 0, "yes", "no"), paid=BASE > 0, other=GENERATOR.random(ROWS) < 0.5)
    assert leaks(frame) == ["paid"]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert leaks(tmp_path / "rows.csv") == ["paid"]
    (tmp_path / "folder").mkdir()
    frame.to_parquet(tmp_path / "folder" / "part.parquet")
    assert leaks(str(tmp_path / "folder")) == ["paid"]
    found = inspect_data(str(tmp_path / "rows.csv"), DataOptions(target="y"))
    note = next(note for note in found.notes if "gives the answer away" in note.why)
    assert "--ignore 'paid' leaves it out" in note.option
    assert leaks(frame, ignore=("paid",)) == []


@pytest.mark.parametrize(
    "copy",
    [PRICE, PRICE * 0.92, 1000 - 3 * PRICE, [f"{price:.2f} \u20ac" for price in PRICE], gaps(PRICE), 1e9 * PRICE + 7],
)
def test_a_number_in_another_unit_is_a_copy(copy):
    assert leaks(with_target(PRICE, copy=copy)) == ["copy"]


@pytest.mark.parametrize(
    ("target", "column"),
    [
        (LABELS, np.where(np.arange(ROWS) == 299, "low", LABELS)),
        (LABELS, mapped(low="a", middle="b", high="b")),
        (LABELS, [f"{label}{place % 2}" for place, label in enumerate(LABELS)]),
        (LABELS, gaps(LABELS, 0.6)),
        (PRICE, PRICE**2),
        (PRICE, PRICE.round()),
        (PRICE, np.where(np.arange(ROWS) == 299, 0, PRICE)),
        (np.where(BASE > 0, 1.5, 2.5), np.where(BASE > 0, 3, 4) + (np.arange(ROWS) % 2)),
        (np.where(BASE > 0, "a", "b"), BASE),
    ],
)
def test_what_says_less_or_more_is_no_copy(target, column):
    assert leaks(with_target(target, other=column)) == []


def test_a_few_rows_agree_by_chance():
    frame = with_target(LABELS, copy=LABELS)
    frame.loc[15:, "y"] = None
    assert leaks(frame) == []
