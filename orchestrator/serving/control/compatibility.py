"""What breaks for those who call a model when another version answers: columns they do not send, other answers."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, Column

SHOWN = 5


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
        elif not KINDS[column.kind].accepts(column, before):
            yield f"the column '{column.name}' is {_described(column)}, was {_described(before)}"


def _answers(served: Schema, other: Schema) -> Iterator[str]:
    before, after = served.target, other.target
    if after.name != before.name:
        yield f"'{after.name}' is predicted, was '{before.name}'"
    yield from after.task.changes(before.task)


def _described(column: Column) -> str:
    return KINDS[column.kind].described(column)
