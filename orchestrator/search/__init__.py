"""What to try next, and when to stop a trial. Importing this does not import Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.search.extremes import batch_sizes, find_extremes
    from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter
    from orchestrator.search.proposals import Proposal, Proposals
    from orchestrator.search.schedulers import (
        Continuation,
        Decision,
        Observation,
        Scheduler,
        build_scheduler,
        expected_epochs,
    )
    from orchestrator.search.space import SearchSpace, list_spaces, load_space, located, space_of
    from orchestrator.search.suggest import SpecSampler, trial_seed
else:
    __getattr__ = lazily(
        __name__,
        extremes=["batch_sizes", "find_extremes"],
        parameters=["CategoricalParameter", "FloatParameter", "IntParameter"],
        proposals=["Proposal", "Proposals"],
        schedulers=["Continuation", "Observation", "Scheduler", "Decision", "build_scheduler", "expected_epochs"],
        space=["SearchSpace", "list_spaces", "load_space", "located", "space_of"],
        suggest=["SpecSampler", "trial_seed"],
    )

__all__ = [
    "CategoricalParameter",
    "Continuation",
    "Decision",
    "FloatParameter",
    "IntParameter",
    "Observation",
    "Proposal",
    "Proposals",
    "Scheduler",
    "SearchSpace",
    "SpecSampler",
    "batch_sizes",
    "build_scheduler",
    "expected_epochs",
    "find_extremes",
    "list_spaces",
    "load_space",
    "located",
    "space_of",
    "trial_seed",
]
