"""One label of two: the network computes the logit of the second one, the positive class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.code_notation import whole_key
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import is_number_text
from orchestrator.errors import ConfigError, UsageError
from orchestrator.tasks._base import Task
from orchestrator.tasks._classification import MAX_INTEGER_CLASSES, Classification
from orchestrator.tasks._scores import CLASSIFICATION, OF_LABELS, row_counts
from orchestrator.tasks._thresholds import DEFAULT, GOODNESS, Goodness, LabelCost, LabelThreshold, ScoredRows, decide
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.own_metric import is_own
from orchestrator.tasks.target import TargetEncoder, TargetSummary

if TYPE_CHECKING:
    from torch import Tensor

    from orchestrator.tasks._base import Loss

CLASSES = 2


@dataclass(frozen=True)
class Binary(Classification):
    """One label of two.

    Attributes:
        cost: what wrong labels cost, if the user says so.
        threshold: that the user wants, see `TargetEncoder`.
    """

    kind: ClassVar[str] = "binary"
    default_metric: ClassVar[str] = "roc_auc"
    most_classes: ClassVar[int] = CLASSES
    own_options: ClassVar[tuple[str, ...]] = ("cost", "threshold")

    cost: LabelCost | None = None
    threshold: float | None = None

    @classmethod
    def asked(cls, options: Mapping[str, Any]) -> Self:
        """See `Task`; `cost` is a mapping, or a text such as `false_positive=1,false_negative=5`."""
        super().asked({name: value for name, value in options.items() if name not in cls.own_options})
        cost, threshold = (options.get(name) for name in cls.own_options)
        if cost is not None and threshold is not None:
            raise ConfigError("say what wrong labels cost, or the threshold: a cost decides about the threshold")
        return cls(
            cost=None if cost is None else _read_cost(cost),
            threshold=None if threshold is None else _read_threshold(threshold),
        )

    def options(self) -> dict[str, Any]:
        """See `Task`."""
        cost = {} if self.cost is None else {"cost": self.cost.to_json()}
        return cost if self.threshold is None else {**cost, "threshold": self.threshold}

    def to_json(self) -> dict[str, Any]:
        """See `Task`."""
        return {**super().to_json(), **self.options()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Classification`."""
        try:
            asked = cls.asked({name: content[name] for name in cls.own_options if name in content})
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return replace(super().from_json(content), cost=asked.cost, threshold=asked.threshold)

    @classmethod
    def takes(cls, count: int) -> bool:
        """See `Classification`."""
        return count == CLASSES

    @classmethod
    def recognises(cls, raw: RawColumn) -> bool:
        """See `Task`."""
        # most columns of numbers are known by their first rows
        if raw.number_error is None and len(set(map(whole_key, raw.head))) > CLASSES:
            return False
        return len(raw.label_counts) <= CLASSES

    def settled(self, origin: str, target: str, summary: TargetSummary, rows: int, *, asked: bool) -> Task:
        """See `Task`: the sample may have had two classes of many."""
        if not asked and len(summary.labels) > CLASSES:
            return Multiclass(self.classes).settled(origin, target, summary, rows, asked=False)
        return super().settled(origin, target, summary, rows, asked=asked)

    def check(self, origin: str, target: str, present: list[str], rows: int, *, asked: bool) -> None:
        """See `Classification`."""
        if len(present) > CLASSES and self.options():
            raise UsageError(
                f"{origin}: --{next(iter(self.options()))} is for a target of two classes, but the target column "
                f"'{target}' has {len(present)}"
            )
        if len(present) > CLASSES:
            few = len(present) <= MAX_INTEGER_CLASSES and all(label.removeprefix("-").isdecimal() for label in present)
            numbers = not few and all(map(is_number_text, present))
            values = "different numbers" if numbers else "classes"
            instead = (
                "use --task regression, or add a column that says which of them are above a limit of yours"
                if numbers
                else "use --task multiclass"
            )
            raise UsageError(
                f"{origin}: --task binary, but the target column '{target}' has {len(present)} {values}; {instead}"
            )
        super().check(origin, target, present, rows, asked=asked)

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return 1

    def loss(self, smoothing: float = 0.0, *, each: bool = False) -> Loss:
        """See `Task`: binary cross-entropy."""
        from torch.nn import functional as F

        reduction = "none" if each else "sum"

        def loss(outputs: Tensor, target: Tensor) -> Tensor:
            wanted = target.float()
            if smoothing:
                wanted = wanted * (1 - smoothing) + smoothing / CLASSES
            return F.binary_cross_entropy_with_logits(outputs[:, 0].float(), wanted, reduction=reduction)

        return loss

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Classification`."""
        logits = outputs[:, 0].astype(np.float64)
        # both from the same exponential: neither underflows to a wrong 0 before 1e-308
        small = np.exp(-np.abs(logits))
        likely, unlikely = 1 / (1 + small), small / (1 + small)
        positive = np.where(logits >= 0, likely, unlikely)
        negative = np.where(logits >= 0, unlikely, likely)
        return np.stack([negative, positive], axis=1)

    def said(self, encoder: TargetEncoder, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """See `Classification`: the positive class above the threshold."""
        if encoder.threshold == DEFAULT:
            return super().said(encoder, shares)
        return (shares[:, 1] > encoder.threshold).astype(np.int64)

    def decide(
        self,
        name: str,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> LabelThreshold | None:
        """See `Task`: by the cost or the threshold that the user gave, or for a metric of labels."""
        rows = self._rows(outputs, target, weight)
        decision = self._decision(name, rows)
        if decision is None:
            return None
        decision = replace(decision, positive=self.classes[1])
        if decision.threshold != DEFAULT and is_own(name):
            # how it looks at labels is not known
            encoder = TargetEncoder(threshold=decision.threshold)
            value = self.figure(name, encoder, self.probabilities(outputs), target, weight)
            return replace(decision, validation=value)
        if decision.threshold == DEFAULT or name not in OF_LABELS:
            return decision
        value = CLASSIFICATION[name](target.astype(np.int64), np.eye(CLASSES)[decision.said], rows.weight)
        return replace(decision, validation=value)

    def figures_of(
        self,
        decision: LabelThreshold,
        outputs: NDArray[np.float32],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> dict[str, float]:
        """See `Task`."""
        rows = self._rows(outputs, target, weight)
        goodness: Goodness | None = GOODNESS.get(decision.by)
        if self.cost is not None:
            goodness = self.cost.goodness
        if goodness is None:
            return {}
        sign = 1 if self.cost is None else -1
        places = {"test": decision.threshold, "test_default": decision.default}
        return {name: sign * rows.figure(goodness, rows.score > place) for name, place in places.items()}

    def _rows(
        self, outputs: NDArray[np.float32], target: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> ScoredRows:
        score = self.probabilities(outputs)[:, 1]
        return ScoredRows(score, target == 1, row_counts(target, weight))

    def _decision(self, name: str, rows: ScoredRows) -> LabelThreshold | None:
        if self.threshold is not None:
            return LabelThreshold(
                threshold=self.threshold,
                by="user",
                default=DEFAULT,
                reason="as asked for",
                said=(rows.score > self.threshold).astype(np.int64),
            )
        if self.cost is not None:
            return decide(rows, self.cost.goodness, by="cost", default=self.cost.threshold, sign=-1, expected=True)
        if name not in GOODNESS:
            return None
        return decide(rows, GOODNESS[name], by=name, default=DEFAULT)

    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """See `Task`: the shares of the classes."""
        shares = self.log_shares(target)
        return (shares[1:] - shares[:1]).astype(np.float32)

    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """See `Task`: the logit of the mean probability."""
        del encoder
        from torch.nn import functional as F

        return F.logsigmoid(outputs).logsumexp(0) - F.logsigmoid(-outputs).logsumexp(0)


def _read_cost(given: object) -> LabelCost:
    """Raises ConfigError if it is none."""
    names = ("false_positive", "false_negative")
    try:
        pairs: Any = [item.split("=") for item in given.split(",")] if isinstance(given, str) else given
        if not isinstance(given, str):
            pairs = [(name, math.nan if isinstance(value, bool) else value) for name, value in pairs.items()]
        found = {name.strip(): float(value) for name, value in pairs} if len(pairs) == len(names) else {}
    except (TypeError, ValueError, AttributeError):
        found = {}
    if set(found) != set(names) or not all(0 < value < math.inf for value in found.values()):
        raise ConfigError(
            "cost must say what both kinds of wrong labels cost, as numbers above 0, such as "
            f"false_positive=1,false_negative=5, but is {given!r}"
        )
    return LabelCost(**found)


def _read_threshold(given: object) -> float:
    """Raises ConfigError if it is none."""
    try:
        value = float(given) if not isinstance(given, bool) else math.nan  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < 1:
        raise ConfigError(f"threshold must be a number between 0 and 1, but is {given!r}")
    return value
