"""What the columns of a data set are: the part of a model that is known before anything is trained. Plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.data.nested import Nested
from orchestrator.features import Column, read_column
from orchestrator.tasks import Target, read_target


@dataclass(frozen=True)
class Schema:
    """The feature columns in order, and the target.

    Attributes:
        columns: features.
        target: what is predicted.
        nested: lists and records of which several columns are made before anything else.
    """

    columns: tuple[Column, ...]
    target: Target
    nested: tuple[Nested, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of the feature columns."""
        return [column.name for column in self.columns]

    @property
    def outputs(self) -> int:
        """How many numbers a network computes for a row."""
        return self.target.task.outputs

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        plain = {"columns": [column.to_json() for column in self.columns], "target": self.target.to_json()}
        return plain | ({"nested": [each.to_json() for each in self.nested]} if self.nested else {})

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Schema:
        """Rebuilds a schema.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        nested = tuple(map(Nested.from_json, content.get("nested", ())))
        return cls(tuple(map(read_column, content["columns"])), read_target(content["target"]), nested)
