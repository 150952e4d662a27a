"""Files that are one table, some of which have decimal commas and others points: each is read with its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series

NAMES = {".": "point", ",": "comma"}
# that of thousands is the other one
SWAPPED = str.maketrans(".,", ",.")


def with_one_decimal(frames: Mapping[str, pd.DataFrame]) -> tuple[list[pd.DataFrame], list[tuple[Note, list[str]]]]:
    """The rows of files with the same decimal mark in all of them, the one that most rows have.

    Args:
        frames: the rows of each file, all with the same columns.

    Returns:
        frames: in their order.
        notes: what was done, with the names of the files.
    """
    found = dict(frames)
    notes: list[tuple[Note, list[str]]] = []
    columns = [str(name) for name in next(iter(found.values())).columns] if len(found) > 1 else []
    for column in columns:
        cells = {name: frame[column] for name, frame in frames.items()}
        marks = _marks(list(cells.values()))
        if len(set(filter(None, marks))) < len(NAMES):
            continue
        rows = Counter[str]()
        for mark, series in zip(marks, cells.values(), strict=True):
            if mark is not None:
                rows[mark] += len(series)
        kept = rows.most_common(1)[0][0]
        others = [name for name, mark in zip(cells, marks, strict=True) if mark is not None and mark != kept]
        for name in others:
            found[name] = found[name].assign(**{column: cells[name].str.translate(SWAPPED)})
        other = next(mark for mark in NAMES if mark != kept)
        why = f"has numbers with a decimal {NAMES[other]}, and with a {NAMES[kept]} in other files"
        option = f"--categorical '{column}' reads its cells as categories"
        notes.append((Note(column=column, why=why, done="each file is read with its own", option=option), others))
    return list(found.values()), notes


def _marks(columns: Sequence[Series]) -> list[str | None]:
    """The decimal mark of one column in each of some files; None where it has none, or no numbers."""
    if not all(isinstance(series.dtype, pd.StringDtype) for series in columns):
        return []
    raws = [RawColumn("", series) for series in columns]
    marks = [raw.decimal for raw in raws]
    if len(set(filter(None, marks))) < len(NAMES):
        return []
    return [mark if _are_numbers(raw) else None for raw, mark in zip(raws, marks, strict=True)]


def _are_numbers(raw: RawColumn) -> bool:
    reading = raw.number_reading
    return raw.numbers is not None if reading is None else reading.notation is not None
