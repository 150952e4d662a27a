"""Columns that deserve a look before anything is trained: they say nothing, the same as another, or too much."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import short_value
from orchestrator.columns.values import category_keys
from orchestrator.features import KINDS, Column
from orchestrator.tasks import Target

# shares of the rows
SAME_SHARE, MISSING_SHARE, DISTINCT_SHARE = 0.99, 0.95, 0.9
# of these, every other one is told from the rest
SOME_ROWS, LEAST_ROWS = 20_000, 200
# what a column may not tell alone: the share of right labels, or of the variance; and how much fewer wrong ones
TELLING, FEWER_WRONG = 0.99, 4
READ = "read as any other column"


class Twins:
    """Finds columns that say the same as an earlier one: in rows where one has a value, the other has its own."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[str, pa.Array]] = {}

    def note(self, name: str, cells: pa.DictionaryArray, known: int) -> Note | None:
        """About a column, None if it is like no other.

        Args:
            name: of it.
            cells: as a dictionary in the order of the first rows, so that twins have the same codes.
            known: how many are not missing.
        """
        values = cells.dictionary
        codes = pc.fill_null(cells.indices, -1).to_numpy(zero_copy_only=False)
        digest = hashlib.blake2b(codes.astype(np.int32).tobytes(), digest_size=16).digest()
        first, others = self._seen.setdefault(digest, (name, values))
        if first == name or len(values) < 2:  # noqa: PLR2004
            return None
        equal = others.type == values.type and others.equals(values)
        if not equal and len(values) > DISTINCT_SHARE * known:
            # another value in every row has nothing to do with that of another column
            return None
        why = f"has the same cells as '{first}'" if equal else f"has one value for each value of '{first}'"
        return Note(column=name, why=why, done=READ, option=f"--ignore '{name}' leaves it out")


def empty_note(name: str, rows: int, known: int, most_frequent: tuple[object, int]) -> Note | None:
    """About a column that has nearly always the same value, or none."""
    option = f"--ignore '{name}' leaves it out"
    if rows - known >= MISSING_SHARE * rows:
        return Note(
            column=name, why=f"has no value in {_percent(rows - known, rows)} of the rows", done=READ, option=option
        )
    value, count = most_frequent
    if count >= SAME_SHARE * rows:
        why = f"has the value '{short_value(value)}' in {_percent(count, rows)} of the rows"
        return Note(column=name, why=why, done=READ, option=option)
    return None


class Tellers:
    """Finds columns that tell the target almost alone: often they are made of it, or known only after it."""

    def __init__(self, target: Target, labels: RawColumn) -> None:
        """Args:
        target: what is predicted.
        labels: its cells, as its task takes them.
        """
        known = np.flatnonzero(labels.known)
        self._rows = known[:: max(1, -(-len(known) // SOME_ROWS))]
        self._name, self._classes = target.name, bool(target.classes)
        cells = labels.series.iloc[self._rows]
        if self._classes:
            self._target = category_keys(cells)[0].astype(np.float64)
        else:
            self._target = cells.to_numpy(np.float64)

    def note(self, column: Column, raw: RawColumn) -> Note | None:
        """About a column, None if it does not tell the target."""
        if len(self._rows) < LEAST_ROWS:
            return None
        kind = KINDS[column.kind]
        codes = kind.classes(kind.parse(column, raw.series.iloc[self._rows]))
        if codes is None or len(np.unique(codes)) > DISTINCT_SHARE * len(codes) / 2:
            return None
        share = self._labels_told(codes) if self._classes else self._variance_told(codes)
        if share is None or share < TELLING:
            return None
        what = "of the labels" if self._classes else "of the variance"
        return Note(
            column=column.name,
            why=f"tells {share * 100:.1f} % {what} of the target '{self._name}' alone",
            done=READ,
            option=f"--ignore '{column.name}' leaves it out, if nobody knows it before the target",
        )

    def _labels_told(self, codes: NDArray[np.int64]) -> float | None:
        """The share of labels in every other row that are the most frequent one of their class in the rest."""
        labels = self._target.astype(np.int64)
        counts = np.zeros((codes.max() + 1, labels.max() + 1), np.int64)
        np.add.at(counts, (codes[::2], labels[::2]), 1)
        right = float((counts.argmax(axis=1)[codes[1::2]] == labels[1::2]).mean())
        usual = float((counts.sum(axis=0).argmax() == labels[1::2]).mean())
        return right if (1 - right) * FEWER_WRONG <= 1 - usual else None

    def _variance_told(self, codes: NDArray[np.int64]) -> float | None:
        """The same of the variance, by the means of classes."""
        learned, asked = self._target[::2], self._target[1::2]
        rows = np.bincount(codes[::2], minlength=codes.max() + 1)
        means = np.bincount(codes[::2], learned, minlength=codes.max() + 1) / np.maximum(rows, 1)
        told = np.where(rows > 0, means, learned.mean())[codes[1::2]]
        variance = float(np.square(asked - asked.mean()).sum())
        return 1 - float(np.square(asked - told).sum()) / variance if np.isfinite(variance) and variance > 0 else None


def _percent(count: int, rows: int) -> str:
    return f"{int(1000 * count / rows) / 10:g} %"
