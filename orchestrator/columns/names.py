"""Names of columns: what the labels of a data frame are called, and which column somebody means."""

from __future__ import annotations

import ast
import contextlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from itertools import islice

from orchestrator.columns.notes import Note
from orchestrator.columns.spellings import case_folded
from orchestrator.errors import nearest

BYTE_ORDER_MARK = "\ufeff"
INTEGER = re.compile(r"[+-]?[0-9]+")
# how earlier versions called what has a tuple as its label
TUPLE = re.compile(r"\(.*,.*\)", re.DOTALL)
WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
# what pandas reads as the name of a level that has none
UNNAMED_LEVEL = re.compile(r"Unnamed: \d+_level_\d+")
NAMELESS_LEVELS = re.compile(rf"(?<=.)\.{UNNAMED_LEVEL.pattern}")
# NaN, NaT and NA of pandas as texts
NO_LABELS = ("nan", "NaT", "<NA>")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


# names among which one that was misspelt is looked for, and the longest of them
LOOKED_AT, LONGEST = 50, 100


def name_of(label: object) -> str:
    """The name of a column that has this label: texts without blanks around, levels of an index joined by points.

    The levels are a tuple, or a list as in JSON.
    """
    if isinstance(label, str):
        return str(label).strip(BYTE_ORDER_MARK).strip()
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace").strip()
    if isinstance(label, tuple | list):
        return ".".join(name for name in map(name_of, label) if name)
    if isinstance(label, datetime) and label.time() == time.min and label.tzinfo is None:
        return label.date().isoformat()
    return label.isoformat() if type(label) is date else str(label)


def names_of(labels: Sequence[object], wanted: Collection[str] = ()) -> tuple[list[str], list[Note]]:
    """The names of the columns of a data frame, and notes about those that are called by their place.

    Args:
        labels: of the columns; None, NaN and an empty text are no names.
        wanted: names that are looked for; models of before may have what such a label is as a text.
    """
    names, notes = [], []
    for place, label in enumerate(labels):
        name = name_of(label)
        if _is_none(label) and name not in wanted:
            name = nameless(place)
            notes.append(nameless_note(name, f"(column {place + 1} of the data frame) has no name"))
        names.append(name)
    return names, notes


def nameless(place: int) -> str:
    """What pandas calls a column of a file that has no name there; places are from 0 on."""
    return f"Unnamed: {place}"


def nameless_note(name: str, why: str) -> Note:
    """About a column that is called by its place."""
    return Note(column=name, why=why, done="it is called so", option=f"--ignore '{name}' leaves it out")


def _is_none(label: object) -> bool:
    if isinstance(label, str):
        return not label.strip()
    return label is None or str(label) in NO_LABELS


def folded(name: str) -> str:
    """What is the same for names that differ in case, blanks, or the way in which Unicode writes letters."""
    name = NAMELESS_LEVELS.sub("", levels(name))
    text = " ".join(case_folded(unicodedata.normalize("NFKC", name.strip(BYTE_ORDER_MARK))).split())
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


def levels(name: str) -> str:
    """The name of a column with several levels whose label was written as a tuple, else the name itself."""
    if TUPLE.fullmatch(name):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            label = ast.literal_eval(name)
            return name_of(label) if isinstance(label, tuple) else name
    return name


def same_names(wanted: Iterable[str], present: Sequence[str]) -> Mapping[str, str]:
    """Which of the names that are there is meant by each that is wanted; those that nothing stands for are left out.

    A name that is written otherwise is taken only if nothing else could be meant.
    """
    there, alike = set(present), _by_folded(present)
    wanted = list(wanted)
    meant = _by_folded(wanted)
    found = {}
    for name in wanted:
        near = [name] if name in there else alike.get(folded(name), [])
        if len(near) == 1 and (near[0] == name or len(meant[folded(name)]) == 1):
            found[name] = near[0]
    return found


def _by_folded(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(folded(name), []).append(name)
    return groups


def meant_for(name: str, present: Iterable[object], wanted: Collection[str]) -> str:
    """`; is 'NEAREST' meant for it?` to end a sentence about a missing column, empty when none is near.

    Args:
        name: of the column.
        present: names that are there. Few of them are looked at, and no long ones: they may come from anybody.
        wanted: names of all columns; one of these is itself.
    """
    others = (other for other in present if isinstance(other, str) and len(other) <= LONGEST and other not in wanted)
    near = nearest(name, islice(others, LOOKED_AT))
    return "" if near is None else f"; is '{near}' meant for it?"


def spelling_note(name: str, present: str) -> Note:
    """About a column that is written otherwise than where it is needed."""
    return Note(column=name, why=f"is written '{present}' here", done="read as the same column")


def find_place(wanted: str, names: Sequence[str]) -> int | None:
    """The place of a column that is wanted by its number, from 1, or from -1 at the end; None if it is not.

    Where columns are called by numbers, a number is a name.
    """
    if not INTEGER.fullmatch(wanted) or any(INTEGER.fullmatch(folded(name)) for name in names):
        return None
    number = int(wanted)
    if not 1 <= abs(number) <= len(names):
        return None
    return number - 1 if number > 0 else len(names) + number


def place_note(wanted: str, name: str, place: int, why: str) -> Note:
    """About a column that was found by its number."""
    ordinal = f"{ORDINALS[place]} column" if place < len(ORDINALS) else f"column number {place + 1}"
    return Note(why=f"no column is called '{wanted}'", done=f"the {ordinal}, '{name}', {why}")
