"""How validation and test rows are distributed beside the training rows, in a small file in a sweep's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from orchestrator.data import Dataset, Distribution, Part
from orchestrator.evaluation.kept_files import read_kept
from orchestrator.features.fitted import FIRST_CATEGORY
from orchestrator.inputs import CATEGORICAL
from orchestrator.journal.sealed import seal, unseal
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import PARTS_FILE

Counts = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class DataParts:
    """Encoded rows of a data set by column, in the bins of its training rows; see `Distribution`.

    Attributes:
        distinct: how many different values the training rows have, by column; categories that share a code are one.
        validation, test: rows in each bin, by column.
    """

    distinct: Mapping[str, int]
    validation: Counts
    test: Counts

    @classmethod
    def of(cls, dataset: Dataset, distribution: Distribution) -> Self | None:
        """Counts the rows; None where they would have to be read from their files.

        Args:
            dataset: of the sweep.
            distribution: of its training rows, as the bundle has it.
        """
        if dataset.pieces is not None:
            return None
        training = dataset.some_training_rows(dataset.counts[0]).inputs
        distinct = {}
        for name, bins in distribution.bins.items():
            source, place, other = bins.inputs
            values = training[source][:, place]
            if source == CATEGORICAL:
                values = values[values >= FIRST_CATEGORY]
            elif other is not None:
                values = values[training[source][:, other] == 0]
            distinct[name] = len(np.unique(values))
        return cls(distinct, *(_counted(dataset, distribution, part) for part in (Part.VALIDATION, Part.TEST)))

    def keep(self, storage: Storage) -> None:
        """Writes it into the folder of a sweep.

        Raises:
            StorageError: it cannot be written.
        """
        storage.write(PARTS_FILE, seal(asdict(self)))


def read_parts(storage: Storage) -> DataParts | None:
    """What `keep` wrote; None if there is nothing, as in sweeps of before.

    Raises:
        StorageError: the file is damaged.
    """
    return read_kept(storage, PARTS_FILE, _unpacked)


def _unpacked(content: bytes) -> DataParts:
    found = unseal(content)
    counts = [{name: tuple(rows) for name, rows in found[part].items()} for part in ("validation", "test")]
    return DataParts(found["distinct"], *counts)


def _counted(dataset: Dataset, distribution: Distribution, part: Part) -> Counts:
    totals: dict[str, Any] = {}
    for rows in dataset.rows(part):
        for name, counts in distribution.bin_rows(rows.inputs).items():
            totals[name] = totals.get(name, 0) + counts
    return {name: tuple(map(int, counts)) for name, counts in totals.items()}
