"""How the cells of a column are written: found once in training data, kept in the schema, followed ever after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.values import Series


class Notation(ABC):
    """How the cells of one column are written, beyond what every column of its kind takes.

    Each kind of column that has one defines it as a frozen dataclass. A column without a notation is read as plainly
    as ever, and so is one of a model that was saved before there were notations.
    """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuilds a notation.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`; bundles come from elsewhere.
        """

    @abstractmethod
    def plain(self, series: Series) -> Series:
        """The same cells as they are written plainly: float64 with NaN, or keys of categories with None.

        Raises:
            InvalidValueError: a cell is not written so.
        """


class NumberCells(Notation):
    """A notation of cells that are read as numbers."""

    @property
    @abstractmethod
    def takes_numbers(self) -> bool:
        """Whether all numbers stand for themselves, none for a missing one."""

    @abstractmethod
    def read_cell(self, cell: object) -> float | None:
        """One cell: NaN for missing, None for what is not written so."""

    @abstractmethod
    def numbers(self, series: Series, column: str) -> NDArray[np.float64]:
        """`read_cell` of all cells of a column: float64 [rows].

        Raises:
            InvalidValueError: a cell is not written so, or infinite.
        """
