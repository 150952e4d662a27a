"""Disk: which files of a sweep are needed, and how many bytes they may have."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from orchestrator.config import SweepConfig
from orchestrator.journal.statuses import FINAL
from orchestrator.search import find_scheduler
from orchestrator.storage import Storage
from orchestrator.sweeps.trial_files import CHECKPOINTS, best_size, forget_trial
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable

# one half is for trials that run, the other for those that wait and for the best ones; the rest for the journal
RUNNING_SHARE, HELD_SHARE = 0.475, 0.475
# what the weights of trials that may be in an ensemble may have, but for the best ones: of the second half, in bytes
CANDIDATES_SHARE, CANDIDATES_BYTES = 0.25, 10**9
Forget = Callable[..., None]
# in weights of a network: a checkpoint has two moments of the optimizer besides
CHECKPOINT_SIZE = 3


def quota(budget: int | None, slots: int) -> int | None:
    """Bytes that each running trial may have, None if there is no budget."""
    return None if budget is None else int(budget * RUNNING_SHARE / slots)


def most_bytes(config: SweepConfig, slots: int, trials: int, weights: int, *, folds: int = 0) -> int:
    """What the files of a sweep may have together, its journal aside.

    Args:
        config: of the sweep.
        slots: trials at once.
        trials: of the sweep.
        weights: bytes of those of its largest network.
        folds: of each trial; checkpoints have the best weights of all of them, too.
    """
    # best weights: known ones, new ones, and those that each checkpoint counts on; one more checkpoint is being written
    size = CHECKPOINT_SIZE + (1 if folds else 0)
    running = 2 + CHECKPOINTS + (CHECKPOINTS + 1) * size
    paused = 1 + CHECKPOINTS + CHECKPOINTS * size if find_scheduler(config.scheduler).pauses else 0
    candidates = min((config.kept_trials - config.keep_top) * weights, CANDIDATES_BYTES)
    most = (slots * running + trials * paused + config.keep_top) * weights + candidates
    return most if config.disk_budget is None else min(most, config.disk_budget)


class Disk:
    """Checkpoints are needed of trials that are running or paused; weights of those, and of the best that are over."""

    def __init__(
        self,
        storage: Storage,
        top: int,
        budget: int | None,
        forget: Forget = forget_trial,
        *,
        candidates: int = 0,
        size: Callable[[Storage, int, int], int] = best_size,
    ) -> None:
        """Args:
        storage: of the sweep.
        top: of so many trials the weights are kept.
        budget: bytes of the whole sweep, None for no limit.
        forget: deletes the files of a trial.
        candidates: of so many trials the weights are kept for an ensemble, if they are not too large.
        size: bytes of the weights of a trial's best epoch.
        """
        self._candidates, self._size = candidates, size
        self._candidate_bytes = min(
            CANDIDATES_BYTES, CANDIDATES_BYTES if budget is None else budget * HELD_SHARE * CANDIDATES_SHARE
        )
        self._sizes: dict[int, int] = {}
        self._storage, self._top, self._forget = storage, top, forget
        self._held_bytes = None if budget is None else budget * HELD_SHARE
        # trials that are over and have files: their kept epoch
        self._over: dict[int, int] = {}
        self._seen: set[int] = set()

    def tidy(self, trial_table: TrialTable) -> None:
        """Deletes what is not needed any more."""
        wanted = {record.donor for record in trial_table.records.values() if record.status not in FINAL}
        over = [record for record in self._new(trial_table) if record.index not in wanted]
        keepers = {record.index: record for record in self._best(trial_table, over)}
        for record in over:
            self._seen.add(record.index)
            if record.index not in keepers:
                self._forget(self._storage, record.index)
                continue
            self._forget(self._storage, record.index, keep=record.kept)
            self._over[record.index] = record.kept
        for index in [index for index in self._over if index not in keepers]:
            self._forget(self._storage, index)
            del self._over[index]

    def too_many(self, trial_table: TrialTable, paused: Iterable[TrialRecord]) -> Iterator[TrialRecord]:
        """The paused trials whose checkpoints do not fit into the budget, the worst first."""
        if self._held_bytes is None:
            return
        waiting = sorted(paused, key=trial_table.rank, reverse=True)
        held = sum(record.stored for record in waiting)
        held += sum(self._sizes.get(index, trial_table.records[index].stored) for index in self._over)
        # the best one stays
        for record in waiting[:-1]:
            if held <= self._held_bytes:
                return
            held -= record.stored
            yield record

    def _new(self, trial_table: TrialTable) -> list[TrialRecord]:
        return [
            record
            for index, record in trial_table.records.items()
            if record.status in FINAL and index not in self._seen
        ]

    def _best(self, trial_table: TrialTable, new: list[TrialRecord]) -> list[TrialRecord]:
        candidates = [trial_table.records[index] for index in self._over] + [
            record for record in new if record.best_is_kept
        ]
        best = heapq.nsmallest(max(self._top, self._candidates), candidates, key=trial_table.rank)
        return best if len(best) <= self._top else [*best[: self._top], *self._small_enough(best[self._top :])]

    def _small_enough(self, records: list[TrialRecord]) -> Iterator[TrialRecord]:
        """The first of them, as many as have room together."""
        left = self._candidate_bytes
        for record in records:
            if record.index not in self._sizes:
                self._sizes[record.index] = self._size(self._storage, record.index, record.kept)
            left -= self._sizes[record.index]
            if left < 0:
                return
            yield record
