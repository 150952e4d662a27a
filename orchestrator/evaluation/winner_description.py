"""What is found out about the winner of a sweep besides its figures: how sure they are, what decides its answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from orchestrator.data import Dataset
from orchestrator.errors import DataError
from orchestrator.evaluation.intervals import bootstrap_interval
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.kept_files import read_kept
from orchestrator.evaluation.worst_rows import WorstRow, explain_worst
from orchestrator.explanations.model import ExplainedModel
from orchestrator.explanations.overview import Overview, overview_of
from orchestrator.journal.sealed import seal, unseal
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import DESCRIPTION_FILE

# of the time that there is, for intervals and for what decides; single rows have what is left
INTERVALS_SHARE, OVERVIEW_SHARE = 0.4, 0.45


@dataclass(frozen=True, kw_only=True)
class WinnerDescription:
    """See the module.

    Attributes:
        intervals: of metrics on test rows, 95 %: lower and upper end; without those that have none.
        overview: what decides the answers.
        worst: the test rows that it is furthest off with, the worst first.
    """

    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    overview: Overview = field(default_factory=Overview)
    worst: tuple[WorstRow, ...] = ()

    def packed(self) -> bytes:
        """The content of the file, the inverse of `read_description`."""
        intervals = {name: list(interval) for name, interval in self.intervals.items()}
        worst = [vars(row) for row in self.worst]
        return seal({"intervals": intervals, "overview": self.overview.to_json(), "worst": worst})

    @classmethod
    def unpacked(cls, content: bytes) -> WinnerDescription:
        """Reads what `packed` wrote.

        Raises:
            ValueError: it was not written by it.
        """
        try:
            found = unseal(content)
            intervals = {str(name): (float(low), float(high)) for name, (low, high) in found["intervals"].items()}
            # those of before have none
            worst = tuple(map(WorstRow.from_json, found.get("worst", ())))
            return cls(intervals=intervals, overview=Overview.from_json(found["overview"]), worst=worst)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


def describe_answers(
    model: ExplainedModel, dataset: Dataset, answers: KeptAnswers, test: Mapping[str, float], seconds: float
) -> WinnerDescription:
    """Computes it.

    Args:
        model: the winner.
        dataset: that it was trained on.
        answers: of the winner to test rows.
        test: its figures there.
        seconds: that it may take.
    """
    end = time.monotonic() + seconds
    task = answers.target.task
    shares = task.shares(answers.encoder, answers.outputs)
    each = INTERVALS_SHARE * seconds / max(1, len(test))
    intervals = {}
    for name in test:
        score = partial(task.figure, name, answers.encoder)
        found = bootstrap_interval(score, shares, answers.truth, answers.weight, seconds=each)
        if found is not None:
            intervals[name] = found
    worst: tuple[WorstRow, ...] = ()
    try:
        rows = dataset.some_test_rows()
        overview = overview_of(model, rows, seconds=OVERVIEW_SHARE * seconds)
        worst = explain_worst(model, rows, dataset.test_numbers, seconds=end - time.monotonic())
    except DataError as error:
        # a file of a folder has changed
        overview = Overview(why_not=str(error))
    return WinnerDescription(intervals=intervals, overview=overview, worst=worst)


def read_description(storage: Storage) -> WinnerDescription | None:
    """What lies in the folder of a sweep; None if there is nothing, as in those of before.

    Raises:
        StorageError: the file is damaged.
    """
    return read_kept(storage, DESCRIPTION_FILE, WinnerDescription.unpacked)
