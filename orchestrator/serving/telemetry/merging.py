"""Sums and differences of what replicas have counted. Pure functions; snapshots are never changed.

A snapshot is plain JSON:

counters  only ever grow: numbers, and lists of them, in nested objects
          requests: model -> version -> role -> route -> status -> count
          rows: model -> version -> role -> count
          seconds: model -> version -> role -> histogram
          refused: model -> version -> reason -> count
          batches: model -> version -> {requests, rows, seconds}, histograms
          shadow: model -> version -> {requests, rows, differences, failures, millionths, seconds}; millionths are the
              sum of all rows' differences, in `scales`
largest   model -> version -> largest difference between a shadow's answer and the one that was given
scales    model -> version -> standard deviation of a regression's target, nothing (1) for labels
errors    model -> {message, time}, time in seconds since 1970
queues    model -> most requests that waited since the snapshot before
inputs    model -> version -> {rows, columns: column -> recent rows per bin}
training  model -> version -> column -> training rows per bin

One of a replica also has its `number`: 1, 2, ... Other sections are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from itertools import zip_longest
from typing import Any

Snapshot = dict[str, Any]

COUNTERS = ("requests", "rows", "seconds", "refused", "batches", "shadow")


def empty() -> Snapshot:
    """Of a replica that has counted nothing."""
    counters: dict[str, Any] = {name: {} for name in COUNTERS}
    rest: Snapshot = {name: {} for name in ("largest", "scales", "errors", "queues", "inputs", "training")}
    return {"counters": counters, **rest}


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """What some replicas have counted together; their order does not matter."""
    return reduce(_merge_two, snapshots, empty())


def retire(snapshot: Snapshot) -> Snapshot:
    """What stays of a replica that is gone: counters, without which totals would go down; no gauges."""
    return {**empty(), **{name: snapshot[name] for name in ("counters", "largest", "scales", "errors")}}


def subtract(later: Snapshot, earlier: Snapshot) -> Snapshot:
    """What was counted between two merged snapshots; everything that is not a counter is the later one's."""
    return {**later, "counters": _subtract_trees(later["counters"], earlier["counters"])}


def _merge_two(first: Snapshot, second: Snapshot) -> Snapshot:
    return {
        "counters": _combine(first["counters"], second["counters"], _add),
        "largest": _combine(first["largest"], second["largest"], max),
        "scales": _combine(first["scales"], second["scales"], max),
        "errors": _by_name(first["errors"], second["errors"], _latest),
        "queues": _combine(first["queues"], second["queues"], _add),
        "inputs": _combine(first["inputs"], second["inputs"], _add),
        # all replicas have the same; which one is taken must still not depend on the order
        "training": _combine(first["training"], second["training"], max),
    }


def _combine(first: Any, second: Any, leaf: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401
    if isinstance(first, dict):
        return _by_name(first, second, lambda mine, others: _combine(mine, others, leaf))
    return leaf(first, second)


def _by_name(first: dict[str, Any], second: dict[str, Any], both: Callable[[Any, Any], Any]) -> dict[str, Any]:
    merged = {**first, **second}
    for name in first.keys() & second.keys():
        merged[name] = both(first[name], second[name])
    return merged


def _add(first: Any, second: Any) -> Any:  # noqa: ANN401
    if isinstance(first, list):
        return [mine + others for mine, others in zip_longest(first, second, fillvalue=0)]
    return first + second


def _latest(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return max(first, second, key=lambda error: (error["time"], error["message"]))


def _subtract_trees(later: Any, earlier: Any) -> Any:  # noqa: ANN401
    if isinstance(later, dict):
        return {
            name: _subtract_trees(value, earlier[name]) if name in earlier else value for name, value in later.items()
        }
    if isinstance(later, list):
        return [mine - others for mine, others in zip_longest(later, earlier, fillvalue=0)]
    return later - earlier
