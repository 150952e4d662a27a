"""How long a search goes on: what was planned, corrected by what its trials have shown."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.journal import Outlook

# what was planned counts as much as so many trials, or epochs, that were seen
TRIALS_OF_PLAN, EPOCHS_OF_PLAN = 3, 10


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What trials have shown so far.

    Attributes:
        trials: that there shall be.
        drawn: that were begun, or wait for a worker.
        over: that are over for good.
        epochs_over: epochs of these.
        running: epochs of each one that runs.
        epochs: of all trials.
        seconds: that they took.
        pauses: whether trials wait with their checkpoints.
    """

    trials: int
    drawn: int
    over: int
    epochs_over: int
    running: tuple[int, ...]
    epochs: int
    seconds: float
    pauses: bool


def seconds_left(outlook: Outlook, seen: Progress) -> float | None:
    """Seconds until all trials are over, about; None as long as nothing tells how long an epoch takes."""
    epoch = _epoch_seconds(outlook, seen)
    if epoch is None:
        return None
    each = outlook.trial_epochs
    if not seen.pauses:
        # where trials pause, those that are over are the best ones, which ran longest
        each = (TRIALS_OF_PLAN * each + seen.epochs_over) / (TRIALS_OF_PLAN + seen.over)
    running = [max(each - epochs, 1.0) for epochs in seen.running]
    ahead = max(0, seen.trials - seen.drawn) * each
    paused = 0.0
    if seen.pauses:
        # of all that is expected, what has not been done
        paused = max(0.0, seen.trials * each - seen.epochs - ahead - sum(running))
    total = ahead + sum(running) + paused
    return epoch * max(total / outlook.slots, max(running, default=0.0))


def _epoch_seconds(outlook: Outlook, seen: Progress) -> float | None:
    planned = outlook.epoch_seconds
    if planned is None:
        return seen.seconds / seen.epochs if seen.epochs else None
    return (EPOCHS_OF_PLAN * planned + seen.seconds) / (EPOCHS_OF_PLAN + seen.epochs)
