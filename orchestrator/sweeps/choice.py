"""Which trial of a sweep wins: the best one whose weights are what they were, and why better ones were passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.errors import ExecutionError, StorageError
from orchestrator.journal import FINAL
from orchestrator.sweeps.controller import SweepController
from orchestrator.sweeps.ensembles import Ensemble
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable
from orchestrator.tasks import Metric
from orchestrator.units import show_number

if TYPE_CHECKING:
    from orchestrator.bundle import ModelBundle

NAMED = 3


@dataclass(frozen=True)
class Skipped:
    """A trial that is better than the one that was taken, but whose model cannot be used.

    Attributes:
        index: of the trial.
        value: its validation figure.
        reason: why not, as a part of a sentence.
        bounded: whether it is good, but costs more than the user wants.
    """

    index: int
    value: float
    reason: str
    bounded: bool = False


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The model that a sweep or a training run ends with.

    Attributes:
        bundle: ready to predict.
        validation: of the metric by which it was chosen, on the validation rows.
        test: all metrics on the test rows.
        digest: of what makes the model: columns, encoder, trial, best epoch, and the bits of its weights. It is the
            same however often the bundle is made; its files are not, since torch.export writes random names.
        doubt: why it should not become the champion, nothing if it may.
        tie: what decides between equally good ones, by name, smaller is better: measured on the validation rows.
        bounded: sentences about better trials that cost more than the user wants.
        ensemble: what greedy selection among the trials has found, whether it is this model or not; None without one.
        decided: what was decided about it after training, by name, as its metrics have it.
        answers: to test rows, as they are kept for the report; see `KeptAnswers`.
        description: what is found out about it, as it is kept; see `WinnerDescription`.
    """

    bundle: ModelBundle
    validation: float
    test: dict[str, float]
    digest: str
    doubt: str = ""
    tie: Mapping[str, float] = field(default_factory=dict)
    bounded: tuple[str, ...] = ()
    ensemble: Ensemble | None = None
    decided: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: bytes = b""
    description: bytes = b""


class Candidate(Protocol):
    """The network of a trial with the weights of its best epoch, which give the validation figure that it reported."""

    def refusal(self) -> str:
        """Why it costs more than the user wants, empty if it does not."""

    def finish(self) -> Winner:
        """Measures it on the test rows, which is done once in a sweep, and wraps it up."""


class Models(Protocol):
    """The networks that the trials of a sweep have left in its storage; see `StoredModels`."""

    def check(self, record: TrialRecord) -> None:
        """Whether the weights of a trial are there and undamaged, as far as that can be seen without a network.

        Raises:
            StorageError: they are not.
        """

    def open(self, record: TrialRecord) -> Candidate:
        """The network of a trial.

        Raises:
            StorageError: its weights are missing, damaged, or do not give the validation figure that was reported.
        """

    def combine(self, records: Iterable[TrialRecord]) -> tuple[Ensemble | None, Candidate | None, tuple[str, ...]]:
        """Selects an ensemble of trials, the best of them first.

        Returns:
            What is known of it, None without two trials; its network, None if it is not better than the best trial
            alone; and sentences about trials whose weights are damaged.
        """


def choose(trial_table: TrialTable, models: Models) -> tuple[tuple[TrialRecord, Candidate] | None, tuple[Skipped, ...]]:
    """Takes the best trial whose weights are there, undamaged, and give the validation figure that was recorded.

    Args:
        trial_table: of the sweep.
        models: what its trials have left.

    Returns:
        What was taken, None if there is nothing to take; and all that were skipped for it, the best first.
    """
    skipped: list[Skipped] = []
    for record in sorted(trial_table.records.values(), key=trial_table.rank):
        if record.report is None:
            continue
        lost = None if record.best_is_kept else trial_table.lost.get(record.index)
        if lost is not None:
            skipped.append(Skipped(record.index, record.report.best_value, lost))
            continue
        try:
            candidate = models.open(record)
        except StorageError as error:
            skipped.append(Skipped(record.index, record.report.best_value, str(error)))
            continue
        refusal = candidate.refusal()
        if not refusal:
            return (record, candidate), tuple(skipped)
        skipped.append(Skipped(record.index, record.report.best_value, refusal, bounded=True))
    return None, tuple(skipped)


def drop_lost(trial_table: TrialTable, models: Models, top: int) -> tuple[Skipped, ...]:
    """Before a session goes on: the table forgets weights that are gone, so that those of the next ones are kept.

    Args:
        trial_table: after the sessions before.
        models: what its trials have left.
        top: of so many trials the weights are kept.

    Returns:
        The trials that were better than all whose weights are there, without those that go on: they will have others.
    """
    dropped: list[Skipped] = []
    left = top
    better: tuple[Skipped, ...] | None = None
    for record in trial_table.ranked():
        if left == 0 or record.report is None:
            break
        try:
            models.check(record)
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
                # a storage that does not answer now may do so later
                return ()
            dropped.append(Skipped(record.index, record.report.best_value, str(error)))
        else:
            left -= 1
            better = tuple(dropped) if better is None else better
    for lost in dropped:
        trial_table.lose_weights(lost.index, lost.reason)
    found = tuple(dropped) if better is None else better
    return tuple(item for item in found if trial_table.records[item.index].status in FINAL)


def sentences(skipped: Iterable[Skipped], metric: Metric) -> list[str]:
    """What to tell of them; of many only the best ones are named."""
    found = list(skipped)
    told = [
        f"trial {item.index} is better ({metric.name} {show_number(item.value)}), "
        f"but {'is not taken' if item.bounded else 'its model cannot be used'}: {item.reason}"
        for item in found[:NAMED]
    ]
    more = len(found) - NAMED
    return told if more <= 0 else [*told, f"so it is with {more} more trials"]


def find_winner(
    plan: SweepPlan, controller: SweepController, models: Models, notify: Callable[[str], None] = lambda _sentence: None
) -> tuple[TrialRecord, Winner, tuple[str, ...]]:
    """The best trial whose model can be used, or an ensemble with it, measured on the test rows.

    Args:
        plan, controller, models: of the sweep.
        notify: is told of trials that cannot be in the ensemble because their weights are damaged.

    Returns:
        Its record, its model, and sentences about better trials whose models cannot be used.

    Raises:
        ExecutionError: no trial has a result.
    """
    choice, skipped = choose(controller.trial_table, models)
    told = tuple(sentences((item for item in skipped if not item.bounded), plan.metric))
    bounded = tuple(sentences((item for item in skipped if item.bounded), plan.metric))
    if choice is None and bounded:
        raise ExecutionError(_too_costly(skipped))
    if choice is None:
        raise ExecutionError(_nothing(controller, told))
    for sentence in (*bounded, *told):
        notify(sentence)
    best, candidate = choice
    winner = _finished(plan, controller, models, best=best, candidate=candidate, notify=notify)
    winner = replace(winner, bounded=bounded)
    if told and not plan.config.allow_second_best:
        winner = replace(winner, doubt="; ".join((*told, *([winner.doubt] if winner.doubt else []))))
    return best, winner, told


def _finished(
    plan: SweepPlan,
    controller: SweepController,
    models: Models,
    *,
    best: TrialRecord,
    candidate: Candidate,
    notify: Callable[[str], None],
) -> Winner:
    """The best trial, or the ensemble of it and others, measured on the test rows."""
    if not plan.config.candidates:
        return candidate.finish()
    ranked = controller.trial_table.ranked()
    ensemble, combined, told = models.combine(ranked[ranked.index(best) :][: plan.config.candidates])
    for sentence in told:
        notify(sentence)
    return replace((combined or candidate).finish(), ensemble=ensemble)


def _too_costly(skipped: Iterable[Skipped]) -> str:
    reasons = [f"trial {item.index}: {item.reason}" for item in skipped if item.bounded]
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    return (
        f"no trial is small and quick enough ({'; '.join(reasons[:NAMED])}{more}); give a higher limit, or search "
        "smaller networks with --space"
    )


def _nothing(controller: SweepController, skipped: tuple[str, ...]) -> str:
    trial_table = controller.trial_table
    if skipped:
        return (
            f"there is no model, because the weights of no trial can be used: {'; '.join(skipped)}; one of them can be "
            "trained again (orchestrator train --from-trial SWEEP:TRIAL), or new ones (orchestrator resume SWEEP "
            "--trials +N)"
        )
    if controller.stopping:
        return "stopped before the first epoch of any trial was over: there is no model to keep"
    if not trial_table.trials:
        return "no trial was started before the time budget was spent; give more time"
    reasons: dict[str, int] = {}
    for trial in trial_table.trials.values():
        reasons[trial.reason] = reasons.get(trial.reason, 0) + 1
    common, count = max(reasons.items(), key=lambda item: item[1])
    return f"no trial has a result; {count} of {len(trial_table.trials)} ended with: {common}"
