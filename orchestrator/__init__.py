"""Find, train and serve the best neural network for a data set.

import orchestrator

result = orchestrator.sweep("data.csv", target="label", trials=20)
result.bundle.predict(new_rows)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.bundle import ModelBundle
    from orchestrator.config import ServeConfig, SweepConfig
    from orchestrator.data import DataOptions, Dataset, Schema, Table, load_table, open_dataset
    from orchestrator.errors import OrchestratorError
    from orchestrator.networks import FeatureInput, FeatureShape
    from orchestrator.runtime.reproduce import Reproduction, reproduce
    from orchestrator.runtime.resume import resume
    from orchestrator.runtime.sweeps import SweepResult, sweep
    from orchestrator.runtime.train import TrainResult, train
    from orchestrator.search import SearchSpace, load_space
    from orchestrator.serving.control.rollouts import RolloutChange, abort, canary, promote, rollback, shadow
    from orchestrator.tracking.rollout import Rollout
    from orchestrator.tracking.sync import SyncResult, sync
    from orchestrator.training import EpochReport, TrialSpec, train_trial

_HOMES = {
    "Reproduction": "runtime.reproduce",
    "DataOptions": "data",
    "Dataset": "data",
    "EpochReport": "training",
    "FeatureInput": "networks",
    "FeatureShape": "networks",
    "ModelBundle": "bundle",
    "OrchestratorError": "errors",
    "Rollout": "tracking.rollout",
    "RolloutChange": "serving.control.rollouts",
    "Schema": "data",
    "SearchSpace": "search",
    "ServeConfig": "config",
    "SweepConfig": "config",
    "SweepResult": "runtime.sweeps",
    "SyncResult": "tracking.sync",
    "Table": "data",
    "TrainResult": "runtime.train",
    "TrialSpec": "training",
    "abort": "serving.control.rollouts",
    "canary": "serving.control.rollouts",
    "load_space": "search",
    "load_table": "data",
    "open_dataset": "data",
    "promote": "serving.control.rollouts",
    "resume": "runtime.resume",
    "rollback": "serving.control.rollouts",
    "shadow": "serving.control.rollouts",
    "sweep": "runtime.sweeps",
    "sync": "tracking.sync",
    "train": "runtime.train",
    "reproduce": "runtime.reproduce",
    "train_trial": "training",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # torch and Ray are only imported when something of theirs is asked for
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrator' has no attribute '{name}'")
    return getattr(importlib.import_module(f"orchestrator.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)


__all__ = [
    "DataOptions",
    "Dataset",
    "EpochReport",
    "FeatureInput",
    "FeatureShape",
    "ModelBundle",
    "OrchestratorError",
    "Reproduction",
    "Rollout",
    "RolloutChange",
    "Schema",
    "SearchSpace",
    "ServeConfig",
    "SweepConfig",
    "SweepResult",
    "SyncResult",
    "Table",
    "TrainResult",
    "TrialSpec",
    "abort",
    "canary",
    "load_space",
    "load_table",
    "open_dataset",
    "promote",
    "reproduce",
    "resume",
    "rollback",
    "shadow",
    "sweep",
    "sync",
    "train",
    "train_trial",
]
