"""A feature column as it is before anything is fitted. Plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.columns.notation import Notation


class ColumnKind(StrEnum):
    """How a feature column is read; each has a file beside this one, and an entry in `registry`."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TIME_OF_DAY = "time_of_day"
    DURATION = "duration"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """A feature column.

    Attributes:
        name: as in the header.
        kind: how its values are read.
        datetime_format: for a datetime column given as text, a `strptime` format or `ISO8601`.
        notation: how its cells are written, if not plainly.
    """

    name: str
    kind: ColumnKind
    datetime_format: str | None = None
    notation: Notation | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a notation only if there is one, as before there were notations."""
        plain: dict[str, Any] = {"name": self.name, "kind": self.kind, "datetime_format": self.datetime_format}
        return plain if self.notation is None else plain | {"notation": self.notation.to_json()}
