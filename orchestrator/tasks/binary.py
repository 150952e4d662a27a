"""One label of two: the network computes the logit of the second one, the positive class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.code_notation import whole_key
from orchestrator.columns.raw_column import RawColumn
from orchestrator.errors import UsageError
from orchestrator.tasks._base import Task
from orchestrator.tasks._classification import Classification
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.target import TargetEncoder, TargetSummary

if TYPE_CHECKING:
    from torch import Tensor

    from orchestrator.tasks._base import Loss

CLASSES = 2


@dataclass(frozen=True)
class Binary(Classification):
    """One label of two."""

    kind: ClassVar[str] = "binary"
    default_metric: ClassVar[str] = "roc_auc"
    most_classes: ClassVar[int] = CLASSES

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
        if len(present) > CLASSES:
            raise UsageError(
                f"{origin}: --task binary, but the target column '{target}' has {len(present)} classes; "
                "use --task multiclass"
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

    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """See `Task`: the shares of the classes."""
        shares = self.log_shares(target)
        return (shares[1:] - shares[:1]).astype(np.float32)

    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """See `Task`: the logit of the mean probability."""
        del encoder
        from torch.nn import functional as F

        return F.logsigmoid(outputs).logsumexp(0) - F.logsigmoid(-outputs).logsumexp(0)
