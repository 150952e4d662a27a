"""One number that makes probabilities as sure as they are right (Guo et al. 2017), if other rows agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.tasks._scores import log_losses, standard_error
from orchestrator.tasks._thresholds import JUDGED_PARTS, stratified_parts
from orchestrator.units import show_apart

Outputs = NDArray[np.float32]
Probabilities = Callable[[Outputs], NDArray[np.float64]]
LEAST_ROWS = 50
# standard errors of the difference by which it must be better: docs/quality.md has the figures that decided
LEAST_ERRORS = 0.5
WIDEST = 20.0
NONE = 1.0


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """By what the outputs of a finished network are divided.

    Attributes:
        value: 1 if nothing is changed.
        judged, judged_default: log_loss on validation rows that did not fit it, and without it; None if there are too
            few rows.
        reason: why, as a part of a sentence.
        outputs: of the validation rows, each divided by what other rows fit, float32 [rows, outputs].
        by: the metric that it makes better.
    """

    value: float
    reason: str
    outputs: Outputs
    judged: float | None = None
    judged_default: float | None = None
    by: str = "log_loss"

    @property
    def is_used(self) -> bool:
        """Whether anything is changed."""
        return self.value != NONE

    @property
    def factor(self) -> float:
        """By what outputs are multiplied."""
        return 1 / self.value

    def left_out(self, reason: str, outputs: Outputs) -> Temperature:
        """The decision not to use it after all; `outputs` are those of the network."""
        return replace(self, value=NONE, reason=reason, outputs=outputs)

    def applied(self, outputs: Outputs) -> Outputs:
        """Outputs as the finished network gives them."""
        return scaled(outputs, self.value)

    def without(self, outputs: Outputs) -> Outputs:
        """The inverse of `applied`."""
        return scaled(outputs, self.factor)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without what is said of single rows."""
        return {
            "value": self.value,
            "by": self.by,
            "default": NONE,
            "judged": self.judged,
            "judged_default": self.judged_default,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class CalibrationRows:
    """What a network says about rows, and what is true.

    Attributes:
        probabilities: of outputs, see `Classification`.
        outputs: float32 [rows, outputs].
        target: class numbers, [rows].
        weight: what each row counts, [rows].
    """

    probabilities: Probabilities
    outputs: Outputs
    target: NDArray[np.int64]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> CalibrationRows:
        """Some of the rows."""
        return CalibrationRows(self.probabilities, self.outputs[rows], self.target[rows], self.weight[rows])

    def log_losses(self, temperature: float | NDArray[np.float32]) -> NDArray[np.float64]:
        """With outputs that are divided by it: one number, or one for each row, float32 [rows, 1]; float64 [rows]."""
        return log_losses(self.target, self.probabilities(scaled(self.outputs, temperature)))

    def smoothed_log_loss(self, temperature: float) -> float:
        """The mean of these, as if one row more was right and one was wrong (Platt 1999, section 2.2; Laplace's rule).

        Where all rows are right, log_loss is the smaller the surer the network is made, without an end: so sure that it
        can only lose on other rows.
        """
        shares = self.probabilities(scaled(self.outputs, temperature))
        logs = np.log(np.clip(shares, np.finfo(np.float64).eps, 1.0))
        true = logs[np.arange(len(self.target)), self.target]
        others = (logs.sum(axis=1) - true) / (shares.shape[1] - 1)
        wrong = 1 / ((self.weight > 0).sum() + 2)
        return -self.mean((1 - wrong) * true + wrong * others)

    def mean(self, values: NDArray[np.float64]) -> float:
        """Over the rows, float64 [rows], each as much as it counts."""
        return float(np.average(values, weights=self.weight))


def scaled(outputs: Outputs, temperature: float | NDArray[np.float32]) -> Outputs:
    """Outputs as `Scaled` computes them."""
    factor = (1 / np.asarray(temperature, np.float64)).astype(np.float32)
    return outputs * factor


def calibrate(rows: CalibrationRows) -> Temperature:
    """The best temperature of validation rows, if it is better on rows that did not fit it by more than chance.

    Better by chance is one of a network that is as sure as it should be: so it must be better by more than half a
    standard error of the differences of single rows.
    """
    counted = rows.weight > 0
    if counted.sum() < LEAST_ROWS or len(np.unique(rows.target[counted])) == 1:
        reason = f"{int(counted.sum())} validation rows cannot tell; {LEAST_ROWS} of several classes are needed"
        return Temperature(value=NONE, reason=reason, outputs=rows.outputs)
    found = np.empty((len(rows.target), 1), np.float32)
    parts = stratified_parts(rows.target)
    for part in range(JUDGED_PARTS):
        found[parts == part] = best_temperature(rows.take(parts != part))
    with_it, without = rows.log_losses(found), rows.log_losses(NONE)
    judged, before = rows.mean(with_it), rows.mean(without)
    ours, its = show_apart(judged, before)
    better = judged < before - LEAST_ERRORS * standard_error(without - with_it, rows.weight)
    word = "better" if better else "not enough better" if judged < before else "not better"
    return Temperature(
        value=best_temperature(rows) if better else NONE,
        reason=f"{word} than none on validation rows that did not fit it (log_loss {ours} against {its})",
        outputs=scaled(rows.outputs, found) if better else rows.outputs,
        judged=judged,
        judged_default=before,
    )


def best_temperature(rows: CalibrationRows) -> float:
    """That with the smallest log_loss, smoothed, from 1/20 to 20."""
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    # convex in the factor, so that there is one smallest
    bound = math.log(WIDEST)
    found = minimize_scalar(
        lambda place: rows.smoothed_log_loss(math.exp(place)), bounds=(-bound, bound), method="bounded"
    )
    return float(f"{math.exp(found.x):.6g}")
