"""Guesses what the columns are and what is predicted; each guess can be overridden by the user."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.raw_column import RawColumn
from orchestrator.data.schema import Schema
from orchestrator.data.sources import Table
from orchestrator.errors import DataError, UsageError
from orchestrator.features import Column, ColumnKind, recognise
from orchestrator.tasks import Target, TaskWish, find_task


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


def guess_columns(table: Table, target: str, categorical: Sequence[str], ignore: Sequence[str]) -> Guess:
    """Kinds of all feature columns. Constant, empty and identifier columns are left out, with a note.

    Raises:
        UsageError: `categorical` or `ignore` names a column that does not exist.
        DataError: infinite numbers, or no column left to learn from.
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
        raw = RawColumn(table.origin, table.frame[name])
        if name in categorical:
            column: Column | None = Column(name, ColumnKind.CATEGORICAL)
            if raw.is_constant:
                guess.notes.append(f"column '{name}' has the same value in every row: left out")
                column = None
        else:
            found = recognise(raw)
            column = found.column
            guess.notes += [found.note] if found.note else []
        if column is not None:
            guess.columns.append(column)
    if not guess.columns:
        raise DataError(
            f"{table.origin}: no usable feature column is left ({'; '.join(guess.notes) or 'only the target'})"
        )
    return guess


def guess_schema(
    table: Table,
    target: str | None = None,
    *,
    task: TaskWish | None = None,
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[Schema, NDArray[np.bool_], tuple[str, ...]]:
    """The schema of a table, which rows have a target (bool [rows]), and notes for the user.

    Raises:
        UsageError, DataError: see `find_target`, `find_task` and `guess_columns`.
    """
    name = find_target(table, target)
    raw = RawColumn(table.origin, table.frame[name])
    found, known = Target(name, find_task(raw, task)), raw.known
    guess = guess_columns(table, name, categorical, ignore)
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
