"""Cells among numbers that mean something else: words for true and false, codes, sentinels, the other decimal mark."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_schema
from orchestrator.errors import InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind

ROWS = 80
RAIN = [f"{value:.1f}" for value in np.random.default_rng(7).gamma(1, 8, ROWS)]
GRADES = [str(value) for value in np.random.default_rng(8).integers(40, 100, ROWS)]


def guessed(cells, target="y", **wishes):
    frame = pd.DataFrame(
        {"base": np.linspace(0, 1, len(cells)), "x": cells, "y": (["a", "b"] * len(cells))[: len(cells)]}
    )
    columns = {"x": ColumnWish(**wishes)} if wishes else {}
    found = guess_schema(load_table(frame), DataOptions(target=target, columns=columns))
    column = {column.name: column for column in found.schema.columns}.get("x", found.schema.target)
    return column, [str(note) for note in found.notes if note.column == "x"]


def numbers_of(column, cells):
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x"))[None]


def every(step, word, cells):
    """Every so many cells, a word instead."""
    return [word if place % step == 0 else cell for place, cell in enumerate(cells)]


# -- words for true and false ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "cells"),
    [("T", RAIN), ("F", GRADES), ("TRUE", GRADES), ("false", RAIN), (" t ", [f"{x} mm" for x in RAIN])],
)
def test_a_word_for_true_or_false_among_numbers_is_no_number(word, cells):
    column, notes = guessed(every(10, word, cells))
    assert column.kind is ColumnKind.NUMERIC
    assert f"has '{word}' (8) among its numbers" in notes[-1]
    assert "count as missing" in notes[-1]
    assert np.isnan(numbers_of(column, [word.lower()])).all()
    for plain in (guessed(cells)[0], Column("x", ColumnKind.NUMERIC)):
        with pytest.raises(InvalidValueError, match="is not a number"):
            numbers_of(plain, [word])


def test_a_target_has_no_row_for_such_a_word():
    target, notes = guessed(every(10, "F", RAIN), "x")
    assert target.task.kind == "regression"
    assert "these rows are left out" in notes[-1]
    target, _ = guessed((["F", "70", "80", "95", "88"] * ROWS)[:ROWS], "x")
    assert target.classes == ("70", "80", "88", "95", "F")


@pytest.mark.parametrize("cells", [["T", "F", "F"], ["TRUE", "0", "1"], ["t", "f", "1"], [True, False, "true"]])
def test_true_and_false_alone_or_with_their_numbers_are_as_they_were(cells):
    column, notes = guessed((cells * ROWS)[:ROWS])
    assert (column, notes) == (Column("x", ColumnKind.BOOLEAN), [])
    assert numbers_of(column, ["T", "false", "0", 1, True, None]).tolist()[:5] == [1, 0, 0, 1, 1]


def test_requests_meet_the_same_words(tmp_path):
    frame = pd.DataFrame({"rain": RAIN, "flag": ["T", "F"] * (ROWS // 2), "y": ["a", "b"] * (ROWS // 2)})
    found = open_dataset(frame, DataOptions(target="y"))
    encoder = ColumnarEncoder(found.schema, found.encoder)
    cells = {"rain": ["5.0", 3, True, None], "flag": ["false", "t", 1, True]}
    wanted = encoder.transform(pd.DataFrame({name: pd.Series(some, dtype=object) for name, some in cells.items()}))
    assert np.array_equal(encoder.encode(cells, 4)["numeric"], wanted["numeric"])
    with pytest.raises(InvalidValueError, match="row 1, column 'rain': 'T' is not a number"):
        encoder.encode({"rain": ["T"], "flag": ["T"]}, 1)
