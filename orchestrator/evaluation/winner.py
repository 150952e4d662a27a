"""After the last epoch: the winner is measured on the test rows, and its bundle is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from orchestrator.bundle import make_bundle
from orchestrator.data import Dataset, Examples
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.decided import decide
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.sweeps.bounds import ModelCost
from orchestrator.sweeps.choice import Winner
from orchestrator.sweeps.ensembles import Ensemble
from orchestrator.tasks import Metric, TargetEncoder
from orchestrator.training import (
    EpochReport,
    TrialSpec,
)
from orchestrator.units import show_apart


def make_winner(
    spec: TrialSpec,
    report: EpochReport,
    *,
    dataset: Dataset,
    metric: Metric,
    network: nn.Module,
    validation: Answers,
    test_rows: Iterable[Examples],
    ensemble: Ensemble | None = None,
    cost: ModelCost | None = None,
) -> Winner:
    """Measures a network on the test rows and wraps it up.

    Args:
        spec: of the trial, of an ensemble that of its best one.
        report: its last one.
        dataset: of the sweep.
        metric: of the sweep.
        network: with its best weights.
        validation: what it says about the validation rows.
        test_rows: the test part in chunks.
        ensemble: that the network is, if it is one.
        cost: of the network, if it was measured.
    """
    task = dataset.schema.target.task
    plain = report.best_value if ensemble is None else ensemble.validation
    decided = decide(network, dataset, metric, validation, plain)
    encoder = decided.encoder
    tested = Answers.of(decided.network, test_rows)
    test = task.measure(metric.name, encoder, tested.outputs, tested.target, tested.weight)
    train_count, validation_count, test_count = dataset.counts
    metrics: dict[str, Any] = {
        "metric": metric.name,
        "maximize": metric.maximize,
        "validation": decided.value,
        "test": test,
        "data_digest": dataset.digest,
        "rows": {"train": train_count, "validation": validation_count, "test": test_count},
        "trial": spec.to_json(),
        "best_epoch": report.best_epoch,
        **({} if ensemble is None else {"ensemble": ensemble.to_json()}),
        **({} if cost is None else {"cost": cost.to_json()}),
    }
    about = decided.about(tested)
    digest = _model_digest(decided.network, spec, report.best_epoch, dataset, ensemble=ensemble, encoder=encoder)
    doubt = doubt_of(dataset, metric, decided.validation, tested, encoder)
    tie = report.best_tie
    if ensemble is not None:
        said = (validation.outputs, validation.target, validation.weight)
        tie = task.tie(task.evaluate(dataset.target_encoder, *said))
    kept = KeptAnswers.of(
        dataset.schema.target, encoder, tested.outputs, tested.target, tested.weight, numbers=dataset.test_numbers
    )
    return Winner(
        bundle=make_bundle(decided.network, dataset, {**metrics, **about}, encoder),
        validation=decided.value,
        test=test,
        digest=digest,
        doubt=doubt,
        tie={} if tie is None else {task.tie_metric: tie},
        decided=about,
        answers=kept.packed(),
    )


def doubt_of(
    dataset: Dataset, metric: Metric, validation: Answers, tested: Answers, encoder: TargetEncoder | None = None
) -> str:
    """Why a test figure is absurd beside its validation figure, nothing if it is not.

    It is, when always answering the same (the mean of the training rows; the shares of the classes among the validation
    rows) is better on the test rows, but was worse on the validation rows.

    Args:
        dataset, metric: of the sweep.
        validation, tested: what the model says about these rows.
        encoder: of the target, as it is in the bundle; that of the data set if left out.
    """
    task, encoder = dataset.schema.target.task, encoder or dataset.target_encoder
    constant = task.constant_outputs(validation.target)

    def figures(answers: Answers) -> tuple[float | None, float | None]:
        same = np.repeat(constant[None], len(answers.target), axis=0)
        found = (
            task.measure(metric.name, encoder, outputs, answers.target, answers.weight)
            for outputs in (answers.outputs, same)
        )
        mine, trivial = (metrics.get(metric.name) for metrics in found)
        return mine, trivial

    (validated, trivial), (measured, trivial_test) = figures(validation), figures(tested)
    if validated is None or trivial is None or measured is None or trivial_test is None:
        return ""
    if not metric.better(validated, trivial) or not metric.better(trivial_test, measured):
        return ""
    found, same = show_apart(measured, trivial_test)
    before, beside = show_apart(validated, trivial)
    return (
        f"its {metric.name} on the test rows, {found}, is worse than that of always giving the same answer "
        f"({same}), although it was better on the validation rows ({before} against {beside})"
    )


def _model_digest(
    network: nn.Module,
    spec: TrialSpec,
    best_epoch: int,
    dataset: Dataset,
    *,
    ensemble: Ensemble | None,
    encoder: TargetEncoder,
) -> str:
    found = hashlib.sha256()
    plain: dict[str, Any] = {
        "schema": dataset.schema.to_json(),
        "encoder": dataset.encoder.to_json(),
        "target": encoder.to_json(),
        "trial": spec.to_json(),
        "best_epoch": best_epoch,
    }
    if ensemble is not None:
        plain["members"] = [[item.spec.to_json(), item.epoch, item.count] for item in ensemble.members]
    found.update(json.dumps(plain, sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
