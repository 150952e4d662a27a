"""Guesses what the columns are and what is predicted; each guess can be overridden by the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import Beside, Neighbour, RawColumn
from orchestrator.columns.rows_wish import COLUMN_ROLES
from orchestrator.columns.values import Series
from orchestrator.columns.wish import NO_WISH, ColumnWish, option_of
from orchestrator.data.dataset import DataOptions
from orchestrator.data.leaks import find_copies
from orchestrator.data.nested import unpredictable, unusable
from orchestrator.data.schema import Schema
from orchestrator.data.settling import suggestion, target_column
from orchestrator.data.sources import Table
from orchestrator.errors import DataError, UsageError
from orchestrator.features import KINDS, Column, ColumnKind, Recognised, recognise
from orchestrator.tasks import Target, find_target

# what a column can be to rows that makes it no feature
NO_FEATURES = ("group", "split_column", "weight")
# of so many rows, it matters when the cells of a column are let go of
LARGE_ROWS = 50_000

# rows whose target may look like a list, and how one looks
LOOKED_AT = 200
LISTED = re.compile(r"\s*(\[.*\]|\(.*[,:].*\)|\{.*\})\s*", re.DOTALL)


@dataclass
class Guess:
    """The inferred columns, and what was noticed on the way."""

    columns: list[Column] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class RawColumns:
    """The columns of a table, of which nothing is known yet.

    Attributes:
        named: all of them.
        beside: those that are not ignored, for what one of them may say about another.
    """

    named: dict[str, RawColumn]
    beside: Beside

    @classmethod
    def of(cls, table: Table, options: DataOptions) -> Self:
        """Of a table of which options may say something; see `settle`.

        Raises:
            UsageError: an option names a column that does not exist, or says of the target what cannot be.
        """
        beside = Beside()
        wishes, ignored = options.wishes, set(options.ignore)
        named = {
            str(name): RawColumn(table.origin, series, wishes.get(str(name), NO_WISH), beside)
            for name, series in table.frame.items()
        }
        _check_wishes(table.origin, list(named), options)
        beside.extend(raw for name, raw in named.items() if name not in ignored)
        return cls(named, beside)

    def let_go(self, raw: RawColumn) -> None:
        """Keeps of a column that is known only what it says about others, if it is large."""
        if len(raw.series) < LARGE_ROWS:
            return
        for place, other in enumerate(self.beside):
            if other is raw:
                self.beside[place] = Neighbour.of(raw)
                pa.default_memory_pool().release_unused()


def _check_wishes(origin: str, names: Sequence[str], options: DataOptions) -> None:
    for name, wish in options.wishes.items():
        if name not in names:
            raise UsageError(f"{origin}: {wish.option} {name}: there is no such column{suggestion(name, names)}")
        if name == options.target and wish.kind is not None:
            hint = "" if wish.is_ignored else "; say with --task what it is"
            raise UsageError(f"{origin}: {wish.option} {name}: that is the target column{hint}")
        if name == options.target and wish.date_format is not None:
            raise UsageError(f"{origin}: --date-format {name}: that is the target column, which is never a date")


@dataclass(frozen=True)
class FoundTarget:
    """What is predicted, its cells as its task takes them, and what the user should know about it."""

    target: Target
    plain: RawColumn
    notes: tuple[Note, ...]

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """Positions of the rows that have a target: int64 [rows]."""
        return np.flatnonzero(self.plain.known)

    @cached_property
    def labels(self) -> Series:
        """The target of these rows."""
        return self.plain.series.iloc[self.known]


def guess_target(table: Table, columns: RawColumns, options: DataOptions, *, sampled: bool = False) -> FoundTarget:
    """What is predicted, see `find_target`.

    Args:
        table: with the column.
        columns: of the table.
        options: that name it.
        sampled: the table has some rows of many.

    Raises:
        UsageError, DataError: see `target_column` and `find_target`.
    """
    name, found_by = target_column(table, options.target)
    raw = columns.named[name]
    reason = unpredictable(name, raw.series)
    if reason is not None:
        raise DataError(f"{table.origin}: the target column '{name}' {reason}")
    listed = _listed_text(raw.series)
    try:
        target, plain, notes = find_target(raw, options.task, sampled=sampled)
    except DataError as error:
        if listed is None:
            raise
        raise DataError(
            f"{table.origin}: the target column '{name}' holds texts such as {listed!r}, which look like lists or "
            f"records; write each part into a column of its own, and predict one of them"
        ) from error
    if listed is not None and target.classes:
        why = f"holds texts such as {listed!r}, which look like lists or records"
        notes = (*notes, Note(column=name, why=why, done="each text is a class"))
    return FoundTarget(target, plain, (*found_by, *notes))


def _listed_text(series: Series) -> str | None:
    """One of the texts of a column, if all of the first ones look like lists or records."""
    if not pd.api.types.is_string_dtype(series.dtype):
        return None
    texts = [str(text) for text in series.iloc[:LOOKED_AT].dropna() if str(text).strip()]
    return texts[0] if texts and all(LISTED.fullmatch(text) for text in texts) else None


def guess_columns(
    columns: RawColumns,
    found_target: FoundTarget | None,
    options: DataOptions,
    use: Callable[[Column, RawColumn], object],
) -> Guess:
    """Kinds of all feature columns. Constant, empty and identifier columns are left out, with a note.

    Args:
        columns: of a table. Once only: they are let go of one by one, since what is known of them is large.
        found_target: which of them is predicted, if one is.
        options: what the user says about them.
        use: takes each column that is a feature, as soon as this is known.

    Raises:
        UsageError: an option says something of a column that its kind makes nothing of.
        DataError: infinite numbers, or no column left to learn from.
    """
    guess, spares, origin = Guess(), [], ""
    target = None if found_target is None else found_target.target.name
    copies = None if found_target is None else find_copies(found_target.target, found_target.plain)
    copied: list[Note] = []

    def keep(column: Column, raw: RawColumn) -> None:
        guess.columns.append(column)
        if copies is not None and copies.is_copy(column, raw):
            copied.append(copies.note(column, str(target)))
        use(column, raw)

    roles = {name: field for field, name in options.rows.columns.items()}
    for name in list(columns.named):
        raw = columns.named.pop(name)
        wish, origin = raw.wish, raw.origin
        if name == target or wish.is_ignored:
            continue
        role = roles.get(name)
        if role in NO_FEATURES and (wish.kind is None or role == "split_column"):
            guess.notes.append(_role_note(name, role))
            continue
        reason = unusable(raw.series) if wish.kind is None else None
        if reason is not None:
            guess.notes.append(Note(column=name, why=reason, done="left out"))
            continue
        found = recognise(raw)
        if options.ignore_text and wish.kind is None:
            found = _without_text(found)
        if role == "time" and wish.kind is None:
            found = _timely(found)
        guess.notes += found.notes
        if found.column is not None:
            _check_followed(origin, found.column, wish)
            keep(found.column, raw)
        else:
            _check_left_out(raw, found)
            if found.spare is not None:
                spares.append((found, found.spare, raw))
        columns.let_go(raw)
    columns.beside.clear()
    for found, spare, raw in [] if guess.columns else spares:
        guess.notes = [note for note in guess.notes if note not in found.notes] + [spare.note]
        keep(spare.column, raw)
    if not guess.columns:
        reasons = "; ".join(map(str, guess.notes)) or "only the target"
        raise DataError(f"{origin}: no usable feature column is left ({reasons})")
    guess.notes += copied
    return guess


def no_use(_column: Column, _raw: RawColumn) -> None:
    """Of columns of which only the kinds are wanted."""


def _role_note(name: str, role: str) -> Note:
    keeps = f"--categorical '{name}' or --numeric '{name}' keeps it as a feature" if role != "split_column" else ""
    return Note(column=name, why=COLUMN_ROLES[role], done="it is no feature", option=keeps)


def _timely(found: Recognised) -> Recognised:
    """A column that orders the rows: of dates, the season and the time of day are known of later rows, too."""
    if found.column is None:
        return found
    name = found.column.name
    if found.column.kind is ColumnKind.DATETIME:
        note = Note(column=name, why=COLUMN_ROLES["time"], done="it stays a feature", option=f"--ignore '{name}'")
        return Recognised(found.column, (*found.notes, note))
    note = Note(
        column=name,
        why=f"{COLUMN_ROLES['time']}, and later rows have values that were never seen",
        done="it is no feature",
        option=f"{option_of(found.column.kind)} '{name}' keeps it",
    )
    return Recognised(None, (note,))


def _check_followed(origin: str, column: Column, wish: ColumnWish) -> None:
    """Raises UsageError when something is said of a column that its kind makes nothing of."""
    for said in wish.to_json():
        if said != "kind" and said not in KINDS[column.kind].follows:
            others = [option_of(kind) for kind, known in KINDS.items() if said in known.follows]
            raise UsageError(
                f"{origin}: {option_of(said)} {column.name}: the column is read as {column.kind}, which makes nothing "
                f"of that; say also {' or '.join(f'{other} {column.name}' for other in others)}, or leave it out"
            )


def _check_left_out(raw: RawColumn, found: Recognised) -> None:
    """Raises UsageError when it is said how a column is written that is left out although it has several values."""
    said = next((name for name in raw.wish.to_json() if name != "kind"), None)
    if said is None or raw.is_empty or raw.is_constant:
        return
    why = "; ".join(note.why for note in found.notes)
    raise UsageError(
        f"{raw.origin}: {option_of(said)} {raw.name}: the column {why}, and is left out; say also --numeric {raw.name} "
        f"or --categorical {raw.name} to keep it"
    )


def _without_text(found: Recognised) -> Recognised:
    """Nothing, if it is a column of free text."""
    if found.column is None or found.column.kind is not ColumnKind.TEXT:
        return found
    name = found.column.name
    note = Note(column=name, why="is free text", done="left out", option=f"--text '{name}' keeps it")
    return Recognised(None, (note,))


@dataclass(frozen=True)
class Guessed:
    """The schema that a table seems to have, and what the user should know about it."""

    schema: Schema
    notes: tuple[Note, ...]


def guess_schema(table: Table, options: DataOptions, *, sampled: bool = False) -> Guessed:
    """The schema of a table, see `settle`.

    Args:
        table: with the target.
        options: how to read it.
        sampled: the table has some rows of many.

    Raises:
        UsageError, DataError: see `RawColumns.of`, `guess_target` and `guess_columns`.
    """
    columns = RawColumns.of(table, options)
    found = guess_target(table, columns, options, sampled=sampled)
    guess = guess_columns(columns, found, options, no_use)
    return Guessed(Schema(tuple(guess.columns), found.target, table.nested), (*table.notes, *found.notes, *guess.notes))


def dropped_note(count: int, target: str) -> Note:
    """About rows without a target."""
    have = "has" if count == 1 else "have"
    return Note(why=f"{rows_text(count)} {have} no value for the target '{target}'", done="left out")
