"""What a trial says after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch of one trial.

    Attributes:
        epoch: 1 for the first.
        train_loss: mean loss over the rows of this epoch, while the weights changed.
        validation: metrics on the validation rows after the epoch.
        learning_rate: at the end of the epoch.
        seconds: spent on this epoch, validation included.
        examples_per_second: training rows per second, validation not included.
        best_epoch, best_value: the best epoch so far by the trial's metric, and its value.
        best_tie: what decides between it and equal ones, smaller is better, see `BestEpoch`; None in reports of before.
        improved_epoch: the last epoch that was better than those before, from which patience counts; 0 in reports of
            before, where it is the best one.
        last: whether the trial ends here (all epochs done, or patience spent).
    """

    epoch: int
    train_loss: float
    validation: Mapping[str, float]
    learning_rate: float
    seconds: float
    examples_per_second: float
    best_epoch: int
    best_value: float
    last: bool
    best_tie: float | None = None
    improved_epoch: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> EpochReport:
        """The inverse of `to_json`."""
        return cls(**content)

    @property
    def points(self) -> dict[str, float]:
        """The figures to plot against the epoch, by name."""
        return {
            "train_loss": self.train_loss,
            **{f"validation_{name}": value for name, value in self.validation.items()},
            "learning_rate": self.learning_rate,
            "epoch_seconds": self.seconds,
        }
