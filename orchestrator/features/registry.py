"""All kinds of columns, in the order in which they are asked whether a column is theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.columns.codes import shortened_code, some_zeros
from orchestrator.columns.month_numbers import year_last_notes
from orchestrator.columns.notes import Note
from orchestrator.columns.number_codes import key_digits, lone_exponent, same_number
from orchestrator.columns.number_notes import dotted_note, sentinel_note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.sentinels import sentinels_of
from orchestrator.features._base import FeatureKind, Recognised, Spare
from orchestrator.features.boolean import BooleanKind
from orchestrator.features.categorical import CategoricalKind
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.datetime import DatetimeKind
from orchestrator.features.duration import DurationKind
from orchestrator.features.identifiers import find_identifier, follows_rows, is_key_name, repeated_keys
from orchestrator.features.numeric import NumericKind
from orchestrator.features.text import TextKind
from orchestrator.features.time_of_day import TimeOfDayKind

CATEGORIES = CategoricalKind()
KINDS: dict[ColumnKind, FeatureKind[Any, Any]] = {
    kind.kind: kind
    for kind in (
        BooleanKind(),
        DatetimeKind(),
        TimeOfDayKind(),
        DurationKind(),
        NumericKind(),
        TextKind(),
        CATEGORIES,
    )
}

LEFT_OUT = "left out"


def constant_note(column: str) -> Note:
    """About a column that says nothing."""
    return Note(column=column, why="has the same value in every row", done=LEFT_OUT)


def read_column(content: Mapping[str, Any]) -> Column:
    """The inverse of `Column.to_json`.

    Raises:
        KeyError, TypeError, ValueError: the content was not written by it.
    """
    kind, written = ColumnKind(content["kind"]), content.get("notation")
    notation = None
    if written is not None:
        known = KINDS[kind].notation
        if known is None:
            raise ValueError(f"a column of the kind {kind} has no notation")
        notation = known.from_json(written)
    return Column(str(content["name"]), kind, content.get("datetime_format"), notation)


def recognise(raw: RawColumn) -> Recognised:
    """What a column is, and what the user should know about it; columns that say nothing are left out.

    Raises:
        DataError: it cannot be used, or not as the user wishes.
    """
    if raw.is_empty:
        return Recognised(None, (Note(column=raw.name, why="is empty", done=LEFT_OUT),))
    if raw.is_constant:
        return Recognised(None, (constant_note(raw.name),))
    if raw.wish.kind is not None:
        return KINDS[ColumnKind(raw.wish.kind)].obey(raw)
    # digits that are written as the user says are neither keys nor codes
    has_format = raw.wish.date_format is not None
    identifier = find_identifier(raw) if not has_format else None
    if identifier is not None and not identifier.measures:
        spare = Spare(Column(raw.name, ColumnKind.NUMERIC), identifier.kept_note(raw.name))
        return Recognised(None, (identifier.note(raw.name),), spare)
    found = _recognise(raw)
    if found.column is None or found.column.kind in (ColumnKind.CATEGORICAL, ColumnKind.NUMERIC):
        plural = "numbers" if found.column is not None and found.column.kind is ColumnKind.NUMERIC else "categories"
        done = LEFT_OUT if found.column is None else f"read as {plural}"
        found = replace(found, notes=(*found.notes, *year_last_notes(raw, done)))
    if identifier is None or found.column is None:
        return found
    return Recognised(found.column, (*found.notes, identifier.note(raw.name)))


def _recognise(raw: RawColumn) -> Recognised:
    codes = CATEGORIES.recognise_codes(raw) if raw.wish.date_format is None else None
    if codes is not None:
        return codes
    found = next(found for kind in KINDS.values() if (found := kind.recognise(raw)) is not None)
    if found.column is None or found.column.kind in (ColumnKind.CATEGORICAL, ColumnKind.TEXT):
        regrets = tuple(note for kind in KINDS.values() for note in kind.regrets(raw))
        return Recognised(found.column, (*regrets, *found.notes), found.spare)
    if found.column.kind is not ColumnKind.NUMERIC:
        return found
    return Recognised(found.column, (*found.notes, *doubts(raw)))


def doubts(raw: RawColumn) -> Iterator[Note]:
    """What may be wrong about plain numbers: they may be names of something."""
    option, keeps = (f"--categorical '{raw.name}' {does}" for does in ("reads them as codes", "keeps them"))
    if (stray := some_zeros(raw)) is not None:
        why = f"has numbers with zeros in front, such as {stray}"
        yield Note(column=raw.name, why=why, done="read as numbers, so that the zeros do not count", option=keeps)
    if (same := same_number(raw)) is not None:
        why = f"has '{same[0]}' and '{same[1]}', which are the same number"
        yield Note(column=raw.name, why=why, done="read as numbers, so that the zeros do not count", option=keeps)
    if (shortened := shortened_code(raw)) is not None:
        why = f"has codes by its name written as numbers, such as '{shortened}', so that their last digits are lost"
        lost = f"--ignore '{raw.name}' leaves it out; or write its cells as texts where they come from"
        yield Note(column=raw.name, why=why, done="read as numbers", option=lost)
    if (exponent := lone_exponent(raw)) is not None:
        why = f"has numbers such as '{exponent}'"
        yield Note(column=raw.name, why=why, done=f"read as {float(exponent):.0f}", option=option)
    if (dotted := dotted_note(raw)) is not None:
        yield dotted
    if sentinels := sentinels_of(raw):
        yield sentinel_note(raw.name, sentinels)
    if (ordered := follows_rows(raw)) is not None:
        yield ordered
    if raw.numbers is not None and (digits := key_digits(raw.numbers, named=is_key_name(raw.name))) is not None:
        why = f"has whole numbers of {digits} digits in all rows, so they may be keys"
        both = f"{option}, --ignore '{raw.name}' leaves them out"
        yield Note(column=raw.name, why=why, done="read as numbers", option=both)
    elif (keys := repeated_keys(raw)) is not None:
        yield keys
