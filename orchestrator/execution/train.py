"""`train`: one fixed configuration, in this process, without Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from orchestrator.bundle import ModelBundle
from orchestrator.data import AnyDataset, Task, is_parquet_folder, load_table, prepare_dataset, prepare_streamed
from orchestrator.errors import OrchestratorError
from orchestrator.execution.plan import describe
from orchestrator.execution.sweep import Say
from orchestrator.execution.winner import make_winner, register_winner, test_part
from orchestrator.journal import Begun, Drawn, Ended, Reported
from orchestrator.tracking.registry import Registration
from orchestrator.tracking.store import client_for, tracked
from orchestrator.tracking.sweeps import dataset_input, open_experiment
from orchestrator.tracking.writer import TrialWriter
from orchestrator.training import BestWeights, EpochReport, TrialSpec, find_metric, spec_from_parameters, train_trial


@dataclass(frozen=True)
class TrainResult:
    """What a training run ends with.

    Attributes:
        name: of the registered model.
        run_id: in MLflow.
        spec: what was trained.
        report: of the last epoch.
        test: metrics on the test rows.
        bundle: the model, with the weights of its best epoch.
        registration: what was registered, None if it was not wanted.
        seconds: wall time.
    """

    name: str
    run_id: str
    spec: TrialSpec
    report: EpochReport
    test: Mapping[str, float]
    bundle: ModelBundle
    registration: Registration | None
    seconds: float


def train(
    data: str | Path | pd.DataFrame,
    *,
    target: str | None = None,
    name: str | None = None,
    architecture: str = "mlp",
    parameters: Mapping[str, Any] | None = None,
    metric: str | None = None,
    task: str | None = None,
    categorical: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    seed: int = 0,
    tracking_uri: str | None = None,
    register_model: bool = True,
    on_epoch: Callable[[EpochReport], None] | None = None,
    say: Say | None = None,
) -> TrainResult:
    """Trains one network and tracks it as an MLflow run of its own.

    Args:
        data: `sklearn:NAME`, a CSV or Parquet file, a folder of Parquet files, or a data frame.
        target, task, categorical, ignore: see `prepare_dataset`.
        name: of the experiment and the registered model; made from the data's name if left out.
        architecture: mlp, resnet or `package.module:Class`.
        parameters: flat: entries of `TrialSpec`, and settings of the architecture.
        metric: by which the best epoch is chosen.
        seed: of weights, order and dropout.
        tracking_uri: MLflow store.
        register_model: whether the model is registered.
        on_epoch: called after each epoch.
        say: called with sentences for the user.

    Raises:
        OrchestratorError: of the kind that says what is wrong.
    """
    started = time.perf_counter()
    kinds: dict[str, Any] = {"task": Task(task) if task else None, "categorical": categorical, "ignore": ignore}
    dataset: AnyDataset
    if isinstance(data, str | Path) and is_parquet_folder(data):
        dataset = prepare_streamed(data, target, name=name, **kinds)
    else:
        dataset = prepare_dataset(load_table(data, name), target, **kinds)
    chosen = find_metric(dataset.schema.target.task, metric)
    spec = spec_from_parameters({"architecture": architecture, **(parameters or {})}, chosen.name, seed)
    for sentence in describe(dataset, chosen):
        (say or _ignore)(sentence)
    client = client_for(tracking_uri)
    with tracked(tracking_uri):
        writer = TrialWriter(client, open_experiment(client, dataset.name), None, [dataset_input(dataset)])
    best = BestWeights()
    report = _train(spec, dataset, best, writer, on_epoch or _ignore)

    def load(network: nn.Module) -> None:
        network.load_state_dict(best.state or {})

    winner = make_winner(spec, report, dataset, chosen, load, test_part(dataset))
    run_id = writer.run_id(0)
    registration = None
    if register_model:
        registration = register_winner(client, run_id, dataset.name, winner, chosen, dataset.digest)
    return TrainResult(
        dataset.name,
        run_id,
        spec,
        report,
        winner.test,
        winner.bundle,
        registration,
        time.perf_counter() - started,
    )


def _train(
    spec: TrialSpec,
    dataset: AnyDataset,
    best: BestWeights,
    writer: TrialWriter,
    on_epoch: Callable[[EpochReport], None],
) -> EpochReport:
    writer.put(Drawn(time.time(), 0, spec, {}))
    writer.put(Begun(time.time(), 0, 1))
    report = None
    seconds, started = 0.0, time.perf_counter()
    status, reason = "finished", ""
    try:
        for report in train_trial(spec, dataset.without_test(), on_best=best.keep):
            seconds += time.perf_counter() - started
            writer.put(Reported(time.time(), 0, report, seconds, report.best_epoch, 0))
            on_epoch(report)
            started = time.perf_counter()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        status, reason = ("interrupted", "stopped by the user") if interrupted else ("failed", str(error))
        raise
    finally:
        writer.put(Ended(time.time(), 0, status, reason))
        writer.close()
    if report is None:
        raise OrchestratorError("training ended without an epoch")
    return report


def _ignore(_anything: object) -> None:
    return None
