"""Which trials to show, in which order, and which of their columns."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.analysis.filters import compile_filter
from orchestrator.analysis.names import find_column
from orchestrator.analysis.rows import METRICS, TrialRow, known_columns
from orchestrator.errors import ConfigError, UsageError
from orchestrator.tasks import Metric, metric_named

DIRECTIONS = {"asc": False, "desc": True}
Chosen = tuple[TrialRow, Mapping[str, Any]]


@dataclass(frozen=True)
class Selection:
    """Some trials.

    Attributes:
        rows: in order.
        cells: of each of these, see `TrialRow.cells`.
        columns: those that were asked for, all if none were.
    """

    rows: tuple[TrialRow, ...]
    cells: tuple[Mapping[str, Any], ...]
    columns: tuple[str, ...]


def select(
    rows: Sequence[TrialRow],
    metric: Metric,
    *,
    condition: str | None = None,
    order: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Selection:
    """Some of the trials of a sweep.

    Args:
        rows: of all trials, the best first.
        metric: of the sweep.
        condition: a filter, see `compile_filter`; None for all.
        order: columns to sort by, the first one first, each with `asc` or `desc` behind it if that is not to follow
            from its kind: metrics the best first, all else ascending. Trials that have no value of one come last.
        columns: to show; `metrics.*` and the like for several.

    Raises:
        UsageError: a name that no trial has, or a filter that cannot be read.
    """
    cells = [row.cells() for row in rows]
    known = known_columns(cells)
    chosen: list[Chosen] = list(zip(rows, cells, strict=True))
    if condition is not None:
        wanted = compile_filter(condition, cells)
        chosen = [(row, found) for row, found in chosen if wanted(found)]
    # the sort is stable: the most important column comes last
    for name, descending in reversed([_order(text, known, metric) for text in order]):
        chosen = _sorted(chosen, name, descending=descending)
    shown = tuple(dict.fromkeys(name for pattern in columns for name in _named(pattern, known))) or tuple(known)
    return Selection(tuple(row for row, _ in chosen), tuple(found for _, found in chosen), shown)


def _named(pattern: str, known: Sequence[str]) -> list[str]:
    if "*" in pattern:
        found = fnmatch.filter(known, pattern)
        if not found:
            raise UsageError(f"--columns {pattern}: no trial has such columns (known: {', '.join(known)})")
        return found
    column = find_column(pattern, known)
    if column.missing:
        raise UsageError(f"--columns {pattern}: {column.missing}")
    return [column.name]


def _order(text: str, known: Sequence[str], metric: Metric) -> tuple[str, bool]:
    """The column to sort by, and whether the largest comes first."""
    asked, _, word = text.strip().rpartition(" ")
    if word.lower() in DIRECTIONS and asked:
        direction: bool | None = DIRECTIONS[word.lower()]
    else:
        asked, direction = text.strip(), None
    column = find_column(asked.strip().strip("`"), known)
    if column.missing:
        first, _, rest = asked.partition(" ")
        if rest and not find_column(first, known).missing:
            raise UsageError(f"--sort {text}: behind the column stands asc or desc, not '{rest.strip()}'")
        raise UsageError(f"--sort {text}: {column.missing}")
    return column.name, _largest_first(column.name, metric) if direction is None else direction


def _largest_first(column: str, metric: Metric) -> bool:
    """Whether larger is better, of columns of which that is known."""
    if column == "value":
        return metric.maximize
    name = column.removeprefix(METRICS)
    if name == column:
        return False
    if name == metric.name:
        return metric.maximize
    try:
        return metric_named(name).maximize
    except ConfigError:
        # a loss
        return False


def _sorted(chosen: Sequence[Chosen], column: str, *, descending: bool) -> list[Chosen]:
    def is_there(item: Chosen) -> bool:
        value = item[1].get(column)
        return value is not None and not (isinstance(value, float) and math.isnan(value))

    there = [item for item in chosen if is_there(item)]
    mixed = len({isinstance(found[column], str) for _, found in there}) > 1
    there.sort(key=lambda item: str(item[1][column]) if mixed else item[1][column], reverse=descending)
    return [*there, *(item for item in chosen if not is_there(item))]
