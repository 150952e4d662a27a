"""Small data, models and servers for tests."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from torch import nn

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.data import DataOptions, Dataset, open_dataset
from orchestrator.training import BestWeights, TrialSpec, feature_shape, train_trial
from orchestrator.training.loop import build_network

# the families with layers of their own, small: what is fitted on inputs, and training rows that a network keeps
SMALL_NETWORKS = {
    "realmlp": {"depth": 2, "width": 8, "repeated_numbers": 9},
    "tabm": {"members": 3, "depth": 1, "width": 8},
    "tabm_mini": {"members": 3, "depth": 1, "width": 8, "repeated_numbers": 9},
    "ft_transformer": {"depth": 1, "width": 8, "heads": 2, "repeated_numbers": 9},
    "modern_nca": {"depth": 1, "width": 8, "candidates": 60, "sampled": 30},
}


def small_space(*architectures: str, gangs: Sequence[str] = ()) -> str:
    """The file of a search space of such networks, each tried first once; those of `gangs` have two workers."""
    content = {
        "parameters": {"batch_size": 64, "learning_rate": {"type": "float", "low": 0.003, "high": 0.03, "log": True}},
        "architectures": {name: SMALL_NETWORKS[name] for name in architectures},
        "start_points": [{"architecture": name, "learning_rate": 0.01} for name in architectures],
        "workers_per_trial": dict.fromkeys(gangs, 2),
    }
    return json.dumps(content)


def mixed_frame(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Rows with all kinds of columns and missing values."""
    random = np.random.default_rng(seed)
    number = random.normal(5, 3, rows)
    color = random.choice(["red", "green", "blue"], rows)
    label = np.where(number + 2 * (color == "red") + random.normal(0, 1, rows) > 5.5, "high", "low")
    return pd.DataFrame(
        {
            "number": np.where(random.random(rows) < 0.1, np.nan, number),
            "color": np.where(random.random(rows) < 0.1, None, color),
            "flag": random.choice([True, False], rows),
            "day": pd.date_range("2020-01-01", periods=rows, freq="7h").strftime("%Y-%m-%d %H:%M:%S"),
            "label": label,
        }
    )


def quick_model(
    source: str | pd.DataFrame, target: str | None = None, *, task=None, **settings
) -> tuple[nn.Module, Dataset]:
    """A network trained for three epochs, with its best weights, in evaluation mode."""
    dataset = open_dataset(source, DataOptions(target=target, task=task))
    return quick_network(dataset, **settings), dataset


def quick_network(dataset: Dataset, **settings) -> nn.Module:
    """The same of a data set that there is."""
    spec = TrialSpec(
        architecture=settings.pop("architecture", "mlp"),
        settings=settings or {"depth": 1, "width": 8},
        metric=dataset.schema.target.task.find_metric().name,
        epochs=3,
        batch_size=32,
        learning_rate=0.01,
    )
    best = BestWeights()
    for _ in train_trial(spec, dataset, on_best=best.keep):
        pass
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    network.load_state_dict(best.state)
    return network.eval()


def train_bundle(source: str | pd.DataFrame, target: str | None, path: Path, **settings) -> ModelBundle:
    """A quickly trained bundle, saved to `path` and loaded from there."""
    network, dataset = quick_model(source, target, **settings)
    make_bundle(network, dataset, {"metric": "log_loss"}).save(path)
    return ModelBundle.load(path)


def node_address() -> dict[str, str]:
    """For nodes of a `Cluster`: they would take over the loopback address, on which a Ray of this process listens."""
    from ray._common.network_utils import node_ip_address_from_perspective

    return {"node_ip_address": node_ip_address_from_perspective()}


@contextlib.contextmanager
def bare_nodes():
    """Nodes of a `Cluster` that are started meanwhile have no processes of Ray's that only show what happens there."""
    from orchestrator.cluster import _as_we_want_it

    # as in a Ray of our own; those that go through a real `ray start` are in `test_job_server` and `test_partition`
    with _as_we_want_it(()):
        yield


def free_port() -> int:
    """A port on which nobody listens, of those that neither Ray's workers nor outgoing connections are given.

    One that the system chooses may be a connection's own port before a server that starts for seconds has it.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@functools.cache
def _template() -> tempfile.TemporaryDirectory:
    from mlflow import MlflowClient

    folder = tempfile.TemporaryDirectory(prefix="orchestrator-store-")
    MlflowClient(f"sqlite:///{folder.name}/mlflow.db").search_experiments()
    return folder


def empty_store(folder: Path) -> str:
    """The URI of a new MLflow store. It is a copy: MLflow takes a second to build the tables of each."""
    shutil.copy(Path(_template().name) / "mlflow.db", folder)
    return f"sqlite:///{folder}/mlflow.db"


def second_home(folder: Path) -> Path:
    """A new state folder, in which MLflow's empty store is kept already, as after the first command in any folder."""
    from orchestrator.tracking.empty_stores import FOLDER, keep_empty_store

    kept, home = Path(os.environ["ORCHESTRATOR_HOME"]) / FOLDER, folder / "home"
    if not kept.is_dir():
        keep_empty_store(Path(_template().name) / "mlflow.db")
    home.mkdir()
    (home / FOLDER).symlink_to(kept)
    return home


class TrackingServer:
    """A real MLflow server process, which can be stopped and started again."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.store = empty_store(folder)
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        # what `mlflow server` starts with one worker: it imports MLflow, and waits for a second process that does, too
        command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(self.port)]
        environment = {
            **os.environ,
            "_MLFLOW_SERVER_FILE_STORE": self.store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            # it has processes of its own for jobs, of which nobody here gives it any
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                if requests.get(f"{self.uri}/health", timeout=1).ok:
                    return
            except requests.RequestException:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "the MLflow server does not start"
                time.sleep(0.2)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def outcome_of(**more):
    """What a sweep of one finished trial leaves, unless something else is said of it."""
    from orchestrator.sweeps.finalize import Outcome

    usual = {"status": "finished", "best": 0, "epoch": 1, "metric": "log_loss", "maximize": False}
    usual |= {"validation": 0.6, "test": {}, "trials": {"finished": 1}, "digest": "d", "register": True, "at": 5.0}
    return Outcome(**{**usual, **more})


def prepare_bundle(bundle, folder, execution="auto"):
    """What an endpoint's process does with the folder of a bundle."""
    from orchestrator.bundle import ReadBundle
    from orchestrator.bundle.files import read_folder
    from orchestrator.serving.inference.prepared_model import prepare

    return prepare(ReadBundle.of(read_folder(bundle), bundle), folder, execution)
