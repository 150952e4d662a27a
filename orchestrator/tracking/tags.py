"""Names of the tags and metrics under which sweeps and trials are found again in MLflow."""

from __future__ import annotations

import functools
import getpass
import importlib.metadata
import json
import platform
import subprocess

KIND = "orchestrator.kind"
SWEEP_KIND, TRIAL_KIND, TRAINING_KIND = "sweep", "trial", "training"
SWEEP_NAME = "orchestrator.name"
TRIAL_INDEX = "orchestrator.trial"
STATUS = "orchestrator.status"
REASON = "orchestrator.reason"
METRIC = "orchestrator.metric"
DIGEST = "orchestrator.data_digest"
TEST_VALUE = "orchestrator.test_value"
VALIDATION_VALUE = "orchestrator.validation_value"
# what decides between equal ones, by name as JSON
VALIDATION_TIE = "orchestrator.validation_tie"
MODEL_DIGEST = "orchestrator.model_digest"
DECISION = "orchestrator.decision"
SKIPPED = "orchestrator.skipped"
TEST_LOOKS = "orchestrator.test_looks"
BEST_EPOCH = "orchestrator.best_epoch"
# what decides between trials of the same value, smaller is better
BEST_TIE = "orchestrator.best_tie"
SWEEP_ID = "orchestrator.sweep_id"
STORAGE = "orchestrator.storage"
THREADS = "orchestrator.threads"
WORKERS = "orchestrator.workers"
# of a trial at most, as far as the time budget has room for them
EPOCHS = "orchestrator.epochs"
DEVICE = "orchestrator.device"
DONOR = "orchestrator.donor"
DATA = "orchestrator.data"
NOTES = "orchestrator.notes"
AGAIN = "orchestrator.again"
SPEC = "orchestrator.spec"
VERSIONS = "orchestrator.versions"
SECONDS = "orchestrator.seconds"
TRAIN_SECONDS = "orchestrator.train_seconds"
MAXIMIZE = "orchestrator.maximize"
BEST_TRIAL = "orchestrator.best_trial"
ENSEMBLE = "orchestrator.ensemble"
# what was decided after training, by name as JSON
DECIDED = "orchestrator.decided"
TRIALS = "orchestrator.trials"
MODEL = "orchestrator.model"
CHAMPION = "orchestrator.champion"
CANARY_WEIGHT = "orchestrator.canary_weight"
HISTORY = "orchestrator.history"
BREAKING = "orchestrator.breaking"
OBJECTIVE = "objective"

PARENT = "mlflow.parentRunId"
COMMIT = "mlflow.source.git.commit"
# with it MLflow shows an experiment as one of training, not of language models
EXPERIMENT_KIND, TRAINING_EXPERIMENT = "mlflow.experimentKind", "custom_model_development"
# Markdown at the head of a run's page
NOTE = "mlflow.note.content"
USER = "mlflow.user"
SOURCE = "mlflow.source.name"

PACKAGES = ("orchestrator-automl", "torch", "ray", "mlflow", "optuna", "scikit-learn", "numpy", "pandas")


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the packages that decide about results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def environment_tags() -> dict[str, str]:
    """Package versions (JSON), user and, inside of a git checkout, the commit."""
    tags = {VERSIONS: json.dumps(versions()), SOURCE: "orchestrator"}
    try:
        tags[USER] = getpass.getuser()
    except (KeyError, OSError):
        # a container may run as a user without a name
        tags[USER] = "unknown"
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return tags
    if found.returncode == 0:
        tags[COMMIT] = found.stdout.strip()
    return tags
