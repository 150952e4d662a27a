"""Find, train and serve the best neural network for a data set.

import orchestrator

result = orchestrator.sweep("data.csv", target="label", trials=20)
result.bundle.predict(new_rows)
"""

# this file is what Python 2.7 and 3.6, which some systems still call python, can read: no annotation, f-string or
# import of __future__, and before they are sent away nothing that they have not got
import os
import sys

# pip sees to it, but a clone can be run without pip
if sys.version_info < (3, 11):  # noqa: UP036
    TOO_OLD = "orchestrator needs Python 3.11 or newer, and " + sys.executable + " is " + sys.version.split()[0]
    # of `python -m orchestrator`, in Python 2 of -c, too
    if sys.argv[:1] == ["-m" if sys.version_info > (3,) else "-c"]:
        sys.exit("Error: " + TOO_OLD)
    raise ImportError(TOO_OLD)

from typing import TYPE_CHECKING

from orchestrator.lazy import exported

# OpenMP, with which torch computes, reads it when torch is imported, in the processes of trials, too. Threads that wait
# for work sleep: one that spins takes its core from whoever computes, and an epoch may take ten times as long
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    # the public names, each once: `exported` reads them here, and imports one when it is asked for
    from orchestrator.api import deploy as deploy
    from orchestrator.api import plan as plan
    from orchestrator.api import resume as resume
    from orchestrator.api import sweep as sweep
    from orchestrator.bundle import ModelBundle as ModelBundle
    from orchestrator.columns.csv_wish import CsvWish as CsvWish
    from orchestrator.columns.notes import DataWarning as DataWarning
    from orchestrator.columns.notes import Note as Note
    from orchestrator.columns.wish import ColumnWish as ColumnWish
    from orchestrator.config import ResourceConfig as ResourceConfig
    from orchestrator.data import DataOptions as DataOptions
    from orchestrator.data import Dataset as Dataset
    from orchestrator.data import Schema as Schema
    from orchestrator.data import Table as Table
    from orchestrator.data import load_table as load_table
    from orchestrator.data import open_dataset as open_dataset
    from orchestrator.data.asked import prepare_dataset as prepare_dataset
    from orchestrator.errors import OrchestratorError as OrchestratorError
    from orchestrator.estimators.classifier import AutoMLClassifier as AutoMLClassifier
    from orchestrator.estimators.regressor import AutoMLRegressor as AutoMLRegressor
    from orchestrator.evaluation.outcomes import Outcomes as Outcomes
    from orchestrator.evaluation.outcomes import OutcomeWindow as OutcomeWindow
    from orchestrator.networks import FeatureInput as FeatureInput
    from orchestrator.networks import FeatureShape as FeatureShape
    from orchestrator.runtime.hooks import Hooks as Hooks
    from orchestrator.runtime.probe.estimate import SweepEstimate as SweepEstimate
    from orchestrator.runtime.reproduce import Reproduction as Reproduction
    from orchestrator.runtime.reproduce import reproduce as reproduce
    from orchestrator.runtime.result import SweepResult as SweepResult
    from orchestrator.runtime.train import TrainResult as TrainResult
    from orchestrator.runtime.train import train as train
    from orchestrator.search import SearchSpace as SearchSpace
    from orchestrator.search import load_space as load_space
    from orchestrator.serving.batch.run import FolderAnswers as FolderAnswers
    from orchestrator.serving.batch.run import predict_folder as predict_folder
    from orchestrator.serving.control.deployments import Deployment as Deployment
    from orchestrator.serving.control.deployments import undeploy as undeploy
    from orchestrator.serving.control.rollouts import RolloutChange as RolloutChange
    from orchestrator.serving.control.rollouts import abort as abort
    from orchestrator.serving.control.rollouts import canary as canary
    from orchestrator.serving.control.rollouts import promote as promote
    from orchestrator.serving.control.rollouts import rollback as rollback
    from orchestrator.serving.control.rollouts import shadow as shadow
    from orchestrator.serving.inference.offline import predict as predict
    from orchestrator.sweeps.trial_table import TrialRecord as TrialRecord
    from orchestrator.sweeps.trial_table import TrialTable as TrialTable
    from orchestrator.tracking.outcomes import evaluate as evaluate
    from orchestrator.tracking.rollout import Rollout as Rollout
    from orchestrator.tracking.sync import SyncResult as SyncResult
    from orchestrator.tracking.sync import sync as sync
    from orchestrator.training import EpochReport as EpochReport
    from orchestrator.training import TrialSpec as TrialSpec
    from orchestrator.training import train_trial as train_trial
else:
    __getattr__, __dir__, __all__ = exported(__name__, __file__)
