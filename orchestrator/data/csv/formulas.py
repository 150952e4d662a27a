"""Cells such as ="01067", with which people keep Excel from reading a text as a number, and \\N of databases."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.notes import Note, rows_text

# what MySQL, PostgreSQL and Hive write for NULL
NULL = r"\N"
MARK, FORMULA = '="', r'^\s*="([^"]*)"\s*$'


def without_formulas(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """The table with the content of such cells and names, and a note for each column that has some."""
    named = {name: found[1] for name in map(str, frame.columns) if (found := re.match(FORMULA, name)) is not None}
    # a name must not come twice
    if set(named.values()).isdisjoint(set(frame.columns)) and len(set(named.values())) == len(named):
        frame = frame.rename(columns=named)
    else:
        frame = frame.copy(deep=False)
    notes = []
    for name, series in frame.items():
        cells = pa.array(series, from_pandas=True)
        there = pc.match_substring_regex(cells, FORMULA)
        if not pc.any(there).as_py():
            continue
        shown = cells.filter(there)[0].as_py()
        plain = pc.replace_substring_regex(cells, FORMULA, r"\1")
        frame[name] = pd.Series(plain, index=series.index, name=name, dtype=series.dtype)
        notes.append(Note(column=str(name), why=f"has formulas such as {shown}", done="read as their content"))
    return frame, tuple(notes)


def without_nulls(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """The table without cells that are NULL of a database, and a note that counts them."""
    frame, notes = frame.copy(deep=False), []
    for name, series in frame.items():
        cells = pa.array(series, from_pandas=True)
        there = pc.fill_null(pc.equal(cells, NULL), False)
        rows = pc.sum(there).as_py() or 0
        if rows:
            plain = pc.if_else(there, None, cells)
            frame[name] = pd.Series(plain, index=series.index, name=name, dtype=series.dtype)
            why = f"has {NULL}, the NULL of databases, in {rows_text(rows)}"
            notes.append(Note(column=str(name), why=why, done="read as missing values"))
    return frame, tuple(notes)
