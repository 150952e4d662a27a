"""The rungs of successive halving."""

from __future__ import annotations

# one of three goes on, also with hyperband; said in docs/schedulers.md
REDUCTION_FACTOR = 3


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


def halving_epochs(epochs: int) -> float:
    """Epochs that a trial runs on average, if at every rung one of `REDUCTION_FACTOR` goes on."""
    reached, share, expected = 0, 1.0, 0.0
    for rung in rungs_of(epochs):
        expected += share * (rung - reached)
        reached, share = rung, share / REDUCTION_FACTOR
    return expected + share * (epochs - reached)
