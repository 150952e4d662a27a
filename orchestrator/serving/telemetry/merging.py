"""What a replica has counted, and sums and differences of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import zip_longest
from typing import Any, TypeVar

from orchestrator.serving.status import LastError
from orchestrator.serving.telemetry.histogram import SECONDS_BOUNDS, Buckets

K = TypeVar("K")
V = TypeVar("V")
Version = tuple[str, str]
Answerer = tuple[str, str, str]
Answers = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Batches of a version: their requests, rows and seconds."""

    requests: Buckets
    rows: Buckets
    seconds: Buckets

    def __add__(self, other: BatchCounts) -> BatchCounts:
        return BatchCounts(self.requests + other.requests, self.rows + other.rows, self.seconds + other.seconds)

    def __sub__(self, other: BatchCounts) -> BatchCounts:
        return BatchCounts(self.requests - other.requests, self.rows - other.rows, self.seconds - other.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowCounts:
    """Copies of requests that a version got as the shadow.

    Attributes:
        requests, failures: that it has answered, and that it has not.
        rows, differences: that were compared, and those of them that were answered otherwise.
        millionths: the sum of all rows' differences, in `Counts.scales`.
        seconds: of its answers.
    """

    requests: int = 0
    rows: int = 0
    differences: int = 0
    failures: int = 0
    millionths: int = 0
    seconds: Buckets = field(default_factory=lambda: Buckets.empty(SECONDS_BOUNDS))

    def __add__(self, other: ShadowCounts) -> ShadowCounts:
        return self._combined(other, operator.add)

    def __sub__(self, other: ShadowCounts) -> ShadowCounts:
        return self._combined(other, operator.sub)

    def _combined(self, other: ShadowCounts, how: Callable[[Any, Any], Any]) -> ShadowCounts:
        return ShadowCounts(
            requests=how(self.requests, other.requests),
            rows=how(self.rows, other.rows),
            differences=how(self.differences, other.differences),
            failures=how(self.failures, other.failures),
            millionths=how(self.millionths, other.millionths),
            seconds=how(self.seconds, other.seconds),
        )


@dataclass(frozen=True, slots=True)
class ObservedInputs:
    """Recent inputs of a version: how many rows, and by column the rows per bin."""

    rows: int = 0
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __add__(self, other: ObservedInputs) -> ObservedInputs:
        return ObservedInputs(self.rows + other.rows, _union(self.columns, other.columns, _add_bins))


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a replica has counted since it started, or what several have together. It is never changed.

    A new figure also goes into `Telemetry.snapshot`, `_merge_two`, `subtract` (if it is a counter) and `prometheus.py`.

    Counters only ever grow; all others are gauges. Keys are a model and a version, then a role, then a route and a
    status; each is "" where none was reached.

    Attributes:
        number: of one replica's counts: 1, 2, ...
        requests: by who answered, route and status.
        rows, seconds: by who answered.
        refused: by model, version and reason.
        batches, shadows: by version.
        largest: by version, the largest difference between a shadow's answer and the one that was given.
        scales: by version, the standard deviation of a regression's target; nothing for labels.
        errors: by model.
        queues: by model, most requests that waited since the counts before.
        inputs: by version.
        training: by version, then by column, training rows per bin.
    """

    number: int = 0
    requests: Mapping[Answers, int] = field(default_factory=dict)
    rows: Mapping[Answerer, int] = field(default_factory=dict)
    seconds: Mapping[Answerer, Buckets] = field(default_factory=dict)
    refused: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    batches: Mapping[Version, BatchCounts] = field(default_factory=dict)
    shadows: Mapping[Version, ShadowCounts] = field(default_factory=dict)
    largest: Mapping[Version, float] = field(default_factory=dict)
    scales: Mapping[Version, float] = field(default_factory=dict)
    errors: Mapping[str, LastError] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[Version, ObservedInputs] = field(default_factory=dict)
    training: Mapping[Version, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)


def merge(counts: Iterable[Counts]) -> Counts:
    """What some replicas have counted together; their order does not matter."""
    return reduce(_merge_two, counts, Counts())


def retire(counts: Counts) -> Counts:
    """What stays of a replica that is gone: counters, without which totals would go down; no gauges."""
    return replace(counts, number=0, queues={}, inputs={}, training={})


def subtract(later: Counts, earlier: Counts) -> Counts:
    """What was counted between two merged counts; everything that is not a counter is the later one's."""
    return replace(
        later,
        requests=_difference(later.requests, earlier.requests),
        rows=_difference(later.rows, earlier.rows),
        seconds=_difference(later.seconds, earlier.seconds),
        refused=_difference(later.refused, earlier.refused),
        batches=_difference(later.batches, earlier.batches),
        shadows=_difference(later.shadows, earlier.shadows),
    )


def _merge_two(first: Counts, second: Counts) -> Counts:
    return Counts(
        requests=_union(first.requests, second.requests, operator.add),
        rows=_union(first.rows, second.rows, operator.add),
        seconds=_union(first.seconds, second.seconds, operator.add),
        refused=_union(first.refused, second.refused, operator.add),
        batches=_union(first.batches, second.batches, operator.add),
        shadows=_union(first.shadows, second.shadows, operator.add),
        largest=_union(first.largest, second.largest, max),
        scales=_union(first.scales, second.scales, max),
        errors=_union(first.errors, second.errors, _latest),
        queues=_union(first.queues, second.queues, operator.add),
        inputs=_union(first.inputs, second.inputs, operator.add),
        # all replicas have the same; which one is taken must still not depend on the order
        training=_union(first.training, second.training, _larger_bins),
    )


def _latest(first: LastError, second: LastError) -> LastError:
    return max(first, second, key=lambda error: (error.time, error.message))


def _larger_bins(
    first: Mapping[str, tuple[int, ...]], second: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    return _union(first, second, max)


def _union(first: Mapping[K, V], second: Mapping[K, V], both: Callable[[V, V], V]) -> dict[K, V]:
    merged = {**first, **second}
    for key in first.keys() & second.keys():
        merged[key] = both(first[key], second[key])
    return merged


def _difference(later: Mapping[K, Any], earlier: Mapping[K, Any]) -> dict[K, Any]:
    return {key: value - earlier[key] if key in earlier else value for key, value in later.items()}


def _add_bins(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(mine + others for mine, others in zip_longest(first, second, fillvalue=0))
