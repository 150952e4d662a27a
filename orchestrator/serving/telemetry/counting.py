"""What one replica has counted since it started."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING

from orchestrator.inputs import Inputs
from orchestrator.serving.status import LastError
from orchestrator.serving.telemetry.drift import InputWindow
from orchestrator.serving.telemetry.histogram import MILLIONTHS, SECONDS_BOUNDS, SIZE_BOUNDS, Histogram
from orchestrator.serving.telemetry.merging import BatchCounts, Counts, ObservedInputs, ShadowCounts, Version

if TYPE_CHECKING:
    from orchestrator.data.distribution import Distribution
    from orchestrator.tasks import Difference

MAX_MESSAGE = 500
# of the target's standard deviation: what a shadow's values may be away before they count as other answers
SHADOW_TOLERANCE = 0.01
# so far a row counts at most, in standard deviations: sums stay below what fits into 64 bits
MAX_DISTANCE = 1000.0


class _Answers:
    """Of a model, version and role."""

    __slots__ = ("requests", "rows", "seconds")

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.rows = 0
        self.seconds = Histogram(SECONDS_BOUNDS)


class _Batches:
    """Of a model and version."""

    __slots__ = ("requests", "rows", "seconds")

    def __init__(self) -> None:
        self.requests = Histogram(SIZE_BOUNDS)
        self.rows = Histogram(SIZE_BOUNDS)
        self.seconds = Histogram(SECONDS_BOUNDS)

    def counts(self) -> BatchCounts:
        return BatchCounts(self.requests.buckets(), self.rows.buckets(), self.seconds.buckets())


class _Shadow:
    """Of a model and version that answers copies of requests."""

    __slots__ = ("differences", "failures", "largest", "millionths", "requests", "rows", "scale", "seconds")

    def __init__(self) -> None:
        self.requests = self.rows = self.differences = self.failures = self.millionths = 0
        self.largest = 0.0
        self.scale: float | None = None
        self.seconds = Histogram(SECONDS_BOUNDS)

    def counts(self) -> ShadowCounts:
        return ShadowCounts(
            requests=self.requests,
            rows=self.rows,
            differences=self.differences,
            failures=self.failures,
            millionths=self.millionths,
            seconds=self.seconds.buckets(),
        )


class Telemetry:
    """Counters, histograms and gauges of one replica, since it started.

    The event loop and the threads that compute share it, so every method takes one lock: `+=` is a read and a write,
    between which another thread may run. Nobody holds the lock for longer than a copy of the counters, and taking a
    free lock costs less than 0.1 us, little beside the rest of a call (about 1 us).

    Names of models become keys that stay for ever: give "" for a model that does not exist, not what a client wrote.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: defaultdict[tuple[str, str, str], _Answers] = defaultdict(_Answers)
        self._refused: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._batches: defaultdict[tuple[str, str], _Batches] = defaultdict(_Batches)
        self._shadows: defaultdict[tuple[str, str], _Shadow] = defaultdict(_Shadow)
        self._queues: dict[str, tuple[int, int]] = {}
        self._errors: dict[str, LastError] = {}
        self._inputs: dict[tuple[str, str], InputWindow] = {}
        self._counting = Lock()
        self._number = 0

    def answered(
        self, model: str, version: str, *, role: str, route: str, status: int, seconds: float, rows: int
    ) -> None:
        """Counts a request.

        Args:
            model: that was asked, "" if there is none of that name.
            version: that has answered, "" when none was reached.
            role: of the version: `champion`, `canary` or `shadow`; "" when none was reached.
            route: path of the request as the application declares it, without names of models.
            status: HTTP status of the answer.
            seconds: from the request's arrival to its answer.
            rows: that were answered.
        """
        with self._lock:
            answers = self._answers[model, version, role]
            answers.requests[route, status] += 1
            answers.rows += rows
            answers.seconds.record(seconds)

    def refused(self, model: str, version: str, reason: str) -> None:
        """Counts a request that was not computed, by reason: `overload`, `timeout`, `too_large`, `unauthorized`...

        Args:
            model, version: that would have answered, "" when none was reached.
            reason: a word.
        """
        with self._lock:
            self._refused[model, version, reason] += 1

    def batch(self, model: str, version: str, requests: int, rows: int, seconds: float) -> None:
        """Counts a run of the network over the rows of some requests."""
        with self._lock:
            batches = self._batches[model, version]
            batches.requests.record(requests)
            batches.rows.record(rows)
            batches.seconds.record(seconds)

    def mirrored(
        self, model: str, version: str, *, seconds: float, rows: int, difference: Difference, scale: float | None = None
    ) -> None:
        """Counts a shadow's answer to a copy of a request.

        Args:
            model: that was asked.
            version: the shadow.
            seconds: that its answer took.
            rows: that were compared.
            difference: from the answers that were given.
            scale: standard deviation of the target if it is a number, None for labels.
        """
        # whole numbers, see `Buckets`
        distance = min(difference.total / (scale or 1.0), MAX_DISTANCE * rows)
        with self._lock:
            shadow = self._shadows[model, version]
            shadow.requests += 1
            shadow.rows += rows
            shadow.differences += difference.rows
            shadow.millionths += round(distance * MILLIONTHS)
            shadow.scale = scale
            shadow.seconds.record(seconds)
            if difference.largest > shadow.largest:
                # JSON has no infinity
                shadow.largest = min(difference.largest, sys.float_info.max)

    def mirror_failed(self, model: str, version: str) -> None:
        """Counts a copy of a request that a shadow did not answer."""
        with self._lock:
            self._shadows[model, version].failures += 1

    def set_queue(self, model: str, length: int) -> None:
        """Notes how many requests wait; a snapshot shows the largest number since the one before."""
        with self._lock:
            self._queues[model] = (length, max(length, self._queues.get(model, (0, 0))[1]))

    def failed(self, model: str, message: str) -> None:
        """Keeps the last error of a model; longer ones than 500 characters are cut."""
        with self._lock:
            self._errors[model] = LastError(model=model, message=message[:MAX_MESSAGE], time=time.time())

    def know(self, model: str, version: str, distribution: Distribution | None) -> None:
        """Gives what the training rows of a version looked like, None when that is not known; its counts begin anew."""
        with self._lock:
            if distribution is None:
                self._inputs.pop((model, version), None)
            else:
                self._inputs[model, version] = InputWindow(distribution)

    def observe(self, model: str, version: str, inputs: Inputs) -> None:
        """Keeps encoded rows to compare them with the training rows, see `InputWindow.observe`."""
        window = self._inputs.get((model, version))
        if window is not None:
            window.observe(inputs)

    def snapshot(self) -> Counts:
        """Everything so far; begins a new maximum of the queues.

        Binning the observed rows takes milliseconds: better call it in a thread.
        """
        with self._lock:
            windows = list(self._inputs.items())
        inputs: dict[Version, ObservedInputs] = {}
        with self._counting:
            for key, window in windows:
                columns = window.count()
                rows = max((sum(counts) for counts in columns.values()), default=0)
                inputs[key] = ObservedInputs(rows, columns)
        with self._lock:
            queues = {model: longest for model, (_, longest) in self._queues.items()}
            self._queues = {model: (length, length) for model, (length, _) in self._queues.items()}
            self._number += 1
            return Counts(
                number=self._number,
                requests={
                    (*key, route, str(status)): count
                    for key, answers in self._answers.items()
                    for (route, status), count in answers.requests.items()
                },
                rows={key: answers.rows for key, answers in self._answers.items()},
                seconds={key: answers.seconds.buckets() for key, answers in self._answers.items()},
                refused=dict(self._refused),
                batches={key: batches.counts() for key, batches in self._batches.items()},
                shadows={key: shadow.counts() for key, shadow in self._shadows.items()},
                largest={key: shadow.largest for key, shadow in self._shadows.items()},
                scales={key: shadow.scale for key, shadow in self._shadows.items() if shadow.scale},
                errors=dict(self._errors),
                queues=queues,
                inputs=inputs,
                training={key: window.training for key, window in windows},
            )
