"""How a task finds its metrics and measures them, a user's own among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import ConfigError, did_you_mean
from orchestrator.tasks._scores import row_counts
from orchestrator.tasks.own_metric import is_own, own_metric, own_value

if TYPE_CHECKING:
    from orchestrator.tasks.metric import Metric
    from orchestrator.tasks.target import TargetEncoder


class Measuring(ABC):
    """A part of `Task`; see there."""

    kind: ClassVar[str]
    metrics: ClassVar[Mapping[str, Metric]]
    more_metrics: ClassVar[Mapping[str, Metric]] = {}
    default_metric: ClassVar[str]

    def evaluate(
        self,
        encoder: TargetEncoder,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> dict[str, float]:
        """All metrics that are always measured and that these rows have.

        Args:
            encoder: of the target.
            outputs: of a network, float32 [rows, outputs].
            target: encoded, [rows].
            weight: what each row counts, [rows]; None if all count the same.
        """
        shares = self.shares(encoder, outputs)
        values = {name: self.score(name, encoder, shares, target, weight) for name in self.metrics}
        return {name: value for name, value in values.items() if value is not None}

    @abstractmethod
    def shares(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Task`."""

    @abstractmethod
    def score(
        self,
        name: str,
        encoder: TargetEncoder,
        shares: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> float | None:
        """One metric of answers as `shares` has them, None if these rows do not have it.

        Args:
            name: of the metric, which is none of a user's own.
            encoder: of the target.
            shares: see `shares`.
            target: encoded, [rows].
            weight: what each row counts, [rows]; None if all count the same.
        """

    @abstractmethod
    def named(self, encoder: TargetEncoder, shares: NDArray[np.float64], target: NDArray[Any]) -> dict[str, Any]:
        """What a user's own metric may name, see `own_metric`: arrays of equal length.

        Args:
            encoder: of the target.
            shares: see `shares`.
            target: encoded, [rows].
        """

    def figure(
        self,
        name: str,
        encoder: TargetEncoder,
        shares: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> float | None:
        """The same as `score`, also of a user's own metric.

        Raises:
            ConfigError: that fails.
        """
        if not is_own(name):
            return self.score(name, encoder, shares, target, weight)
        counts = row_counts(target, weight)
        return own_value(name, {**self.named(encoder, shares, target), "weight": counts})

    def measure(
        self,
        name: str,
        encoder: TargetEncoder,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> dict[str, float]:
        """What `evaluate` gives, see there, and the metric of this name if these rows have it."""
        found = self.evaluate(encoder, outputs, target, weight)
        if name in found or not (is_own(name) or name in self.more_metrics):
            return found
        value = self.figure(name, encoder, self.shares(encoder, outputs), target, weight)
        return found if value is None else {**found, name: value}

    def find_metric(self, name: str | None = None) -> Metric:
        """The metric of that name, or the default.

        Raises:
            ConfigError: the task has no such metric, or see `own_metric`.
        """
        wanted, all_of_them = name or self.default_metric, {**self.metrics, **self.more_metrics}
        if is_own(wanted):
            return own_metric(wanted)
        if wanted not in all_of_them:
            known = ", ".join(all_of_them)
            hint = did_you_mean(wanted, all_of_them)
            raise ConfigError(f"a {self.kind} task has no metric '{wanted}' (it has: {known}){hint}")
        return all_of_them[wanted]
