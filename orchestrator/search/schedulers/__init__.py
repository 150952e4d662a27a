"""Schedulers: which trials are stopped, paused and promoted. One file each; none knows of Ray."""

from __future__ import annotations

from orchestrator.search.explore import explorer
from orchestrator.search.schedulers._asha import Asha
from orchestrator.search.schedulers._base import Continuation, Decision, Observation, Scheduler
from orchestrator.search.schedulers._hyperband import Hyperband
from orchestrator.search.schedulers._median import MedianStopping
from orchestrator.search.schedulers._population import PopulationBasedTraining
from orchestrator.search.schedulers._promotion import PromotionAsha
from orchestrator.search.schedulers._rungs import REDUCTION_FACTOR, first_rung, rungs_of
from orchestrator.search.space import SearchSpace


def build_scheduler(name: str, epochs: int, space: SearchSpace, seed: int) -> Scheduler:
    """The scheduler for trials of at most `epochs` epochs.

    Args:
        name: none, asha, asha-promote, hyperband, median or pbt.
        epochs: of a trial at most.
        space: bounds of what population based training may change.
        seed: of the sweep.
    """
    match name:
        case "asha":
            return Asha(rungs_of(epochs))
        case "asha-promote":
            return PromotionAsha(rungs_of(epochs))
        case "hyperband":
            return Hyperband(rungs_of(epochs))
        case "median":
            return MedianStopping(first_rung(epochs))
        case "pbt":
            return PopulationBasedTraining(first_rung(epochs), epochs, seed, explorer(space))
        case _:
            return Scheduler()


def expected_epochs(name: str, epochs: int) -> float:
    """Epochs that a trial runs on average, if at every rung one of `REDUCTION_FACTOR` goes on.

    For the median rule, the half that it stops is taken to stop after its grace; for Hyperband all are taken to be in
    its first bracket, which has most of them.
    """
    if name in ("none", "pbt"):
        return float(epochs)
    if name == "median":
        return (first_rung(epochs) + epochs) / 2
    reached, share, expected = 0, 1.0, 0.0
    for rung in rungs_of(epochs):
        expected += share * (rung - reached)
        reached, share = rung, share / REDUCTION_FACTOR
    return expected + share * (epochs - reached)


__all__ = [
    "Asha",
    "Continuation",
    "Decision",
    "Hyperband",
    "MedianStopping",
    "Observation",
    "PopulationBasedTraining",
    "PromotionAsha",
    "Scheduler",
    "build_scheduler",
    "expected_epochs",
    "first_rung",
    "rungs_of",
]
