"""Which trial of a sweep wins: the best one whose weights are what they were, and why better ones were passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import nn

from orchestrator.architectures import build_network
from orchestrator.data import AnyDataset, Examples
from orchestrator.errors import StorageError
from orchestrator.execution.ledger import Ledger, TrialRecord
from orchestrator.execution.trial_files import best_weights, trial_folder
from orchestrator.execution.winner import Answers
from orchestrator.storage import Storage
from orchestrator.training import EpochReport, Metric, check_weights, evaluate, feature_shape, unpack_weights
from orchestrator.units import show_apart, show_number

# other devices, numbers of threads and workers round otherwise
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-2, 1e-3
UNITS = ("rmse", "mae")
NAMED = 3


@dataclass(frozen=True)
class Skipped:
    """A trial that is better than the one that was taken, but whose model cannot be used.

    Attributes:
        index: of the trial.
        value: its validation figure.
        reason: why not, as a part of a sentence.
    """

    index: int
    value: float
    reason: str


@dataclass(frozen=True)
class Choice:
    """The trial that was taken.

    Attributes:
        record: of the trial.
        report: its last one.
        network: with the weights of its best epoch.
        validation: what it says about the validation rows.
        skipped: better ones, the best first.
    """

    record: TrialRecord
    report: EpochReport
    network: nn.Module
    validation: Answers
    skipped: tuple[Skipped, ...]


def choose(
    ledger: Ledger,
    storage: Storage,
    dataset: AnyDataset,
    metric: Metric,
    validation_rows: Callable[[], Iterable[Examples]],
) -> tuple[Choice | None, tuple[Skipped, ...]]:
    """Takes the best trial whose weights are there, undamaged, and give the validation figure that was recorded.

    Args:
        ledger: of the sweep.
        storage: of the sweep.
        dataset: of the sweep.
        metric: of the sweep.
        validation_rows: the validation part in chunks; called once for each trial that is tried.

    Returns:
        What was taken, None if there is nothing to take; and all that were skipped for it.
    """
    skipped: list[Skipped] = []
    for record in sorted(ledger.records.values(), key=ledger.rank):
        report = record.report
        if report is None:
            continue
        try:
            network = _load(record, report, storage, dataset, ledger.lost.get(record.index))
            answers = Answers.of(network, validation_rows(), dataset.schema.target.task)
            _compare(answers, report, dataset, metric)
        except StorageError as error:
            skipped.append(Skipped(record.index, report.best_value, str(error)))
        else:
            return Choice(record, report, network, answers, tuple(skipped)), tuple(skipped)
    return None, tuple(skipped)


def drop_lost(ledger: Ledger, storage: Storage, top: int) -> tuple[Skipped, ...]:
    """Before a session goes on: the ledger forgets weights that are gone, so that those of the next ones are kept.

    Args:
        ledger: after the sessions before.
        storage: of the sweep.
        top: of so many trials the weights are kept.

    Returns:
        The trials that were better than all whose weights are there.
    """
    dropped: list[Skipped] = []
    left = top
    better: tuple[Skipped, ...] | None = None
    for record in ledger.ranked():
        if left == 0 or record.report is None:
            break
        try:
            check_weights(_content(record, record.report, storage), _what(record, record.report, storage))
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
                # a storage that does not answer now may do so later
                return ()
            dropped.append(Skipped(record.index, record.report.best_value, str(error)))
        else:
            left -= 1
            better = tuple(dropped) if better is None else better
    for lost in dropped:
        ledger.lose_weights(lost.index, lost.reason)
    return tuple(dropped) if better is None else better


def sentences(skipped: Iterable[Skipped], metric: Metric) -> list[str]:
    """What to tell of them; of many only the best ones are named."""
    found = list(skipped)
    told = [
        f"trial {item.index} is better ({metric.name} {show_number(item.value)}), "
        f"but its model cannot be used: {item.reason}"
        for item in found[:NAMED]
    ]
    more = len(found) - NAMED
    return told if more <= 0 else [*told, f"so it is with {more} more trials"]


def _load(
    record: TrialRecord, report: EpochReport, storage: Storage, dataset: AnyDataset, lost: str | None
) -> nn.Module:
    if not record.best_is_kept:
        raise StorageError(lost or f"the weights of its best epoch, {report.best_epoch}, are not in {storage}")
    spec = record.best_spec or record.spec
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    unpack_weights(network, _content(record, report, storage), _what(record, report, storage))
    return network


def _content(record: TrialRecord, report: EpochReport, storage: Storage) -> bytes:
    return best_weights(storage, record.index, report.best_epoch)


def _what(record: TrialRecord, report: EpochReport, storage: Storage) -> str:
    return f"the file with the weights of epoch {report.best_epoch} in {trial_folder(storage, record.index)}"


def _compare(answers: Answers, report: EpochReport, dataset: AnyDataset, metric: Metric) -> None:
    """Makes sure that the weights give what the trial reported.

    Raises:
        StorageError: they do not.
    """
    if not np.isfinite(answers.outputs).all():
        raise StorageError("with the weights that were kept, outputs are infinite or not a number")
    encoder = dataset.target_encoder
    found = evaluate(dataset.schema.target.task, encoder, answers.outputs, answers.target)[metric.name]
    unit = encoder.std if metric.name in UNITS else 1.0
    if abs(found - report.best_value) > ABSOLUTE_TOLERANCE * unit + RELATIVE_TOLERANCE * abs(report.best_value):
        shown, wanted = show_apart(found, report.best_value)
        raise StorageError(
            f"with the weights that were kept, {metric.name} on the validation rows is {shown} instead of {wanted}"
        )
