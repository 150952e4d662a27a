"""What the columns of a data set are: the part of a model that is known before anything is trained. Plain JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

Label = str | int | bool


class ColumnKind(StrEnum):
    """How a feature column is read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the target is a label rather than a number."""
        return self is not Task.REGRESSION


@dataclass(frozen=True)
class Column:
    """A feature column.

    Attributes:
        name: as in the header.
        kind: how its values are read.
        datetime_format: for a datetime column given as text, a `strptime` format or `ISO8601`.
    """

    name: str
    kind: ColumnKind
    datetime_format: str | None = None


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        name: column name.
        task: kind of prediction.
        classes: the labels in the order of the network's outputs; for a binary task the second one is the
            positive class. Empty for regression.
    """

    name: str
    task: Task
    classes: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The feature columns in order, and the target."""

    columns: tuple[Column, ...]
    target: Target

    @property
    def outputs(self) -> int:
        """Number of values the network computes for a row: one logit, one logit per class, or one number."""
        return len(self.target.classes) if self.target.task is Task.MULTICLASS else 1

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return asdict(self)

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
        target = content["target"]
        return cls(columns, Target(str(target["name"]), Task(target["task"]), tuple(target["classes"])))
