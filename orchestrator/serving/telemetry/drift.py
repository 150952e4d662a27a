"""Whether the inputs of a model still look like its training rows: recent counts and the population stability index."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.inputs import Inputs

if TYPE_CHECKING:
    from orchestrator.data.distribution import Distribution
    from orchestrator.serving.telemetry.merging import Counts, Version

ROWS_A_SECOND = 1_000
MAX_WAITING_ROWS = 10_000
WINDOW_ROWS = 20_000
MIN_ROWS = 200


class InputWindow:
    """Counts of the recent inputs of one version of a model.

    Requests only leave references to their encoded rows, up to 1,000 rows a second; `count` bins them in bulk.
    """

    def __init__(self, distribution: Distribution, clock: Callable[[], float] = time.monotonic) -> None:
        self._distribution = distribution
        self._clock = clock
        self._lock = Lock()
        self._waiting: list[Inputs] = []
        self._waiting_rows = 0
        self._second = clock()
        self._room = ROWS_A_SECOND
        self._training = {name: tuple(counts) for name, counts in distribution.columns.items()}
        self._counts = {name: np.zeros(len(counts), np.int64) for name, counts in self._training.items()}

    @property
    def training(self) -> dict[str, tuple[int, ...]]:
        """Training rows per bin by column."""
        return self._training

    def observe(self, inputs: Inputs) -> None:
        """Keeps rows, which must not be written to afterwards."""
        rows = len(inputs)
        with self._lock:
            now = self._clock()
            if now - self._second >= 1.0:
                self._second, self._room = now, ROWS_A_SECOND
            room = min(self._room, MAX_WAITING_ROWS - self._waiting_rows)
            if room <= 0 or not rows:
                return
            kept = rows
            if rows > room:
                # spread over the request, whose rows may be sorted; a copy, so that the rest is not kept alive
                step = -(-rows // room)
                inputs = inputs.between(0, rows, step).copy()
                kept = len(inputs)
            self._room -= kept
            self._waiting_rows += kept
            self._waiting.append(inputs)

    def count(self) -> dict[str, tuple[int, ...]]:
        """Bins what has been observed.

        Returns:
            By column, rows per bin. A column with more than 20,000 rows is halved, so that the counts follow recent
            traffic: a row's weight halves every 10,000 to 20,000 rows.
        """
        with self._lock:
            waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        if waiting:
            for name, counts in self._distribution.bin_rows(Inputs.joined(waiting)).items():
                total = self._counts[name] + counts
                while total.sum() > WINDOW_ROWS:
                    total //= 2
                self._counts[name] = total
        return {name: tuple(counts.tolist()) for name, counts in self._counts.items()}


def stability(counts: Counts, version: Version) -> dict[str, float]:
    """Population stability index by column, of the recent inputs of a model's version.

    Returns:
        Empty when fewer than 200 rows were observed. Below 0.1 a column is usually called stable, above 0.25 shifted.
    """
    observed = counts.inputs.get(version)
    if observed is None or observed.rows < MIN_ROWS:
        return {}
    # not when a replica starts: the package also reads files
    from orchestrator.data.distribution import population_stability_index

    expected = counts.training.get(version, {})
    return {
        name: population_stability_index(expected[name], found)
        for name, found in observed.columns.items()
        if len(expected.get(name, ())) == len(found)
    }
