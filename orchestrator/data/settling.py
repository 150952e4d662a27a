"""What must be clear before columns are looked at: which one is the target, what options name, what is expanded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from orchestrator.columns.names import find_place, name_of, place_note, same_names, spelling_note
from orchestrator.columns.notes import Note
from orchestrator.columns.rows_wish import RowsWish, option_of_rows
from orchestrator.data.dataset import DataOptions
from orchestrator.data.nested import expand, find_nested, notes_of
from orchestrator.data.sources import Table
from orchestrator.errors import UsageError, nearest


def settle(table: Table, options: DataOptions) -> tuple[Table, DataOptions]:
    """The table with lists and records as columns, and the options with the names that its columns have.

    What the user has said how to read stays as it is.

    Raises:
        UsageError: there is no such target column (the nearest name is suggested).
    """
    names = list(table.frame.columns)
    options = named_options(options, names)
    target, notes = _find_target(table, names, options.target)
    kept = {*options.ignore, *options.categorical, *([] if target is None else [target])}
    kept |= {name for name, wish in options.columns.items() if wish.kind is not None}
    kept.update(options.rows.columns.values())
    nested = find_nested(table.frame, kept)
    if nested:
        table = replace(table, frame=expand(table.frame, nested), nested=nested)
        names = list(table.frame.columns)
        options = named_options(options, names)
    if target is None and options.target is not None:
        target, notes = target_column(table, options.target)
    _check_rows(table.origin, names, target, options.rows)
    for name in options.features.averaged_columns:
        if name not in names:
            hint = suggestion(name, names)
            raise UsageError(f"{table.origin}: --target-statistics {name}: there is no such column{hint}")
    return replace(table, notes=(*table.notes, *notes, *notes_of(nested))), replace(options, target=target)


def _check_rows(origin: str, names: Sequence[str], target: str | None, rows: RowsWish) -> None:
    """Raises UsageError when a column that says something about rows does not exist, or is the target."""
    rows.check()
    for field, name in rows.columns.items():
        if name not in names:
            raise UsageError(
                f"{origin}: {option_of_rows(field)} {name}: there is no such column{suggestion(name, names)}"
            )
        if name == target:
            raise UsageError(f"{origin}: {option_of_rows(field)} {name}: that is the target column")


def target_column(table: Table, target: Hashable) -> tuple[str, tuple[Note, ...]]:
    """The target's name as it is in the table, and what was guessed to find it.

    Raises:
        UsageError: no target given, or no such column (the nearest name is suggested).
    """
    names = list(table.frame.columns)
    found, notes = _find_target(table, names, target)
    if found is not None:
        return found, notes
    if target is None:
        raise UsageError(f"{table.origin}: say which column to predict with --target (columns: {listed(names)})")
    name = name_of(target)
    if name in table.index:
        hint = "; it is the index of the data frame, of which frame.reset_index() makes a column"
        raise UsageError(f"{table.origin}: there is no target column '{name}'{hint}")
    raise UsageError(f"{table.origin}: there is no target column '{name}'{suggestion(name, names)}")


def _find_target(table: Table, names: Sequence[str], target: Hashable) -> tuple[str | None, tuple[Note, ...]]:
    """Which of the columns is called so, or is there where no column is called so."""
    if target is None:
        return table.default_target, ()
    name = name_of(target)
    same = same_names([name], names).get(name)
    if same is not None:
        return same, () if same == name else (spelling_note(name, same),)
    place = find_place(name, names)
    if place is None:
        return None, ()
    return names[place], (place_note(name, names[place], place, "is predicted"),)


def named_options(options: DataOptions, names: Sequence[str]) -> DataOptions:
    """Options in which columns have the names that they have in a table; others stay as they are."""
    roles = options.rows.columns.values()
    more = (*options.columns, *roles, *options.features.averaged_columns)
    wished = [name_of(label) for label in (*options.categorical, *options.ignore, *more)]
    same = same_names(wished, names)

    def named(label: Hashable) -> str:
        return same.get(name_of(label), name_of(label))

    return replace(
        options,
        categorical=tuple(map(named, options.categorical)),
        ignore=tuple(map(named, options.ignore)),
        columns={named(label): wish for label, wish in options.columns.items()},
        rows=options.rows.named(named),
        features=options.features.named(named),
    )


def suggestion(name: str, names: Sequence[str]) -> str:
    """The nearest of some names, or all of them, to end a sentence about an unknown one."""
    near = nearest(name, names)
    return f" (columns: {listed(names)})" if near is None else f"; did you mean '{near}'?"


def listed(names: Sequence[str]) -> str:
    """The first names in a sentence."""
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004
