"""TrialSession: one attempt at a trial in the process that trains it, from its last checkpoint to its end."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from orchestrator.data import Dataset
from orchestrator.errors import DiskBudgetError, StorageError, UnreachableStorageError
from orchestrator.runtime.worker.trial_files import TrialFiles, load_state
from orchestrator.runtime.worker.usage import UsageMeter
from orchestrator.storage import Storage
from orchestrator.sweeps.messages import Attempt, EpochMessage
from orchestrator.training import EpochReport, Ranks, TrialState, graft, pack_weights, train_trial

Train = Callable[..., Iterator[EpochReport]]
# checkpoints may take a twentieth of a trial's time, and are never written more often than once a second
CHECKPOINT_SECONDS = 1.0
CHECKPOINT_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The same for all trials of a sweep.

    Attributes:
        storage: for checkpoints and the weights of best epochs.
        threads: for torch.
        device: cpu or cuda.
        train: the training function, with the signature of `train_trial`.
        readers: cores that read a streamed data set for a trial.
        epoch_timeout: seconds after which an epoch's process is ended, None for never.
        quota: bytes that a trial may have in the storage while it runs, None for no limit.
        modules: folder in which a user's own modules are looked for.
    """

    storage: Storage
    threads: int
    device: str = "cpu"
    train: Train = train_trial
    readers: int = 0
    epoch_timeout: float | None = None
    quota: int | None = None
    modules: Path = field(default_factory=Path.cwd)


class TrialSession:
    """Trains a trial and keeps what it needs to go on: checkpoints, and the weights of its best epoch."""

    def __init__(
        self, attempt: Attempt, dataset: Dataset, settings: WorkerSettings, ranks: Ranks, more: Mapping[str, Any]
    ) -> None:
        """Args:
        attempt: what to train.
        dataset: on what.
        settings: of the sweep.
        ranks: the workers of this trial; the first one writes.
        more: what the training function gets besides.
        """
        self._attempt, self._dataset, self._settings, self._ranks, self._more = attempt, dataset, settings, ranks, more
        self._files: TrialFiles | None = None
        self._state: TrialState | None = None
        self._history: list[EpochReport] = []
        # epoch and weights of the best epoch, if they could not be written yet
        self._unwritten: tuple[int, bytes] | None = None
        self._trouble = ""
        self._meter: UsageMeter | None = None
        self._written_at = time.monotonic()
        self._write_seconds = 0.0
        # what was taken over from a donor is in no checkpoint of its own yet
        self._grafted = False
        # the epoch of the last checkpoint that was written
        self._saved = 0

    def messages(self) -> Iterator[EpochMessage]:
        """What is to be told of each epoch; equally many messages at every rank.

        Raises:
            Exception: whatever the training raises.
        """
        attempt = self._attempt
        resume = self._ranks.on_first(self._load)
        donor = self._ranks.on_first(self._load_donor) if resume is not None and attempt.donor is not None else None
        if self._files is not None:
            before = None if resume is None else resume.report
            self._files.go_back_to(before.epoch if before else 0, before.best_epoch if before else 0)
        if resume is not None:
            self._history = [EpochReport.from_json(item) for item in resume.values.get("history", ())]
            # what a driver that was killed could not write down any more
            for report in self._history[attempt.epochs :]:
                yield self._message(report, 0.0)
                self._settle()
            # a checkpoint of a later epoch has it already
            if donor is not None and resume.report.epoch <= attempt.epochs:
                resume, self._grafted = graft(resume, donor), True
        seconds, started = 0.0, time.perf_counter()
        self._meter = UsageMeter(self._settings.threads, self._settings.device)
        reports = self._settings.train(
            attempt.spec,
            self._dataset,
            on_best=self._keep_best,
            on_epoch=self._hold,
            resume=resume,
            device=self._settings.device,
            ranks=self._ranks,
            **self._more,
        )
        for report in reports:
            seconds += time.perf_counter() - started
            self._history.append(report)
            self._store(report)
            if report.epoch > attempt.epochs:
                yield self._message(report, seconds)
                self._settle()
            elif self._files is not None:
                self._files.tidy()
            started = time.perf_counter()

    def _settle(self) -> None:
        # that it is asked for more says that the driver has taken in the message before
        if self._files is not None:
            self._files.settle()

    def _load(self) -> TrialState | None:
        storage, attempt = self._settings.storage, self._attempt
        try:
            self._files = TrialFiles(storage, attempt.index, attempt.number, self._settings.quota, attempt.kept)
            return load_state(storage, attempt.index) if attempt.number > 1 else None
        except StorageError as error:
            raise UnreachableStorageError(str(error)) from error

    def _load_donor(self) -> TrialState | None:
        try:
            return load_state(self._settings.storage, self._attempt.donor or 0)
        except StorageError as error:
            raise UnreachableStorageError(str(error)) from error

    def _keep_best(self, network: nn.Module) -> None:
        self._unwritten = len(self._history) + 1, pack_weights(network)
        self._write_best()

    def _write_best(self) -> None:
        """A full disk does not end a trial: it is tried again after each epoch."""
        if self._unwritten is None or self._files is None:
            return
        try:
            self._files.write_best(*self._unwritten)
        except DiskBudgetError:
            raise
        except StorageError as error:
            self._trouble = str(error)
        else:
            self._unwritten = None

    def _hold(self, state: TrialState) -> None:
        self._state = state

    def _store(self, report: EpochReport) -> None:
        """After an epoch: a checkpoint, if it is time for one."""
        state, self._state = self._state, None
        self._write_best()
        if state is None or self._files is None or report.last or not self._is_due(report.epoch):
            return
        started = time.monotonic()
        history = [item.to_json() for item in self._history]
        try:
            self._files.write_state(replace(state, values={**state.values, "history": history}))
            self._grafted, self._saved = False, report.epoch
        except StorageError as error:
            self._trouble = str(error)
        self._written_at = time.monotonic()
        self._write_seconds = self._written_at - started

    def _is_due(self, epoch: int) -> bool:
        wait = max(CHECKPOINT_SECONDS, self._write_seconds / CHECKPOINT_SHARE)
        if self._grafted or epoch in self._attempt.milestones:
            return True
        return time.monotonic() - self._written_at >= wait

    def _message(self, report: EpochReport, seconds: float) -> EpochMessage:
        trouble, self._trouble = self._trouble, ""
        return EpochMessage(
            report=report,
            train_seconds=seconds,
            kept=self._files.kept if self._files else 0,
            stored=self._files.stored if self._files else 0,
            saved=self._saved == report.epoch,
            trouble=trouble,
            usage=None if self._meter is None else self._meter.measure(),
        )


@contextmanager
def watched(seconds: float | None) -> Iterator[None]:
    """Ends this process if the context stays open for so long; even code that never returns to Python is ended."""
    if seconds is None:
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
