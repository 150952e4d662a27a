"""`train`: one fixed configuration, in this process, without Ray."""

from __future__ import annotations

import tempfile
import time as clock
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from orchestrator.bundle import ModelBundle
from orchestrator.bundle.files import CARD_FILE
from orchestrator.bundle.registration import Registration, figure_of
from orchestrator.choices import AutoName, EqualRowsName, TargetTransformName
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.columns.rows_wish import FRAME, RowsWish
from orchestrator.columns.target_wish import TargetWish
from orchestrator.columns.wish import ColumnWish
from orchestrator.config import check_name
from orchestrator.data import Dataset, Part, open_dataset
from orchestrator.data.asked import asked_options
from orchestrator.data.joining import without_frames
from orchestrator.data.opening import with_frames
from orchestrator.errors import ArchitectureError, OrchestratorError
from orchestrator.evaluation.answers import validation_answers
from orchestrator.evaluation.winner import make_winner
from orchestrator.journal import Begun, Drawn, Ended, Reported, TrialStatus
from orchestrator.networks import is_custom, never_read, parse_settings, settings_asked_for
from orchestrator.reports.card import CardSource
from orchestrator.roles import Role
from orchestrator.runtime.describing import data_name, with_card
from orchestrator.runtime.hooks import Notify
from orchestrator.sweeps.choice import Winner
from orchestrator.sweeps.plan import describe
from orchestrator.tasks import Metric, TaskWish
from orchestrator.tracking import tags
from orchestrator.tracking.decided import log_decided
from orchestrator.tracking.description import dataset_input
from orchestrator.tracking.looks import note_look
from orchestrator.tracking.notes import log_notes, notes_tag
from orchestrator.tracking.origin import describe_origin
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.store import client_for, tracked
from orchestrator.tracking.sweeps import open_experiment
from orchestrator.tracking.writer import TrialWriter
from orchestrator.training import (
    SHARED_PARAMETERS,
    BestWeights,
    EpochReport,
    TrialSpec,
    feature_shape,
    spec_from_parameters,
    train_trial,
    trial_network,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

# for a tracking store that is away at the end
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training run ends with.

    Attributes:
        name: of the registered model.
        run_id: in MLflow.
        spec: what was trained.
        report: of the last epoch.
        test: metrics on the test rows.
        notes: what was guessed about the data.
        bundle: the model, with the weights of its best epoch.
        registration: what was registered, None if it was not wanted.
        looks: how often models were measured on these test rows, this time included.
        seconds: wall time.
    """

    name: str
    run_id: str
    spec: TrialSpec
    report: EpochReport
    test: Mapping[str, float]
    notes: tuple[Note, ...]
    bundle: ModelBundle
    registration: Registration | None
    looks: int
    seconds: float


def train(
    data: str | Path | pd.DataFrame,
    *,
    target: Hashable = None,
    name: str | None = None,
    architecture: str = "mlp",
    parameters: Mapping[str, Any] | None = None,
    metric: str | None = None,
    task: TaskWish | None = None,
    categorical: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    ignore_text: bool = False,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None = None,
    csv: CsvWish | Mapping[str, Any] | None = None,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    validation: str | Path | pd.DataFrame | None = None,
    test: str | Path | pd.DataFrame | None = None,
    weight: str | None = None,
    equal_rows: EqualRowsName | None = None,
    folds: int | str | None = None,
    clip_predictions: bool | None = None,
    rare_categories: int | str | None = None,
    target_statistics: str | Sequence[str] | None = None,
    date_differences: AutoName | None = None,
    target_transform: TargetTransformName | None = None,
    background: bool | None = None,
    seed: int = 0,
    tracking_uri: str | None = None,
    register_model: bool = True,
    on_epoch: Callable[[EpochReport], None] | None = None,
    notify: Notify | None = None,
) -> TrainResult:
    """Trains one network and tracks it as an MLflow run of its own.

    Args:
        data: `sklearn:NAME`, a CSV, Parquet or JSON file, a folder of them, or a data frame.
        target, task, categorical, ignore, ignore_text, columns, csv: see `DataOptions`.
        group, time, split_column, validation, test, weight, equal_rows, folds: see `prepare_dataset`.
        clip_predictions, target_transform: see `TargetWish`.
        rare_categories, target_statistics, date_differences: see `FeaturesWish`.
        background: see `sweep`.
        name: of the experiment and the registered model; made from the data's name if left out.
        architecture: mlp, resnet or `package.module:Class`.
        parameters: flat: entries of `TrialSpec`, and settings of the architecture.
        metric: by which the best epoch is chosen.
        seed: of weights, order and dropout.
        tracking_uri: MLflow store.
        register_model: whether the model is registered.
        on_epoch: called after each epoch.
        notify: called with sentences for the user.

    Raises:
        OrchestratorError: of the kind that says what is wrong.
    """
    (given, frames), started = without_frames(locals()), clock.perf_counter()
    if name is not None:
        check_name(name)
    settings = {name: value for name, value in (parameters or {}).items() if name not in SHARED_PARAMETERS}
    if not is_custom(architecture):
        parse_settings(architecture, settings, SHARED_PARAMETERS)
    options = asked_options(
        target=target,
        name=name,
        task=task,
        categorical=categorical,
        ignore=ignore,
        ignore_text=ignore_text,
        columns=columns,
        csv=csv,
        rows=RowsWish.given(given),
        target_wish=TargetWish.given(given),
        features=FeaturesWish.given(given),
        background=background,
    )
    dataset = open_dataset(with_frames(data, options, frames), options)
    chosen = dataset.schema.target.task.find_metric(metric)
    if is_custom(architecture):
        _check_settings(architecture, settings, dataset)
    spec = spec_from_parameters({"architecture": architecture, **(parameters or {})}, chosen.name, seed)
    describe(dataset, chosen, notify or _ignore)
    common: dict[str, Any] = {"tracking_uri": tracking_uri, "register_model": register_model, "started": started}
    labels = describe_origin(data, options)
    about = CardSource(
        model=f"models:/{dataset.name}@{Role.CHAMPION}" if register_model else "FOLDER",
        data=FRAME if isinstance(data, pd.DataFrame) else data_name(data),
        rows=options.rows,
    )
    return train_spec(spec, dataset, chosen, on_epoch=on_epoch or _ignore, labels=labels, about=about, **common)


def _check_settings(architecture: str, settings: Mapping[str, Any], dataset: Dataset) -> None:
    """Builds a user's own network once.

    Raises:
        ArchitectureError: it cannot be built, or does not read a setting.
    """
    asked = settings_asked_for(architecture, feature_shape(dataset), [settings], settings)
    for name in settings:
        if name not in asked:
            raise ArchitectureError(never_read(architecture, name, asked | SHARED_PARAMETERS))


def train_spec(
    spec: TrialSpec,
    dataset: Dataset,
    metric: Metric,
    *,
    tracking_uri: str | None,
    register_model: bool,
    on_epoch: Callable[[EpochReport], None],
    labels: Mapping[str, str],
    about: CardSource,
    started: float,
    device: str = "cpu",
    stop_after: int | None = None,
) -> TrainResult:
    """`train` with everything worked out.

    Args:
        spec, dataset, metric: what to train, on what, judged by what.
        tracking_uri, register_model, on_epoch: see `train`.
        labels: more tags of the run.
        about: what its model's card says besides.
        started: `clock.perf_counter()` of the beginning.
        device: cpu or cuda.
        stop_after: this epoch, as a scheduler would; None to train to the end.
    """
    client = client_for(tracking_uri)
    known = {tags.DIGEST: dataset.digest, tags.THREADS: str(torch.get_num_threads()), tags.DEVICE: device}
    known |= notes_tag(dataset.notes)
    with tracked(tracking_uri):
        experiment = open_experiment(client, dataset.name)
        writer = TrialWriter(
            client, experiment, None, dataset_inputs=[dataset_input(dataset)], labels=known | dict(labels)
        )
    best = BestWeights()
    reports = train_trial(spec, dataset.without_test(), on_best=best.keep, device=device)
    report = _train(spec, reports, writer, on_epoch, stop_after)
    winner = with_card(_measured(spec, report, best, dataset, metric), dataset, about)
    run_id = writer.run_id(0)
    with tracked(tracking_uri):
        log_notes(client, run_id, dataset.notes)
        log_decided(client, run_id, winner.decided)
        client.log_text(run_id, winner.bundle.card, CARD_FILE)
    looks = note_look(client, run_id, winner.test, dataset.digest)
    registration = None
    if register_model:
        registration = register_winner(
            client, run_id, name=dataset.name, winner=winner, metric=metric, digest=dataset.digest
        )
    return TrainResult(
        name=dataset.name,
        run_id=run_id,
        spec=spec,
        report=report,
        test=winner.test,
        notes=dataset.notes,
        bundle=winner.bundle,
        registration=registration,
        looks=looks,
        seconds=clock.perf_counter() - started,
    )


def _train(
    spec: TrialSpec,
    reports: Iterator[EpochReport],
    writer: TrialWriter,
    on_epoch: Callable[[EpochReport], None],
    stop_after: int | None,
) -> EpochReport:
    writer.put(Drawn(clock.time(), 0, spec, {}))
    writer.put(Begun(clock.time(), 0, 1))
    report = None
    seconds, started = 0.0, clock.perf_counter()
    status, reason = TrialStatus.FINISHED, ""
    try:
        for report in reports:
            seconds += clock.perf_counter() - started
            writer.put(
                Reported(
                    at=clock.time(), index=0, report=report, train_seconds=seconds, kept=report.best_epoch, stored=0
                )
            )
            on_epoch(report)
            if report.epoch == stop_after and not report.last:
                status, reason = TrialStatus.STOPPED, f"after epoch {stop_after}, as the trial before"
                break
            started = clock.perf_counter()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        status, reason = (
            (TrialStatus.INTERRUPTED, "stopped by the user") if interrupted else (TrialStatus.FAILED, str(error))
        )
        raise
    finally:
        writer.put(Ended(clock.time(), 0, status, reason))
        writer.close(PATIENCE_SECONDS)
    if report is None:
        raise OrchestratorError("training ended without an epoch")
    return report


def _measured(spec: TrialSpec, report: EpochReport, best: BestWeights, dataset: Dataset, metric: Metric) -> Winner:
    """The network with the weights of its best epoch, measured on the validation and test rows."""
    network = trial_network(spec, dataset)
    network.load_state_dict(best.state or {})
    return make_winner(
        spec,
        report,
        dataset=dataset,
        metric=metric,
        network=network,
        validation=validation_answers(network, dataset, dataset.rows(Part.VALIDATION)),
        test_rows=dataset.rows(Part.TEST),
    )


def _ignore(_anything: object) -> None:
    return None


def register_winner(
    client: MlflowClient, run_id: str, *, name: str, winner: Winner, metric: Metric, digest: str
) -> Registration:
    """Registers the winner's bundle; see `register_bundle`.

    Raises:
        TrackingError: the store cannot be used, or the metric does not exist on the test rows.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = Path(folder) / "bundle"
        winner.bundle.save(path)
        figure = figure_of(metric, winner.validation, winner.test, digest, winner.tie)
        return register_bundle(
            client, run_id, name, path, figure=figure, model_digest=winner.digest, doubt=winner.doubt
        )
