"""One label of several: the network computes a logit for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.codes import are_fractions, why_code
from orchestrator.columns.raw_column import RawColumn
from orchestrator.errors import ConfigError
from orchestrator.tasks._classification import MAX_INTEGER_CLASSES, Classification
from orchestrator.tasks._moments import found_durations
from orchestrator.tasks._numbers import has_whole_numbers, is_written_as_number
from orchestrator.tasks.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from orchestrator.tasks._base import Loss
    from orchestrator.tasks.target import TargetEncoder

ROWS_PER_CLASS = 5


@dataclass(frozen=True)
class Multiclass(Classification):
    """One label of several."""

    kind: ClassVar[str] = "multiclass"
    default_metric: ClassVar[str] = "log_loss"

    @classmethod
    def recognises(cls, raw: RawColumn) -> bool:
        """See `Task`: all that is not numbers, numbers that are names, and whole numbers if there are few."""
        if raw.has_truth_values or (isinstance(raw.series.dtype, pd.CategoricalDtype) and _are_frequent(raw)):
            return True
        if raw.number_error is not None:
            few = _are_few(raw.label_counts)
            if not few and found_durations(raw) is not None:
                return False
            return not is_written_as_number(raw) or (has_whole_numbers(raw) and few)
        if why_code(raw) is not None:
            return True
        # most columns of numbers are known by their first rows
        if are_fractions(raw.head) and not raw.missing_words:
            return False
        return _are_few(raw.label_counts) and not are_fractions(raw.label_counts)

    def find_metric(self, name: str | None = None) -> Metric:
        """See `Task`: quadratic_kappa is about how far classes are apart, which names do not say."""
        metric = super().find_metric(name)
        if metric.name == "quadratic_kappa" and self.classes and not all(type(label) is int for label in self.classes):
            raise ConfigError(
                "quadratic_kappa needs classes that are whole numbers, such as grades, but they are texts "
                f"({', '.join(map(str, self.classes[:3]))}, ...); number them, or choose another --metric"
            )
        return metric

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return len(self.classes)

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"multiclass of {len(self.classes)} classes"

    def loss(self, smoothing: float = 0.0, *, each: bool = False) -> Loss:
        """See `Task`: cross-entropy."""
        from torch.nn import functional as F

        reduction = "none" if each else "sum"

        def loss(outputs: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(outputs.float(), target, reduction=reduction, label_smoothing=smoothing)

        return loss

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Classification`."""
        logits = outputs.astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        normalised: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
        return normalised

    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """See `Task`: the shares of the classes."""
        return self.log_shares(target).astype(np.float32)

    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """See `Task`: the logarithm of the mean probabilities."""
        del encoder
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(outputs))


def _are_frequent(raw: RawColumn) -> bool:
    """Whether numbers whose type says that they are categories have rows enough for each to be a class."""
    return raw.rows >= ROWS_PER_CLASS * len(raw.label_counts)


def _are_few(counts: Mapping[str, int]) -> bool:
    """Whether numbers, with the rows of each, are few enough to be classes."""
    return len(counts) <= MAX_INTEGER_CLASSES and sum(counts.values()) >= ROWS_PER_CLASS * len(counts)
