"""What a sweep and the workers that train for it tell each other: an `Attempt` down, a `TrialMessage` up.

Both are plain data. `to_wire` makes a text of JSON of them: this way they go through Ray Tune, which flattens and
copies everything else. Numbers keep all of their bits.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from orchestrator.training.report import EpochReport
from orchestrator.training.spec import TrialSpec
from orchestrator.training.usage import Usage


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a trial: what a worker shall train, and from where.

    Attributes:
        index: of the trial.
        number: of this attempt, from 1.
        spec: what to train.
        workers: that train it together.
        epochs: that are over and known to the driver.
        milestones: epochs after which a checkpoint has to be there.
        donor: trial whose weights it takes over, None to go on with its own.
        kept: the best of those epochs, whose weights are in the storage; 0 if there are none.
    """

    index: int
    number: int
    spec: TrialSpec
    workers: int = 1
    epochs: int = 0
    milestones: tuple[int, ...] = ()
    donor: int | None = None
    kept: int = 0

    def to_wire(self) -> str:
        """JSON; `from_wire` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_wire(cls, text: str) -> Attempt:
        """The inverse of `to_wire`."""
        content = json.loads(text)
        spec = TrialSpec.from_json(content["spec"])
        return cls(**{**content, "spec": spec, "milestones": tuple(content["milestones"])})


@dataclass(frozen=True, kw_only=True)
class EpochMessage:
    """A trial has finished an epoch.

    Attributes:
        report: of the epoch.
        train_seconds: spent inside of the training function in this attempt.
        kept: the best epoch whose weights are in the storage, 0 if there is none.
        stored: bytes that the trial has there.
        saved: whether its checkpoint of this epoch is in the storage, so that nothing is lost if it pauses now.
        trouble: a sentence about what did not work although the trial goes on; empty if all did.
        usage: what its process takes, None if it was not looked at.
    """

    report: EpochReport
    train_seconds: float
    kept: int
    stored: int
    saved: bool = False
    trouble: str = ""
    usage: Usage | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing follows in this attempt."""
        return self.report.last

    @property
    def objective(self) -> float:
        """The best validation value so far."""
        return self.report.best_value


@dataclass(frozen=True)
class FailureMessage:
    """A trial cannot go on.

    Attributes:
        reason: one line.
        lost: whether it may be tried again from its last checkpoint, as after the loss of a process.
    """

    reason: str
    lost: bool = False

    @property
    def is_last(self) -> bool:
        """Nothing follows in this attempt."""
        return True

    @property
    def objective(self) -> float:
        """There is no value: not a number."""
        return float("nan")


TrialMessage = EpochMessage | FailureMessage


def message_to_wire(message: TrialMessage) -> str:
    """JSON; `message_from_wire` reads it."""
    kind = "epoch" if isinstance(message, EpochMessage) else "failure"
    return json.dumps({kind: message}, default=vars)


def message_from_wire(text: str) -> TrialMessage:
    """The inverse of `message_to_wire`."""
    ((kind, content),) = json.loads(text).items()
    if kind == "failure":
        return FailureMessage(**content)
    made = {"report": EpochReport.from_json(content["report"]), "usage": Usage.from_json(content["usage"])}
    return EpochMessage(**{**content, **made})
