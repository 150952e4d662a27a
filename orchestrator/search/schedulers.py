"""Schedulers: which trials are stopped early."""

from __future__ import annotations

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

EPOCH_ATTRIBUTE = "training_iteration"
REDUCTION_FACTOR = 3


def build_scheduler(scheduler: str, epochs: int) -> TrialScheduler:
    """The scheduler for trials of at most `epochs` epochs.

    `asha` is the stopping form of Li et al. 2018 (arXiv 1810.05934) as Ray Tune has it, with reduction factor 3 and
    its first rung after a sixth of the epochs; `none` lets every trial run to its end.
    """
    if scheduler == "none":
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr=EPOCH_ATTRIBUTE,
        # trials end by themselves: at max_t ASHA would call a finished trial stopped
        max_t=epochs + 1,
        grace_period=_grace(epochs),
        reduction_factor=REDUCTION_FACTOR,
    )


def expected_epochs(scheduler: str, epochs: int) -> float:
    """Epochs that a trial runs on average, if at every rung one of `REDUCTION_FACTOR` goes on."""
    if scheduler == "none":
        return float(epochs)
    reached, share, expected = 0, 1.0, 0.0
    rung = _grace(epochs)
    while rung < epochs:
        expected += share * (rung - reached)
        reached, rung, share = rung, rung * REDUCTION_FACTOR, share / REDUCTION_FACTOR
    return expected + share * (epochs - reached)


def _grace(epochs: int) -> int:
    return max(1, epochs // 6)
