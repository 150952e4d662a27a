"""What the columns of a data set are: the part of a model that is known before anything is trained. Plain JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.features import Column, ColumnKind
from orchestrator.tasks import Target, read_target


@dataclass(frozen=True)
class Schema:
    """The feature columns in order, and the target."""

    columns: tuple[Column, ...]
    target: Target

    @property
    def outputs(self) -> int:
        """How many numbers a network computes for a row."""
        return self.target.task.outputs

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {"columns": [asdict(column) for column in self.columns], "target": self.target.to_json()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Schema:
        """Rebuilds a schema.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        columns = tuple(
            Column(str(item["name"]), ColumnKind(item["kind"]), item.get("datetime_format"))
            for item in content["columns"]
        )
        return cls(columns, read_target(content["target"]))
