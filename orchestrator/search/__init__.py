"""What to try next, and when to stop a trial. Importing this does not import Ray."""

from orchestrator.search.extremes import batch_sizes, find_extremes
from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter
from orchestrator.search.proposals import Proposal, Proposals
from orchestrator.search.schedulers import (
    Continuation,
    Observation,
    Scheduler,
    Verdict,
    build_scheduler,
    expected_epochs,
)
from orchestrator.search.space import SearchSpace, list_spaces, load_space
from orchestrator.search.suggest import SpecSampler, suggest, trial_seed

__all__ = [
    "CategoricalParameter",
    "Continuation",
    "FloatParameter",
    "IntParameter",
    "Observation",
    "Proposal",
    "Proposals",
    "Scheduler",
    "SearchSpace",
    "SpecSampler",
    "Verdict",
    "batch_sizes",
    "build_scheduler",
    "expected_epochs",
    "find_extremes",
    "list_spaces",
    "load_space",
    "suggest",
    "trial_seed",
]
