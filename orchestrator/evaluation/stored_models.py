"""StoredModels: the networks that the trials of a sweep have left in its storage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from orchestrator.data import Dataset, Examples, Part
from orchestrator.errors import StorageError
from orchestrator.evaluation.answers import Answers, validation_answers
from orchestrator.evaluation.cost import measure_cost
from orchestrator.evaluation.winner import make_winner
from orchestrator.storage import Storage
from orchestrator.sweeps.bounds import Bounds, ModelCost
from orchestrator.sweeps.choice import Candidate, Winner
from orchestrator.sweeps.ensembles import Ensemble
from orchestrator.sweeps.trial_files import best_weights, trial_folder
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.tasks import Metric
from orchestrator.training import EpochReport, TrialSpec, check_weights, trial_network, unpack_weights
from orchestrator.units import show_apart

# other devices, numbers of threads and workers round otherwise
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-2, 1e-3


@dataclass(frozen=True, kw_only=True)
class StoredModels:
    """See `Models` of a sweep, which this is.

    Attributes:
        storage: of the sweep.
        dataset: that its trials are trained on.
        metric: of the sweep.
        rows: gives all rows of a part in chunks.
        bounds: of what a model may cost.
    """

    storage: Storage
    dataset: Dataset
    metric: Metric
    rows: Callable[[Dataset, Part], Iterable[Examples]]
    bounds: Bounds = field(default_factory=Bounds)
    _costs: dict[str, ModelCost] = field(default_factory=dict)

    def check(self, record: TrialRecord) -> None:
        """See `Models`."""
        report = _report(record)
        check_weights(_content(record, report, self.storage), _what(record, report, self.storage))

    def open(self, record: TrialRecord) -> StoredModel:
        """See `Models`."""
        report = _report(record)
        network = _load(record, report, self.storage, self.dataset)
        answers = validation_answers(network, self.dataset, self.rows(self.dataset, Part.VALIDATION))
        _compare(answers, report, self.dataset, self.metric)
        return StoredModel(record=record, report=report, network=network, validation=answers, models=self)

    def combine(self, records: Iterable[TrialRecord]) -> tuple[Ensemble | None, Candidate | None, tuple[str, ...]]:
        """See `Models`."""
        from orchestrator.evaluation.ensemble import combine

        found: list[StoredModel] = []
        told: list[str] = []
        for record in records:
            try:
                model = self.open(record)
                if not model.refusal():
                    found.append(model)
            except StorageError as error:
                # what was deleted to make room is no trouble
                if not isinstance(error.__cause__, FileNotFoundError):
                    told.append(f"trial {record.index} cannot be in the ensemble: {error}")
        if len(found) < 2:  # noqa: PLR2004
            return None, None, tuple(told)
        return *combine(found), tuple(told)

    def cost_of(self, spec: TrialSpec, network: nn.Module) -> ModelCost:
        """What the network of a trial costs; those of the same settings cost the same, and are measured once."""
        key = json.dumps([spec.architecture, dict(spec.settings)], sort_keys=True)
        if key not in self._costs:
            self._costs[key] = measure_cost(network, self.dataset)
        return self._costs[key]

    def test_rows(self) -> Iterable[Examples]:
        """The test part in chunks."""
        return self.rows(self.dataset, Part.TEST)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A `Candidate` for the winner of a sweep.

    Attributes:
        record: of the trial.
        report: its last one.
        network: with the weights of its best epoch.
        validation: what it says about the validation rows.
        models: that it is one of.
    """

    record: TrialRecord
    report: EpochReport
    network: nn.Module
    validation: Answers
    models: StoredModels

    @property
    def cost(self) -> ModelCost:
        """What it costs, measured when it is first asked for."""
        return self.models.cost_of(self.record.best_spec or self.record.spec, self.network)

    def refusal(self) -> str:
        """See `Candidate`."""
        bounds = self.models.bounds
        if not bounds:
            return ""
        weights = sum(tensor.nbytes for tensor in self.network.state_dict().values())
        # what is too large without its graph need not be exported
        return bounds.why_not(0.0, weights) or bounds.why_not(self.cost.seconds, self.cost.size)

    def finish(self) -> Winner:
        """See `Candidate`."""
        dataset, metric = self.models.dataset, self.models.metric
        spec = self.record.best_spec or self.record.spec
        return make_winner(
            spec,
            self.report,
            dataset=dataset,
            metric=metric,
            network=self.network,
            validation=self.validation,
            test_rows=self.models.test_rows(),
            cost=self.cost if self.models.bounds else None,
        )


def _report(record: TrialRecord) -> EpochReport:
    if record.report is None:
        raise StorageError(f"trial {record.index} has not finished an epoch")
    return record.report


def _load(record: TrialRecord, report: EpochReport, storage: Storage, dataset: Dataset) -> nn.Module:
    if not record.best_is_kept:
        raise StorageError(f"the weights of its best epoch, {report.best_epoch}, are not in {storage}")
    spec = record.best_spec or record.spec
    network = trial_network(spec, dataset)
    unpack_weights(network, _content(record, report, storage), _what(record, report, storage))
    return network


def _content(record: TrialRecord, report: EpochReport, storage: Storage) -> bytes:
    return best_weights(storage, record.index, report.best_epoch)


def _what(record: TrialRecord, report: EpochReport, storage: Storage) -> str:
    return f"the file with the weights of epoch {report.best_epoch} in {trial_folder(storage, record.index)}"


def _compare(answers: Answers, report: EpochReport, dataset: Dataset, metric: Metric) -> None:
    """Makes sure that the weights give what the trial reported.

    Raises:
        StorageError: they do not.
    """
    if not np.isfinite(answers.outputs).all():
        raise StorageError("with the weights that were kept, outputs are infinite or not a number")
    encoder = dataset.target_encoder
    found = dataset.schema.target.task.measure(metric.name, encoder, answers.outputs, answers.target, answers.weight)[
        metric.name
    ]
    unit = encoder.std if metric.in_target_unit else 1.0
    if abs(found - report.best_value) > ABSOLUTE_TOLERANCE * unit + RELATIVE_TOLERANCE * abs(report.best_value):
        shown, wanted = show_apart(found, report.best_value)
        raise StorageError(
            f"with the weights that were kept, {metric.name} on the validation rows is {shown} instead of {wanted}"
        )
