"""The rungs of successive halving: the epochs after which trials are compared."""

from __future__ import annotations

import math

from orchestrator.search.space import SearchSpace

# one of three goes on, also with hyperband; said in docs/schedulers.md
REDUCTION_FACTOR = 3
# where the learning rate of coslog4 is 0, in fifteenths of all epochs; at the end of the first cycle, 1, a trial says
# too little yet (docs/schedulers.md has the figures)
FIFTEENTHS, VALLEYS = 15, (3, 7)


def first_rung(epochs: int) -> int:
    """The first epoch at which trials are compared: a sixth of them all."""
    return max(1, epochs // 6)


def rungs_of(epochs: int, reduction: int = REDUCTION_FACTOR) -> tuple[int, ...]:
    """The epochs at which trials of at most `epochs` epochs are compared; each is `reduction` times the one before."""
    rungs = []
    rung = first_rung(epochs)
    while rung < epochs:
        rungs.append(rung)
        rung *= reduction
    return tuple(rungs)


def valleys_of(epochs: int) -> tuple[int, ...]:
    """The epochs in which the learning rate of coslog4 has just been 0.

    Within a cycle it is high, and what validation says then does not tell how good a network becomes.
    """
    found = {math.ceil(share * epochs / FIFTEENTHS) for share in VALLEYS}
    return tuple(sorted(valley for valley in found if valley < epochs))


def rungs_for(epochs: int, space: SearchSpace) -> tuple[int, ...]:
    """The rungs of a search space: the valleys of coslog4 if trials of it may be trained so, else `rungs_of`."""
    return valleys_of(epochs) if space.may_train_with("schedule", "coslog4") else rungs_of(epochs)


def halving_epochs(epochs: int, space: SearchSpace) -> float:
    """Epochs that a trial runs on average, if at every rung one of `REDUCTION_FACTOR` goes on."""
    reached, share, expected = 0, 1.0, 0.0
    for rung in rungs_for(epochs, space):
        expected += share * (rung - reached)
        reached, share = rung, share / REDUCTION_FACTOR
    return expected + share * (epochs - reached)
