"""The rows of a data frame as a schema wants them: columns found by their names, types normalised, lists expanded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.columns.names import meant_for, name_of, names_of, same_names, spelling_note
from orchestrator.columns.notes import Note, warn
from orchestrator.data.nested import Nested, expand
from orchestrator.data.normalise import plain_frame
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidValueError

# names in a sentence
SHOWN = 50


def rows_of(schema: Schema, frame: pd.DataFrame) -> pd.DataFrame:
    """The feature columns of a schema, plain and by their names; there may be more of them.

    Warns:
        DataWarning: a column is written otherwise than in training.

    Raises:
        InvalidValueError: a column is missing or there twice, or a list is of another length.
    """
    names = [column.name for column in schema.columns]
    sources = {name: each.column for each in schema.nested for name in each.names}
    if not schema.nested and not set(names) - set(frame.columns):
        chosen = frame if len(frame.columns) == len(names) and frame.columns.is_unique else frame[names]
        _check_once(chosen)
        return plain_frame(chosen)
    frame = _named(frame, [*names, *sources.values()])
    known = set(frame.columns)
    wanted = dict.fromkeys(name if name in known else sources.get(name, name) for name in names)
    chosen = frame[[name for name in wanted if name in known]]
    _check_once(chosen)
    found = expand(plain_frame(chosen), schema.nested)
    check_columns(schema, [*found.columns, *(name for name in frame.columns if name not in wanted)])
    return found


@dataclass(frozen=True)
class Sources:
    """Where the columns of a schema come from, among names that are written otherwise or hold lists and records.

    Attributes:
        plain: what each column is called there; those that are not there are left out.
        nested: columns that have to be expanded, and what they are called there.
        notes: about names that are written otherwise.
        present: all names there.
    """

    plain: Mapping[str, str]
    nested: tuple[tuple[Nested, str], ...]
    notes: tuple[Note, ...]
    present: Sequence[str]


def find_sources(schema: Schema, present: Sequence[str]) -> Sources:
    """Finds the columns of a schema by names, as `rows_of` does in a data frame."""
    names = [column.name for column in schema.columns]
    same = dict(same_names([*names, *(each.column for each in schema.nested)], present))
    plain = {name: same[name] for name in names if name in same}
    nested = []
    for each in schema.nested:
        if each.column in same and not set(each.names) <= plain.keys():
            nested.append((each, same[each.column]))
            for name in each.names:
                plain.pop(name, None)
    used = {**plain, **{each.column: source for each, source in nested}}
    notes = tuple(spelling_note(name, source) for name, source in used.items() if source != name)
    return Sources(plain, tuple(nested), notes, present)


def _named(frame: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """The frame with the names that are wanted, where they are only written otherwise."""
    levels = [level for level in frame.index.names if level is not None and name_of(level) in wanted]
    if levels and not {name_of(level) for level in levels} & set(map(name_of, frame.columns)):
        frame = frame.reset_index(levels)
    # what has no name is said where it is read
    labels, _ = names_of(list(frame.columns), wanted)
    same = same_names(wanted, labels)
    other = {present: name for name, present in same.items() if present != name}
    warn(spelling_note(name, present) for present, name in other.items())
    return frame.set_axis([other.get(label, label) for label in labels], axis=1)


def _check_once(frame: pd.DataFrame) -> None:
    if not frame.columns.is_unique:
        name, count = Counter(map(str, frame.columns)).most_common(1)[0]
        raise InvalidValueError(f"the column '{name}' is there {count} times; rename one", name)


def check_columns(schema: Schema, names: Sequence[str] | pd.Index) -> None:
    """Raises InvalidValueError when a feature column is missing; other columns do not matter."""
    present = set(names)
    absent = [column.name for column in schema.columns if column.name not in present]
    if absent:
        which = f"column '{absent[0]}' is" if len(absent) == 1 else f"columns {_listed(map(repr, absent))} are"
        wanted = [column.name for column in schema.columns]
        hint = meant_for(absent[0], names, set(wanted)) if len(absent) == 1 else ""
        raise InvalidValueError(f"the {which} missing; needed: {_listed(wanted)}{hint}", absent[0])


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more
