"""Guesses what the columns are and what is predicted; each guess can be overridden by the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.values import (
    DATETIME_FORMATS,
    FALSE_STRINGS,
    TRUE_STRINGS,
    Series,
    category_keys,
    count_keys,
    count_numbers,
    to_numbers,
    to_timestamps,
)
from orchestrator.data.schema import Column, ColumnKind, Schema
from orchestrator.data.sources import Table
from orchestrator.errors import DataError, InvalidValueError, UsageError
from orchestrator.tasks import RawTarget, Target, TaskWish, find_task

DATE_LIKE = re.compile(r"^\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4})")
IDENTIFIER_SHARE = 0.95
IDENTIFIER_ROWS = 20
TEXT_WORDS = 4
STRAY_TEXT_SHARE = 0.9
TEXT_DISTINCT_SHARE = 0.2


@dataclass
class Guess:
    """The inferred schema, and what was noticed on the way: sentences that the user should read."""

    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_target(table: Table, target: str | None) -> str:
    """The target's name as it is in the table.

    Raises:
        UsageError: no target given, or no such column (the nearest name is suggested).
    """
    names = list(table.frame.columns)
    name = target or table.default_target
    if name is None:
        raise UsageError(f"{table.origin}: say which column to predict with --target (columns: {_listed(names)})")
    if name not in names:
        raise UsageError(f"{table.origin}: there is no target column '{name}'{_suggestion(name, names)}")
    return name


def infer_columns(table: Table, target: str, categorical: Sequence[str], ignore: Sequence[str]) -> Guess:
    """Kinds of all feature columns. Constant, empty and identifier columns are left out, with a note.

    Raises:
        UsageError: `categorical` or `ignore` names a column that does not exist.
        DataError: free text, or no column left to learn from.
    """
    names = [str(name) for name in table.frame.columns]
    for option, wanted in (("--categorical", categorical), ("--ignore", ignore)):
        for name in wanted:
            if name not in names:
                raise UsageError(f"{table.origin}: {option} {name}: there is no such column{_suggestion(name, names)}")
            if name == target and option == "--ignore":
                raise UsageError(f"{table.origin}: --ignore {name}: that is the target column")
    guess = Guess()
    for name in names:
        if name == target or name in ignore:
            continue
        series = table.frame[name]
        if name in categorical:
            column: Column | None = Column(name, ColumnKind.CATEGORICAL)
            if len(category_keys(series)[1]) == 1:
                guess.notes.append(f"column '{name}' has the same value in every row: left out")
                column = None
        else:
            column = _infer_column(table, name, series, guess.notes)
        if column is not None:
            guess.columns.append(column)
    if not guess.columns:
        raise DataError(
            f"{table.origin}: no usable feature column is left ({'; '.join(guess.notes) or 'only the target'})"
        )
    return guess


def _infer_column(table: Table, name: str, series: Series, notes: list[str]) -> Column | None:
    codes, keys = category_keys(series)
    present = count_keys(codes, keys)
    rows = sum(present.values())
    if not present:
        notes.append(f"column '{name}' is empty: left out")
        return None
    if len(present) == 1 and None not in keys:
        notes.append(f"column '{name}' has the same value in every row: left out")
        return None
    if _is_boolean(series, present):
        return Column(name, ColumnKind.BOOLEAN)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return Column(name, ColumnKind.DATETIME, "ISO8601")
    number_error = _number_error(series, name)
    if number_error is None:
        return Column(name, ColumnKind.NUMERIC)
    if "infinite" in str(number_error):
        raise DataError(f"{table.origin}: {number_error}")
    datetime_format = _datetime_format(series, name, present)
    if datetime_format is not None:
        return Column(name, ColumnKind.DATETIME, datetime_format)
    words = sum(len(key.split()) * count for key, count in present.items()) / rows
    distinct = len(present) / rows
    if words >= TEXT_WORDS and distinct > TEXT_DISTINCT_SHARE and len(present) > IDENTIFIER_ROWS:
        raise DataError(
            f"{table.origin}: column '{name}' holds free text ({words:.0f} words on average), which is not supported; "
            f"leave it out with --ignore '{name}', or treat each text as a category with --categorical '{name}'"
        )
    if distinct > IDENTIFIER_SHARE and rows >= IDENTIFIER_ROWS:
        notes.append(
            f"column '{name}' is different in almost every row, so it looks like an identifier: left out "
            f"(--categorical '{name}' keeps it)"
        )
        return None
    _note_stray_text(name, present, rows, number_error, notes)
    return Column(name, ColumnKind.CATEGORICAL)


def _note_stray_text(
    name: str, present: dict[str, int], rows: int, number_error: InvalidValueError, notes: list[str]
) -> None:
    numeric = count_numbers(present)
    if numeric >= STRAY_TEXT_SHARE * rows:
        notes.append(
            f"column '{name}' is read as categories, although {100 * numeric / rows:.0f} % of it are numbers: "
            f"{number_error}"
        )


def _is_boolean(series: Series, present: dict[str, int]) -> bool:
    if pd.api.types.is_bool_dtype(series.dtype):
        return True
    return {key.lower() for key in present} <= TRUE_STRINGS | FALSE_STRINGS and not pd.api.types.is_numeric_dtype(
        series.dtype
    )


def _number_error(series: Series, name: str) -> InvalidValueError | None:
    try:
        to_numbers(series, name)
    except InvalidValueError as error:
        return error
    return None


def _datetime_format(series: Series, name: str, present: dict[str, int]) -> str | None:
    if not all(DATE_LIKE.match(key) for key in present):
        return None
    for candidate in DATETIME_FORMATS:
        try:
            to_timestamps(series, name, candidate)
        except InvalidValueError:
            continue
        return candidate
    return None


def infer_schema(
    table: Table,
    target: str | None = None,
    *,
    task: TaskWish | None = None,
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[Schema, NDArray[np.bool_], tuple[str, ...]]:
    """The schema of a table, which rows have a target (bool [rows]), and notes for the user.

    Raises:
        UsageError, DataError: see `find_target`, `find_task` and `infer_columns`.
    """
    name = find_target(table, target)
    raw = RawTarget(table.origin, table.frame[name])
    found, known = Target(name, find_task(raw, task)), raw.known
    guess = infer_columns(table, name, categorical, ignore)
    notes = list(guess.notes)
    dropped = int((~known).sum())
    if dropped:
        notes.append(dropped_note(dropped, name))
    return Schema(tuple(guess.columns), found), known, tuple(notes)


def dropped_note(count: int, target: str) -> str:
    """A sentence about rows without a target."""
    rows = "1 row has" if count == 1 else f"{count} rows have"
    return f"{rows} no value for the target '{target}': left out"


def _suggestion(name: str, names: list[str]) -> str:
    lowered = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean '{lowered[near[0]]}'?" if near else f" (columns: {_listed(names)})"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004
