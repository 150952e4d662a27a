"""Guesses what the columns are and what is predicted; each guess can be overridden by the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.rows_wish import COLUMN_ROLES
from orchestrator.columns.values import Series
from orchestrator.columns.wish import NO_WISH, ColumnWish, option_of
from orchestrator.data.dataset import DataOptions
from orchestrator.data.leaks import copy_notes
from orchestrator.data.nested import unusable
from orchestrator.data.parsed import ParsedRows
from orchestrator.data.schema import Schema
from orchestrator.data.settling import suggestion, target_column
from orchestrator.data.sources import Table
from orchestrator.errors import DataError, UsageError
from orchestrator.features import KINDS, Column, ColumnKind, Recognised, recognise
from orchestrator.tasks import Target, find_target

# what a column can be to rows that makes it no feature
NO_FEATURES = ("group", "split_column", "weight")


@dataclass
class Guess:
    """The inferred schema, and what was noticed on the way."""

    columns: list[Column] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    raw: dict[str, RawColumn] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Guessed:
    """What is known of a table before its rows are split.

    Attributes:
        schema: of the table.
        known: positions of the rows that have a target, int64 [rows].
        labels: their targets, as the task takes them.
        notes: what the user should know.
        raw: the columns of the schema, with all rows.
        total: rows of the table.
    """

    schema: Schema
    known: NDArray[np.int64]
    labels: Series
    notes: tuple[Note, ...]
    raw: dict[str, RawColumn]
    total: int

    def parsed(self) -> ParsedRows:
        """The rows that have a target. Once only: what is known of the columns is let go of, since it is large."""
        cells = {
            column.name: KINDS[column.kind].parse_raw(column, self.raw.pop(column.name))
            for column in self.schema.columns
        }
        return ParsedRows(schema=self.schema, cells=cells, total=self.total, chosen=self.known)


@dataclass(frozen=True)
class RawColumns:
    """The columns of a table, of which nothing is known yet.

    Attributes:
        named: all of them.
        beside: those that are not ignored, for what one of them may say about another.
    """

    named: dict[str, RawColumn]
    beside: list[RawColumn]

    @classmethod
    def of(cls, table: Table, options: DataOptions) -> Self:
        """Of a table of which options may say something."""
        beside: list[RawColumn] = []
        wishes, ignored = options.wishes, set(options.ignore)
        named = {
            str(name): RawColumn(table.origin, series, wishes.get(str(name), NO_WISH), beside)
            for name, series in table.frame.items()
        }
        beside += [raw for name, raw in named.items() if name not in ignored]
        return cls(named, beside)


def guess_target(
    table: Table, columns: RawColumns, options: DataOptions, *, sampled: bool = False
) -> tuple[Target, RawColumn, tuple[Note, ...]]:
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
    reason = unusable(raw.series)
    if reason is not None:
        raise DataError(f"{table.origin}: the target column '{name}' {reason}, which cannot be predicted")
    target, plain, notes = find_target(raw, options.task, sampled=sampled)
    return target, plain, (*found_by, *notes)


def guess_columns(table: Table, columns: RawColumns, target: str | None, options: DataOptions) -> Guess:
    """Kinds of all feature columns. Constant, empty and identifier columns are left out, with a note.

    Args:
        table: that has them.
        columns: of the table. Once only: they are let go of, since what is known of them is large.
        target: which of them is predicted.
        options: what the user says about them.

    Raises:
        UsageError: an option names a column that does not exist.
        DataError: infinite numbers, or no column left to learn from.
    """
    names = list(columns.named)
    _check_wishes(table.origin, names, target, options.wishes)
    guess, spares = Guess(), []
    roles = {name: field for field, name in options.rows.columns.items()}
    for name, raw in columns.named.items():
        wish = raw.wish
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
            _check_followed(table.origin, found.column, wish)
            guess.columns.append(found.column)
            guess.raw[name] = raw
        elif found.spare is not None:
            spares.append((found, found.spare, raw))
    # columns are let go of one by one from here on
    columns.named.clear()
    columns.beside.clear()
    for found, spare, raw in [] if guess.columns else spares:
        guess.notes = [note for note in guess.notes if note not in found.notes] + [spare.note]
        guess.columns.append(spare.column)
        guess.raw[raw.name] = raw
    if not guess.columns:
        reasons = "; ".join(map(str, guess.notes)) or "only the target"
        raise DataError(f"{table.origin}: no usable feature column is left ({reasons})")
    return guess


def _check_wishes(origin: str, names: Sequence[str], target: str | None, wishes: Mapping[str, ColumnWish]) -> None:
    """Raises UsageError when something is wished of a column that is not there, or of the target."""
    for name, wish in wishes.items():
        if name not in names:
            raise UsageError(f"{origin}: {wish.option} {name}: there is no such column{suggestion(name, names)}")
        if name == target and wish.kind is not None:
            hint = "" if wish.is_ignored else "; say with --task what it is"
            raise UsageError(f"{origin}: {wish.option} {name}: that is the target column{hint}")
        if name == target and wish.date_format is not None:
            raise UsageError(f"{origin}: --date-format {name}: that is the target column, which is never a date")


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


def _without_text(found: Recognised) -> Recognised:
    """Nothing, if it is a column of free text."""
    if found.column is None or found.column.kind is not ColumnKind.TEXT:
        return found
    name = found.column.name
    note = Note(column=name, why="is free text", done="left out", option=f"--text '{name}' keeps it")
    return Recognised(None, (note,))


def guess_schema(table: Table, options: DataOptions) -> Guessed:
    """The schema of a table, which of its rows have a target, and notes for the user; see `settle`.

    Raises:
        UsageError, DataError: see `guess_target` and `guess_columns`.
    """
    columns = RawColumns.of(table, options)
    target, plain, notes = guess_target(table, columns, options)
    known = np.flatnonzero(plain.known)
    guess = guess_columns(table, columns, target.name, options)
    notes = (*table.notes, *notes, *guess.notes, *copy_notes(guess.columns, guess.raw, target, plain))
    dropped = len(table.frame) - len(known)
    if dropped:
        notes += (dropped_note(dropped, target.name),)
    return Guessed(
        schema=Schema(tuple(guess.columns), target, table.nested),
        known=known,
        labels=plain.series.iloc[known],
        notes=notes,
        raw=guess.raw,
        total=len(table.frame),
    )


def dropped_note(count: int, target: str) -> Note:
    """About rows without a target."""
    have = "has" if count == 1 else "have"
    return Note(why=f"{rows_text(count)} {have} no value for the target '{target}'", done="left out")
