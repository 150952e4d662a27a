"""Files of columns in YAML: what is known of each as a comment, and its kind, to be corrected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.plain_text import plain

if TYPE_CHECKING:
    from orchestrator.bundle.inspection import ModelInspection
    from orchestrator.data.inspection import Inspection
    from orchestrator.tasks import Target

WIDTH = 10**9


def column_lines(found: Inspection | ModelInspection) -> list[str]:
    """The entry `columns` of a configuration."""
    notes: dict[str | None, list[str]] = {}
    for note in (*found.notes, *getattr(found, "suspicions", ())):
        notes.setdefault(note.column, []).append(f"  # {comment(str(note))}")
    lines = ["columns:"]
    for column in found.columns:
        if column.name in found.wishes:
            lines += _about(column, found) + notes.get(column.name, [])
            lines += [f"  {line}" for line in yaml_lines({column.name: found.wishes[column.name].to_json()})]
    return lines


def _about(column: Any, found: Any) -> list[str]:  # noqa: ANN401
    """What was seen of a column; of one of a model that is only how its cells are written."""
    if not hasattr(column, "why"):
        return [f"  # written as {comment(column.written)}"] if column.written else []
    return [f"  # {comment(column.why)}; {column.distinct:,} different, {found.missing(column)} missing"]


def target_entries(target: Target) -> dict[str, Any]:
    """What is predicted, as entries of a configuration."""
    kind, options = target.task.kind, target.task.options()
    return {"target": target.name, "task": {"kind": kind, **options} if options else kind}


def yaml_lines(content: Mapping[str, Any]) -> list[str]:
    """Entries of YAML; those of plain values stand in one line each."""
    import yaml

    return [
        line
        for name, value in content.items()
        for line in yaml.safe_dump(
            {name: value},
            default_flow_style=None if isinstance(value, Mapping) else False,
            sort_keys=False,
            allow_unicode=True,
            width=WIDTH,
        ).splitlines()
    ]


def comment(text: str) -> str:
    """A text in one line, that ends no comment."""
    return " ".join(plain(text).split())
