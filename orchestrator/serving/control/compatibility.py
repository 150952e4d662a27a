"""What breaks for those who call a model when another version answers: columns they do not send, other answers."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.data.schema import Column, ColumnKind, Schema

SHOWN = 5
NUMBERS = frozenset({ColumnKind.NUMERIC, ColumnKind.BOOLEAN})


def breaking_changes(served: Schema, other: Schema) -> tuple[str, ...]:
    """Why requests that one version answers may fail with another one, or get answers of another kind.

    Args:
        served: of the version that callers know.
        other: of the one that is to answer them.

    Returns:
        Parts of a sentence, none when nothing breaks. A column that is no longer needed breaks nothing, since columns
        that a model does not know are ignored; nor does one that took numbers, texts or dates and takes anything now.
    """
    return (*_requests(served, other), *_answers(served, other))


def listed(changes: tuple[str, ...]) -> str:
    """As a part of a sentence; the first five if there are more."""
    more = f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return "; ".join(changes[:SHOWN]) + more


def _requests(served: Schema, other: Schema) -> Iterator[str]:
    known = {column.name: column for column in served.columns}
    for column in other.columns:
        before = known.get(column.name)
        if before is None:
            yield f"requests need the column '{column.name}', which is new"
        elif not _accepts(before, column):
            yield f"the column '{column.name}' is {_described(column)}, was {_described(before)}"


def _accepts(before: Column, column: Column) -> bool:
    """Whether all values that fitted a column fit another one."""
    if column.kind is ColumnKind.CATEGORICAL:
        return True
    if column.kind is ColumnKind.DATETIME:
        return before.kind is ColumnKind.DATETIME and _format(before) == _format(column)
    # both are read as numbers, true and false among them
    return before.kind in NUMBERS


def _answers(served: Schema, other: Schema) -> Iterator[str]:
    before, after = served.target, other.target
    if after.name != before.name:
        yield f"'{after.name}' is predicted, was '{before.name}'"
    yield from after.task.changes(before.task)


def _format(column: Column) -> str:
    return column.datetime_format or "ISO8601"


def _described(column: Column) -> str:
    return f"datetime ({_format(column)})" if column.kind is ColumnKind.DATETIME else str(column.kind)
