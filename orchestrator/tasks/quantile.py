"""Quantiles of a number: below which value it lies in a tenth, half or nine tenths of the cases like this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.raw_column import RawColumn
from orchestrator.errors import ConfigError
from orchestrator.tasks._base import Task
from orchestrator.tasks._numbers import NumberTask
from orchestrator.tasks._scores import row_counts
from orchestrator.tasks.metric import Metric, by_name
from orchestrator.tasks.predictions import AnswerColumn, Predictions
from orchestrator.tasks.target import TargetEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from orchestrator.tasks._base import Loss

DEFAULT = (0.1, 0.5, 0.9)
MEDIAN = 0.5
MOST = 100


@dataclass(frozen=True)
class Quantile(NumberTask):
    """Quantiles of a number (Koenker & Bassett 1978), one output each; answers are sorted, so that they never cross.

    Attributes:
        quantiles: increasing, each between 0 and 1.
    """

    kind: ClassVar[str] = "quantile"
    metrics: ClassVar[Mapping[str, Metric]] = by_name(
        Metric("pinball_loss", maximize=False, in_target_unit=True, centre=""),
        Metric("mae", maximize=False, in_target_unit=True, centre=""),
    )
    default_metric: ClassVar[str] = "pinball_loss"
    sure_metric: ClassVar[str] = "pinball_loss"
    tie_metric: ClassVar[str] = "pinball_loss"
    own_options: ClassVar[tuple[str, ...]] = ("quantiles",)

    quantiles: tuple[float, ...] = DEFAULT

    @classmethod
    def asked(cls, options: Mapping[str, Any]) -> Self:
        """See `Task`; the option `quantiles` is a list of numbers, or a text such as `0.1,0.5,0.9`."""
        others = {name: value for name, value in options.items() if name != "quantiles"}
        if others or "quantiles" not in options:
            return super().asked(others)
        given = options["quantiles"]
        try:
            values = tuple(map(float, given.split(",") if isinstance(given, str) else given))
        except (TypeError, ValueError):
            values = ()
        if not are_quantiles(values):
            raise ConfigError(
                f"quantiles must be numbers between 0 and 1 that increase, at most {MOST} of them, such as "
                f"0.1,0.5,0.9, but are {given!r}"
            )
        return cls(quantiles=values)

    def options(self) -> dict[str, Any]:
        """See `Task`."""
        return {"quantiles": list(self.quantiles)}

    def to_json(self) -> dict[str, Any]:
        """See `Task`."""
        return {**super().to_json(), **self.options()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Task`."""
        values = tuple(content["quantiles"])
        if content["classes"] or not all(type(value) is float for value in values) or not are_quantiles(values):
            raise ValueError("its classes or quantiles are not those of its task")
        return cls(quantiles=values)

    @classmethod
    def recognises(cls, raw: RawColumn) -> bool:
        """See `Task`: only who asks for quantiles gets them."""
        del raw
        return False

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"quantile {', '.join(map(str, self.quantiles))}"

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return len(self.quantiles)

    @property
    def middle(self) -> int:
        """Which quantile is the answer in short: the median, or else the one in the middle."""
        return self.quantiles.index(MEDIAN) if MEDIAN in self.quantiles else len(self.quantiles) // 2

    def loss(self, smoothing: float = 0.0, *, each: bool = False) -> Loss:
        """See `Task`: pinball loss of the standardised target, averaged over the quantiles."""
        import torch

        quantiles = torch.tensor(self.quantiles)

        def loss(outputs: Tensor, target: Tensor) -> Tensor:
            levels = quantiles.to(outputs.device)
            above = target[:, None] - outputs.float()
            losses = torch.maximum(levels * above, (levels - 1) * above).mean(1)
            return losses if each else losses.sum()

        return loss

    def evaluate(
        self,
        encoder: TargetEncoder,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> dict[str, float]:
        """See `Task`; also `coverage`, the share of rows between the lowest and the highest quantile.

        Coverage is no metric to optimise: it should be near to the distance of these two, and infinitely wide
        intervals cover everything.
        """
        values = super().evaluate(encoder, outputs, target, weight)
        if len(self.quantiles) > 1:
            wanted, found = self.decode(encoder, target), self.answered(encoder, np.sort(outputs, axis=1))
            inside = (found[:, 0] <= wanted) & (wanted <= found[:, -1])
            values["coverage"] = float(np.average(inside, weights=weight))
        return values

    def shares(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Task`: they are averaged in order."""
        return super().shares(encoder, np.sort(outputs, axis=1))

    def score(
        self,
        name: str,
        encoder: TargetEncoder,
        shares: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> float | None:
        """See `Task`."""
        counts = row_counts(target, weight)
        wanted, found = self.decode(encoder, target), self.answered(encoder, shares)
        if name == "mae":
            return float(np.average(np.abs(wanted - found[:, self.middle]), weights=counts))
        above, levels = wanted[:, None] - found, np.array(self.quantiles)
        return float(np.average(np.maximum(levels * above, (levels - 1) * above).mean(axis=1), weights=counts))

    def named(self, encoder: TargetEncoder, shares: NDArray[np.float64], target: NDArray[Any]) -> dict[str, Any]:
        """See `Task`."""
        found = self.answered(encoder, shares)
        return {"target": self.decode(encoder, target), "prediction": found[:, self.middle], "quantiles": found}

    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """See `Task`: the quantiles of these targets."""
        return np.quantile(target.astype(np.float64), self.quantiles).astype(np.float32)

    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """See `Task`: the mean of each quantile."""
        return super().average(encoder, outputs.sort(-1).values)

    @cached_property
    def answers(self) -> tuple[AnswerColumn, ...]:
        """See `Task`."""
        return (
            AnswerColumn(name="value"),
            AnswerColumn(name="quantiles", parts=self.quantiles, parts_name="quantiles", part_name="quantile"),
        )

    def predictions(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> Predictions:
        """See `Task`."""
        found = self.answered(encoder, np.sort(outputs, axis=1))
        return Predictions(self.answers, {"value": found[:, self.middle], "quantiles": found})

    def changes(self, before: Task) -> Iterator[str]:
        """See `Task`."""
        yield from super().changes(before)
        if isinstance(before, Quantile) and self.quantiles != before.quantiles:
            mine, its = (", ".join(map(str, task.quantiles)) for task in (self, before))
            yield f"the quantiles are {mine}, were {its}"


def are_quantiles(values: tuple[float, ...]) -> bool:
    """Whether they are some numbers between 0 and 1 that increase."""
    pairs = zip((0.0, *values), (*values, 1.0), strict=True)
    return 0 < len(values) <= MOST and all(low < high for low, high in pairs)
