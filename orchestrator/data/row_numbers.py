"""Where a row is in what the user gave, so that it is found there again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.rows_wish import FRAME
from orchestrator.data.splits.marks import TEST

NO_FILE = f"the {FRAME}"


@dataclass(frozen=True)
class RowNumbers:
    """Numbers of rows, as `--rows` of `orchestrator explain` counts them.

    Attributes:
        source: the file, data set or data frame that they are in.
        numbers: int64 [rows]; 1 is the first one.
    """

    source: str
    numbers: NDArray[np.int64]

    @classmethod
    def of_test_rows(
        cls, origin: str, parts: NDArray[np.int8] | None, positions: NDArray[np.int64], test: str | None
    ) -> RowNumbers:
        """Of rows to test on.

        Args:
            origin: of the rows, as in `Table`.
            parts: of the rows of all files, as in `Table`.
            positions: of the test rows among these.
            test: the file that they were given in, if any.
        """
        if test is None or parts is None:
            return cls(_short(origin), positions + 1)
        first = int(np.argmax(parts == TEST))
        return cls(NO_FILE if test == FRAME else _short(test), positions - first + 1)

    def take(self, rows: NDArray[np.int64]) -> RowNumbers:
        """Those of some rows."""
        return RowNumbers(self.source, self.numbers[rows])

    def name_of(self, row: int) -> str:
        """What a row is called."""
        return f"row {self.numbers[row]} of {self.source}"


def _short(source: str) -> str:
    return Path(source).name if Path(source).exists() else source
