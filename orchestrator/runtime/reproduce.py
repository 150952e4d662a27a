"""`reproduce`: the same trial once more, to see that it gives the same metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch

from orchestrator.columns.rows_wish import FRAME
from orchestrator.data import DataOptions, Dataset, open_dataset
from orchestrator.data.joining import without_frames
from orchestrator.data.opening import with_frames
from orchestrator.errors import TrackingError, UsageError
from orchestrator.reports.card import CardSource
from orchestrator.roles import Role
from orchestrator.runtime.train import TrainResult, train_spec
from orchestrator.sweeps.plan import describe
from orchestrator.tracking import tags
from orchestrator.tracking.leaderboard import StoredTrial, find_trial
from orchestrator.tracking.origin import kept_origin, read_origin
from orchestrator.training import EpochReport


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A trial that was trained again.

    Attributes:
        result: of this time.
        trial: of the time before.
        epochs: that were compared.
        difference: the first metric that is another one, as a sentence; None if all are equal to the last bit.
        reasons: what is not as it was then: data, versions, threads, workers.
    """

    result: TrainResult
    trial: StoredTrial
    epochs: int
    difference: str | None
    reasons: tuple[str, ...]


def reproduce(
    selector: str,
    *,
    data: str | pd.DataFrame | None = None,
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    tracking_uri: str | None = None,
    register_model: bool = True,
    on_epoch: Callable[[EpochReport], None] = lambda _report: None,
    notify: Callable[[str], None] = lambda _sentence: None,
) -> Reproduction:
    """Trains a trial once more, as long as it was trained, and compares the metrics of all epochs.

    On a CPU, with the same data, versions and threads, they are equal to the last bit.

    Args:
        selector: the id of the trial's MLflow run (6 characters are enough), or `SWEEP:INDEX`.
        data: where the data is now; where it was if left out.
        validation, test: the data frames with the rows of these parts, if they were some.
        tracking_uri: MLflow store.
        register_model: whether the model is registered.
        on_epoch: called after each epoch.
        notify: called with sentences for the user.

    Raises:
        TrackingError: there is no such trial.
        UsageError: it cannot be trained on its own.
        OrchestratorError: see `train`.
    """
    started = time.perf_counter()
    _, frames = without_frames(locals())
    trial = find_trial(selector, tracking_uri)
    if tags.DONOR in trial.labels:
        raise UsageError(
            f"trial {trial.index} took over the weights of another one (population based training), "
            "so it cannot be trained on its own"
        )
    dataset = _read(trial, data, frames)
    metric = dataset.schema.target.task.find_metric(trial.spec.metric)
    describe(dataset, metric, notify)
    device = trial.labels.get(tags.DEVICE, "cpu") if torch.cuda.is_available() else "cpu"
    reasons = tuple(_changes(trial, dataset, device))
    for reason in reasons:
        notify(f"note: {reason}")
    reports: list[EpochReport] = []

    def note(report: EpochReport) -> None:
        reports.append(report)
        on_epoch(report)

    with _threads(trial):
        result = train_spec(
            trial.spec,
            dataset,
            metric,
            tracking_uri=tracking_uri,
            register_model=register_model,
            on_epoch=note,
            about=CardSource(
                model=f"models:/{dataset.name}@{Role.CHAMPION}" if register_model else "FOLDER",
                data=dataset.name,
                sweep=trial.labels.get(tags.SWEEP_ID, ""),
            ),
            labels={**kept_origin(trial.labels), tags.AGAIN: trial.run_id},
            started=started,
            device=device,
            stop_after=trial.epochs or None,
        )
    return Reproduction(
        result=result,
        trial=trial,
        epochs=min(len(reports), trial.epochs),
        difference=_difference(trial, reports),
        reasons=reasons,
    )


@contextmanager
def _threads(trial: StoredTrial) -> Iterator[None]:
    """As many of torch as the trial had."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(trial.labels.get(tags.THREADS, before)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _read(trial: StoredTrial, data: str | pd.DataFrame | None, frames: Mapping[str, pd.DataFrame]) -> Dataset:
    origin = read_origin(trial.labels)
    if data is None:
        data = origin.get("data")
        if data is None or data == FRAME:
            raise TrackingError(f"MLflow does not say where the data of trial {trial.index} is; name it")
    options = DataOptions.from_json(origin, name=trial.name)
    return open_dataset(with_frames(data, options, frames), options)


def _changes(trial: StoredTrial, dataset: Dataset, device: str) -> list[str]:
    """Why the metrics may be other ones."""
    found = []
    digest = trial.labels.get(tags.DIGEST)
    if digest is not None and digest != dataset.digest:
        found.append(f"the data has changed: its digest was {digest[:12]} and is {dataset.digest[:12]}")
    then, now = json.loads(trial.labels.get(tags.VERSIONS, "{}")), tags.versions()
    changed = [f"{name} {then[name]} then, {now.get(name, 'none')} now" for name in then if then[name] != now.get(name)]
    if changed:
        found.append(f"versions have changed: {'; '.join(changed)}")
    workers = json.loads(trial.labels.get(tags.WORKERS, "{}")).get(trial.spec.architecture, 1)
    if workers > 1:
        found.append(f"the trial had {workers} workers: their sums are rounded otherwise")
    if trial.labels.get(tags.DEVICE, "cpu") != device:
        found.append(f"the trial was trained on {trial.labels[tags.DEVICE]}, this time on {device}")
    if dataset.pieces is not None:
        found.append("rows of a folder come in another order")
    return found


def _difference(trial: StoredTrial, reports: list[EpochReport]) -> str | None:
    if len(reports) < trial.epochs:
        return f"{len(reports)} epochs instead of {trial.epochs}"
    for report in reports:
        for name, value in report.points.items():
            before = trial.history.get(name, {}).get(report.epoch)
            if name != "epoch_seconds" and before is not None and before != value:
                return f"{name} of epoch {report.epoch} is {value!r}, was {before!r}"
    return None
