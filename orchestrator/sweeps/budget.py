"""TimeBudget: when the search has to stop, so that the end of its sweep fits into the time that the user gave it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from orchestrator.journal.statuses import FINAL
from orchestrator.sweeps.trial_table import TrialRecord

# what the end (test, bundle, registration) takes, in starts of a first worker; both are slower on a busy machine
END_PER_START = 1.0
LEAST_END_SECONDS = 2.0
MOST_END_SECONDS = 60.0
# Ray Tune waits so long for epochs that are in the middle when it stops
WAIT_SECONDS = 10.0
# to export a network, and to read it again; each fold of a trial has one. As a rule an ensemble has at most so many of
# the trials that may be in it
EXPORT_SECONDS, USUAL_MEMBERS = 0.3, 10
# to select an ensemble takes so long for each trial, beside its answers to the validation rows
CANDIDATE_SECONDS = 0.1
# and so long if its latency has to be measured, for which it is exported
MEASURED_SECONDS = 4.0
# of the time that an epoch takes for a row: it learns from most of them, which takes longer than to answer
ANSWER_SHARE = 0.5
# a machine that is very busy still searches for half of the time
MOST_SHARE = 0.5


class TimeBudget:
    """Counts from the first trial's start: what a busy machine takes to start Ray is not the search's."""

    def __init__(
        self,
        seconds: float,
        test_share: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        *,
        candidates: int = 0,
        validation_share: float = 0.0,
        candidate_seconds: float = CANDIDATE_SECONDS,
        report_seconds: float = 0.0,
        folds: int = 1,
    ) -> None:
        """Args:
        seconds: that are left, of all sessions of the sweep.
        test_share: rows of the test part for each row that an epoch looks at.
        clock: seconds, always growing.
        candidates: of at most so many trials an ensemble is made.
        validation_share: rows of the validation part for each row that an epoch looks at.
        candidate_seconds: that the end takes longer for each of them.
        report_seconds: that the report, and what is found out for it, take at most.
        folds: networks that a trial has.
        """
        self._candidate_seconds, self._report_seconds = candidate_seconds, report_seconds
        self._folds = folds
        self._candidates, self._validation_share, self._starts = candidates, validation_share, 0
        self._seconds, self._test_share, self._clock = seconds, test_share, clock
        self._created = clock()
        self._begun: float | None = None
        self._start_seconds = self._epoch_seconds = 0.0

    def begin(self) -> None:
        """A worker has taken up a trial; the first one counts."""
        self._starts += 1
        if self._begun is None:
            self._begun = self._clock()
            self._start_seconds = self._begun - self._created

    def note_epoch(self, seconds: float) -> None:
        """An epoch took so long; the longest counts."""
        self._epoch_seconds = max(self._epoch_seconds, seconds)

    @property
    def reserve(self) -> float:
        """Seconds that are kept for the end, as far as its length is known."""
        start = min(MOST_END_SECONDS, max(LEAST_END_SECONDS, END_PER_START * self._start_seconds))
        running = min(self._epoch_seconds, WAIT_SECONDS)
        tested = self._test_share * self._epoch_seconds
        each = self._candidate_seconds + ANSWER_SHARE * self._validation_share * self._epoch_seconds
        candidates = min(self._starts, self._candidates)
        exported = min(max(1, candidates), USUAL_MEMBERS) * self._folds * EXPORT_SECONDS
        end = start + running + tested + candidates * each + exported + self._report_seconds
        return min(end, MOST_SHARE * max(0.0, self._seconds))

    @property
    def left(self) -> float:
        """Seconds until the search has to stop; endless before a trial has begun."""
        return math.inf if self._begun is None else self._begun + self._seconds - self.reserve - self._clock()

    @property
    def is_spent(self) -> bool:
        """Whether the search has to stop now; never before a trial has begun."""
        return self.left <= 0


def seconds_to_end(records: Iterable[TrialRecord]) -> float:
    """Seconds until the last of some trials would be over, if each goes on at once as fast as it was; 0 for none."""
    return max(
        (
            (record.spec.epochs - record.epochs) * record.train_seconds / record.epochs
            for record in records
            if record.epochs and record.status not in FINAL
        ),
        default=0.0,
    )


def seconds_of_epochs(records: Iterable[TrialRecord], epochs: int) -> float:
    """Seconds that so many epochs of a trial take, as far as trials have told."""
    spent = [(record.train_seconds, record.epochs) for record in records if record.epochs]
    known = sum(count for _, count in spent)
    return epochs * sum(seconds for seconds, _ in spent) / known if known else 0.0
