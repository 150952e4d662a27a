"""`train_folds`: the networks of a trial with folds, trained in lockstep, an epoch of each after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orchestrator.data import Dataset, Examples, Part
from orchestrator.networks import Averaged, build_network, inputs_taken
from orchestrator.training.answers import feature_shape, network_answers
from orchestrator.training.checkpoints import own_copies
from orchestrator.training.ranks import Ranks
from orchestrator.training.report import EpochReport
from orchestrator.training.rows import EVALUATION_BATCH, Batch
from orchestrator.training.skewed import brought_back, target_transform
from orchestrator.training.spec import TrialSpec
from orchestrator.training.state import TrialState, random_state, set_random_state

# of `train_trial`, for one fold
Train = Callable[..., Iterator[EpochReport]]
# between the seeds of two folds
SEED_STEP, SEEDS = 1_000_003, 2**31


@dataclass(frozen=True)
class EpochHooks:
    """Who is told of what; see `train_trial`."""

    on_best: Callable[[nn.Module], None] | None = None
    on_epoch: Callable[[TrialState], None] | None = None


def trial_network(spec: TrialSpec, dataset: Dataset) -> nn.Module:
    """The network of a trial with random weights; with folds that which averages the networks of all folds.

    Raises:
        ArchitectureError: see `build_network`.
    """
    shape = feature_shape(dataset)

    def built() -> nn.Module:
        network = build_network(spec.architecture, shape, spec.settings)
        return brought_back(network, target_transform(dataset), dataset)

    if not dataset.folds:
        return built()
    members = [built() for _ in dataset.folds]
    average = partial(dataset.schema.target.task.average, dataset.target_encoder)
    return Averaged(members, average, shape.names)


class FoldRun:
    """The training of the network of one fold.

    Attributes:
        report: of its last epoch.
        best: its weights of its best epoch, at the first worker.
        outputs: what these say about the rows of the fold, float32 [rows, outputs], at the first worker.
    """

    def __init__(
        self, train: Train, spec: TrialSpec, dataset: Dataset, number: int, *, device: str, ranks: Ranks
    ) -> None:
        """Args:
        train: `train_trial`.
        spec: of the trial; each fold has a seed of its own.
        dataset: with all folds.
        number: of the fold.
        device, ranks: see `train_trial`.
        """
        self._fold = dataset.fold(number)
        seed = (spec.seed + number * SEED_STEP) % SEEDS
        self._train, self._spec, self._device, self._ranks = train, dataclasses.replace(spec, seed=seed), device, ranks
        self._reports: Iterator[EpochReport] | None = None
        self._random: dict[str, Tensor] | None = None
        self._state: TrialState | None = None
        self.report: EpochReport | None = None
        self.best: dict[str, Tensor] = {}
        self.outputs: NDArray[np.float32] | None = None

    @property
    def rows(self) -> int:
        """That it is trained on."""
        return self._fold.counts[0]

    @property
    def last_report(self) -> EpochReport:
        """Once there is one."""
        if self.report is None:
            raise RuntimeError("the fold has not been trained yet")
        return self.report

    def advance(self) -> bool:
        """Trains one more epoch, if the fold is not at its end; returns whether it did.

        Random numbers are those that the fold would have alone.
        """
        if self.report is not None and self.report.last:
            return False
        if self._reports is None:
            self._reports = self._train(
                self._spec,
                self._fold,
                on_best=self._keep,
                on_epoch=self._hold,
                device=self._device,
                ranks=self._ranks,
                resume=self._state,
            )
        if self._random is not None:
            set_random_state(self._random, self._device)
        self.report = next(self._reports)
        self._random = random_state(self._device)
        return True

    def capture(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON of which `restore` makes the same state."""
        if self._state is None or self.outputs is None:
            raise RuntimeError("the fold has not been trained yet")
        tensors = {f"state/{name}": value for name, value in self._state.tensors.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        tensors["outputs"] = torch.from_numpy(self.outputs)
        return tensors, {"report": self.last_report.to_json(), "values": dict(self._state.values)}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Takes over what `capture` gave; before the first epoch."""
        self.report = EpochReport.from_json(values["report"])
        state = {name.removeprefix("state/"): value for name, value in tensors.items() if name.startswith("state/")}
        self._state = TrialState(self.report, state, values["values"])
        self.best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
        self.outputs = tensors["outputs"].numpy()

    def _keep(self, network: nn.Module) -> None:
        self.best = own_copies(network.state_dict())
        rows = Examples.joined(list(self._fold.rows(Part.VALIDATION)))
        names = inputs_taken(network, rows.inputs.arrays.keys())
        self.outputs = network_answers(network, Batch.of(rows, names, self._device).split(EVALUATION_BATCH))[0]

    def _hold(self, state: TrialState) -> None:
        self._state = state


def train_folds(
    train: Train,
    spec: TrialSpec,
    dataset: Dataset,
    *,
    hooks: EpochHooks,
    device: str,
    ranks: Ranks,
    resume: TrialState | None,
) -> Iterator[EpochReport]:
    """`train_trial` for a data set with folds: a network for each of them.

    The figures of an epoch are means over the folds; a fold that is at its end keeps its last ones. The best value is
    that of all rows that are validated on, each predicted by the network that has not seen it, at the best epoch of its
    fold; the best epoch is the last one in which a fold became better. `on_best` is called with the network that
    averages those of all folds, at their best epochs.

    Args:
        train: `train_trial`.
        spec, dataset, device, ranks, resume: see there.
        hooks: its `on_best` and `on_epoch`.
    """
    runs = [FoldRun(train, spec, dataset, number, device=device, ranks=ranks) for number in range(len(dataset.folds))]
    report = None
    if resume is not None:
        report = resume.report
        for number, run in enumerate(runs):
            run.restore(resume.part(f"fold{number}"), resume.values["folds"][number])
    average = trial_network(spec, dataset) if hooks.on_best is not None and ranks.rank == 0 else None
    while report is None or not report.last:
        epoch = 1 if report is None else report.epoch + 1
        advanced = [run.advance() for run in runs]
        improved = any(done and run.last_report.best_epoch == epoch for done, run in zip(advanced, runs, strict=True))
        before = None if report is None or improved else (report.best_value, report.best_tie)
        best, tie = before or ranks.on_first(lambda: _pooled(spec, dataset, runs))
        report = _combined(epoch, runs, advanced, best, tie)
        if improved and hooks.on_best is not None and average is not None:
            for member, run in zip(average.members, runs, strict=True):  # type: ignore[arg-type]
                member.load_state_dict(run.best)
            hooks.on_best(average)
        if hooks.on_epoch is not None and ranks.rank == 0:
            hooks.on_epoch(_captured(report, runs))
        yield report


def _pooled(spec: TrialSpec, dataset: Dataset, runs: Sequence[FoldRun]) -> tuple[float, float | None]:
    """The metric, and what decides between equal ones, over the rows of all folds."""
    rows = Examples.joined(list(dataset.rows(Part.VALIDATION)))
    outputs = np.concatenate([run.outputs for run in runs if run.outputs is not None])
    task = dataset.schema.target.task
    measured = task.measure(spec.metric, dataset.target_encoder, outputs, rows.target, rows.weight)
    return measured[spec.metric], task.tie(measured)


def _combined(
    epoch: int, runs: Sequence[FoldRun], advanced: Sequence[bool], best: float, tie: float | None
) -> EpochReport:
    reports = [run.last_report for run in runs]
    trained = [run for run, done in zip(runs, advanced, strict=True) if done]
    seconds = sum(run.rows / run.last_report.examples_per_second for run in trained)
    names = [name for name in reports[0].validation if all(name in report.validation for report in reports)]
    return EpochReport(
        epoch=epoch,
        train_loss=float(np.mean([report.train_loss for report in reports])),
        validation={name: float(np.mean([report.validation[name] for report in reports])) for name in names},
        learning_rate=trained[0].last_report.learning_rate,
        seconds=sum(run.last_report.seconds for run in trained),
        examples_per_second=sum(run.rows for run in trained) / max(seconds, 1e-9),
        best_epoch=max(report.best_epoch for report in reports),
        best_value=best,
        last=all(report.last for report in reports),
        best_tie=tie,
        improved_epoch=max(report.improved_epoch for report in reports),
    )


def _captured(report: EpochReport, runs: Sequence[FoldRun]) -> TrialState:
    tensors: dict[str, Tensor] = {}
    values: list[dict[str, Any]] = []
    for number, run in enumerate(runs):
        found, value = run.capture()
        tensors |= {f"fold{number}/{name}": tensor for name, tensor in found.items()}
        values.append(value)
    return TrialState(report, tensors, {"folds": values})
