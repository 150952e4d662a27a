"""Which trial of a sweep wins: the best one whose weights are what they were, and why better ones were passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import StorageError
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
    """

    index: int
    value: float
    reason: str


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
    """

    bundle: ModelBundle
    validation: float
    test: dict[str, float]
    digest: str
    doubt: str = ""
    tie: Mapping[str, float] = field(default_factory=dict)


class Candidate(Protocol):
    """The network of a trial with the weights of its best epoch, which give the validation figure that it reported."""

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
        else:
            return (record, candidate), tuple(skipped)
    return None, tuple(skipped)


def drop_lost(trial_table: TrialTable, models: Models, top: int) -> tuple[Skipped, ...]:
    """Before a session goes on: the table forgets weights that are gone, so that those of the next ones are kept.

    Args:
        trial_table: after the sessions before.
        models: what its trials have left.
        top: of so many trials the weights are kept.

    Returns:
        The trials that were better than all whose weights are there.
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
