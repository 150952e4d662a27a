"""What to try next, and when to stop a trial. Importing this does not import Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.search.extremes import batch_sizes, ends_of, find_extremes
    from orchestrator.search.files import list_spaces
    from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter
    from orchestrator.search.proposals import Proposal, Proposals
    from orchestrator.search.schedulers import Continuation, Decision, Observation, Scheduler, find_scheduler
    from orchestrator.search.searchers import Searcher, find_searcher
    from orchestrator.search.sizing import DataSize
    from orchestrator.search.space import SearchSpace, load_space, located, space_of
    from orchestrator.search.suggest import SpecSampler, trial_seed
else:
    __getattr__ = lazily(
        __name__,
        extremes=["batch_sizes", "ends_of", "find_extremes"],
        parameters=["CategoricalParameter", "FloatParameter", "IntParameter"],
        proposals=["Proposal", "Proposals"],
        schedulers=["Continuation", "Decision", "Observation", "Scheduler", "find_scheduler"],
        searchers=["Searcher", "find_searcher"],
        sizing=["DataSize"],
        files=["list_spaces"],
        space=["SearchSpace", "load_space", "located", "space_of"],
        suggest=["SpecSampler", "trial_seed"],
    )

__all__ = [
    "CategoricalParameter",
    "Continuation",
    "DataSize",
    "Decision",
    "FloatParameter",
    "IntParameter",
    "Observation",
    "Proposal",
    "Proposals",
    "Scheduler",
    "SearchSpace",
    "Searcher",
    "SpecSampler",
    "batch_sizes",
    "ends_of",
    "find_extremes",
    "find_scheduler",
    "find_searcher",
    "list_spaces",
    "load_space",
    "located",
    "space_of",
    "trial_seed",
]
