"""Training one network: `train_trial` and what goes in and out. Knows nothing of Ray or MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.training.answers import feature_shape, network_answers
    from orchestrator.training.checkpoints import BestWeights, check_weights, pack_weights, unpack_weights
    from orchestrator.training.folds import trial_network
    from orchestrator.training.loop import train_trial
    from orchestrator.training.ranks import ProcessGroupRanks, Ranks, process_group_backend
    from orchestrator.training.report import EpochReport
    from orchestrator.training.rows import EVALUATION_BATCH, Batch
    from orchestrator.training.spec import SHARED_PARAMETERS, TrialSpec, spec_from_parameters
    from orchestrator.training.state import TrialState, graft, pack_state, unpack_state
else:
    __getattr__ = lazily(
        __name__,
        answers=["feature_shape", "network_answers"],
        checkpoints=["BestWeights", "check_weights", "pack_weights", "unpack_weights"],
        folds=["trial_network"],
        loop=["train_trial"],
        ranks=["ProcessGroupRanks", "Ranks", "process_group_backend"],
        report=["EpochReport"],
        rows=["EVALUATION_BATCH", "Batch"],
        spec=["SHARED_PARAMETERS", "TrialSpec", "spec_from_parameters"],
        state=["TrialState", "graft", "pack_state", "unpack_state"],
    )

__all__ = [
    "EVALUATION_BATCH",
    "SHARED_PARAMETERS",
    "Batch",
    "BestWeights",
    "EpochReport",
    "ProcessGroupRanks",
    "Ranks",
    "TrialSpec",
    "TrialState",
    "check_weights",
    "feature_shape",
    "graft",
    "network_answers",
    "pack_state",
    "pack_weights",
    "process_group_backend",
    "spec_from_parameters",
    "train_trial",
    "trial_network",
    "unpack_state",
    "unpack_weights",
]
