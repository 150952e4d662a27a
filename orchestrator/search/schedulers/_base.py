"""Scheduler: what a sweep asks after every epoch. Knows nothing of Ray, of clocks or of processes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from orchestrator.training.spec import TrialSpec

if TYPE_CHECKING:
    from orchestrator.search.space import SearchSpace


class Decision(StrEnum):
    """What becomes of a trial after an epoch."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@dataclass(frozen=True)
class Observation:
    """An epoch of a trial as a scheduler sees it.

    Attributes:
        index: of the trial.
        epoch: from 1.
        score: of this epoch; larger is better, whatever the metric.
        best: the largest score so far.
    """

    index: int
    epoch: int
    score: float
    best: float


@dataclass(frozen=True)
class Continuation:
    """A paused trial that shall go on.

    Attributes:
        index: of the trial.
        donor: trial whose weights it takes over, None to go on with its own.
        spec: with which it goes on, None for its own.
    """

    index: int
    donor: int | None = None
    spec: TrialSpec | None = None


class Scheduler:
    """What all schedulers share: it lets every trial run to its end.

    A scheduler draws its conclusions from what it is told and nothing else, so that it is rebuilt after a crash by
    telling it everything again in the same order.

    Attributes:
        pauses: whether trials wait with their checkpoints to be promoted, so that the disk must hold these.
        copies_weights: whether a trial may go on with the weights of another one.
        wants_all: whether all trials have to be there before it compares them, so that their number must be known.
    """

    pauses: ClassVar[bool] = False
    wants_all: ClassVar[bool] = False
    copies_weights: ClassVar[bool] = False

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> Scheduler:
        """The scheduler of a sweep.

        Args:
            epochs: of a trial at most.
            space: bounds of what it may change of a trial's settings.
            seed: of the sweep.
        """
        return cls()

    @classmethod
    def expected_epochs(cls, epochs: int, space: SearchSpace) -> float:
        """How many epochs a trial of at most `epochs` runs on average, for `orchestrator plan`."""
        return float(epochs)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which it compares trials, in ascending order; none if it does so after every epoch, or never."""
        return ()

    def milestones(self, index: int) -> tuple[int, ...]:
        """Epochs after which the trial may be paused: it writes a checkpoint there."""
        return ()

    def drawn(self, index: int, spec: TrialSpec) -> None:
        """A new trial is there."""

    def observe(self, seen: Observation) -> Decision:
        """A trial has finished an epoch that is not its last one."""
        return Decision.CONTINUE

    def informs(self, index: int, epoch: int) -> bool:
        """Whether the search algorithm learns now how good the trial is, which else it does when it pauses or ends."""
        return False

    def ended(self, index: int) -> None:
        """A trial is over: it can neither go on nor give its weights away."""

    def choose(self, *, drawing: bool, idle: bool, finishing: bool = False) -> Continuation | None:
        """Which paused trial should go on now, None if none should; does not change anything.

        Args:
            drawing: whether a new trial could start instead.
            idle: whether nothing is running.
            finishing: whether there is just time enough to bring the best trials to their end.
        """
        return None

    def continued(self, chosen: Continuation) -> None:
        """A paused trial goes on."""
