"""Targets as numbers whose mean over some rows says something: for a number itself, for classes the share of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.values import Series, to_numbers
from orchestrator.tasks._base import Task

# whose shares are averaged
MOST_CLASSES = 10


def averages_of(task: Task) -> int:
    """How many numbers `averaged` gives for a row; 0 if there are too many classes for that."""
    classes = len(task.classes)
    return (1 if classes <= 2 else classes) if classes <= MOST_CLASSES else 0  # noqa: PLR2004


def plain_numbers(task: Task, cells: Series) -> NDArray[np.float64] | None:
    """The numbers of a target before anything is fitted, float64 [rows]; None where labels are predicted."""
    return None if task.classes else to_numbers(cells, str(cells.name))


def averaged(task: Task, target: NDArray[Any]) -> NDArray[np.float64]:
    """Encoded targets, [rows]: float64 [rows, averages]; of two classes it is the share of the second one."""
    if not task.classes:
        return target[:, None].astype(np.float64)
    counted = np.arange(1, 2) if averages_of(task) == 1 else np.arange(averages_of(task))
    return np.asarray(target[:, None] == counted, np.float64)
