"""A feature column as it is before anything is fitted. Plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnKind(StrEnum):
    """How a feature column is read; each has a file beside this one, and an entry in `registry`."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"


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
