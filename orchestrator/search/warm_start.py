"""Start points from earlier sweeps: what their best trials were trained with, where a search space has that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.search.parameters import Parameter, Scalar
from orchestrator.search.space import SearchSpace
from orchestrator.training.spec import SHARED_PARAMETERS, TrialSpec
from orchestrator.units import show_number

# of each earlier sweep so many trials
MOST_POINTS = 5
# how long and how exactly is trained is the new sweep's own
OF_A_SWEEP = {"epochs", "patience", "precision", "accumulation", "compile"}


@dataclass(frozen=True)
class EarlierSweep:
    """A sweep to start from.

    Attributes:
        id: of the sweep.
        trials: index and settings of those that have a value, the best first.
    """

    id: str
    trials: tuple[tuple[int, TrialSpec], ...]


@dataclass(frozen=True)
class WarmStart:
    """A search space that starts where others have ended.

    Attributes:
        space: with more start points, before its own.
        sentences: for the user, which trials they are of and which do not fit.
    """

    space: SearchSpace
    sentences: tuple[str, ...] = ()


def warm_started(space: SearchSpace, earlier: Sequence[EarlierSweep]) -> WarmStart:
    """A search space that tries the best trials of earlier sweeps first: the best of each, then the second, and so on.

    A trial fits if the space has its architecture and the value of each of its settings that the space searches or
    fixes. Of each sweep the best five that fit are taken, each configuration once.

    Raises:
        UsageError: no trial of a sweep fits; says why the best one does not.
    """
    if not earlier:
        return WarmStart(space)
    taken: list[list[dict[str, Any]]] = []
    sentences = []
    for sweep in earlier:
        points, indices, reasons = _fitting(space, sweep)
        if not points:
            why = f"trial {reasons[0]}" if reasons else "it has none with a value"
            raise UsageError(f"--warm-start {sweep.id}: no trial of it fits this search space ({why})")
        taken.append(points)
        left_out = f"; {len(reasons)} others do not fit the space (trial {reasons[0]})" if reasons else ""
        which = "trial" if len(indices) == 1 else "trials"
        sentences.append(f"starts with {which} {', '.join(map(str, indices))} of {sweep.id}{left_out}")
    first: list[dict[str, Any]] = []
    for place in range(MOST_POINTS):
        first += [points[place] for points in taken if place < len(points) and points[place] not in first]
    own = [point for point in space.start_points if point not in first]
    return WarmStart(space.model_copy(update={"start_points": [*first, *own]}), tuple(sentences))


def _fitting(space: SearchSpace, sweep: EarlierSweep) -> tuple[list[dict[str, Any]], list[int], list[str]]:
    """Points of the best trials that fit, their indices, and why others do not."""
    points: list[dict[str, Any]] = []
    indices: list[int] = []
    reasons: list[str] = []
    for index, spec in sweep.trials:
        point = _point(space, spec)
        if isinstance(point, str):
            reasons.append(f"{index}: {point}")
        elif point not in points:
            points.append(point)
            indices.append(index)
            if len(points) == MOST_POINTS:
                break
    return points, indices, reasons


def _point(space: SearchSpace, spec: TrialSpec) -> dict[str, Any] | str:
    """A trial as a start point; or why it is none."""
    if spec.architecture not in space.architectures:
        return f"the space has no {spec.architecture}"
    point: dict[str, Any] = {"architecture": spec.architecture}
    for name, (_, entry) in space.entries(spec.architecture).items():
        value = getattr(spec, name) if name in SHARED_PARAMETERS else spec.settings.get(name)
        if value is None or name in OF_A_SWEEP:
            continue
        if isinstance(entry, Scalar):
            if value != entry:
                return f"{name} is {show_number(value)}, and the space has {show_number(entry)}"
        elif entry.applies(point):
            if not _has(entry, value):
                return f"{name} {show_number(value)} is not in the space"
            point[name] = value
    return point


def _has(entry: Parameter, value: Any) -> bool:  # noqa: ANN401
    if entry.type == "float" and entry.step is not None:
        numbers = entry.grid_values() or []
        return isinstance(value, int | float) and any(math.isclose(value, number) for number in numbers)
    return entry.contains(value)
