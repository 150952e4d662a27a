"""The files of one trial: checkpoints to go on from, and the weights of its best epoch. Written by its workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from orchestrator.errors import DiskBudgetError, StorageError
from orchestrator.storage import Storage
from orchestrator.sweeps.trial_files import BEST, CHECKPOINTS, STATE, trial_folder
from orchestrator.training import TrialState, pack_state, unpack_state


def load_state(storage: Storage, index: int) -> TrialState | None:
    """The latest checkpoint of a trial that is not damaged, None if there is none."""
    folder = trial_folder(storage, index)
    names = [name for name in folder.names() if STATE.fullmatch(name)]
    for name in sorted(names, reverse=True):
        try:
            content = folder.read(name)
        except StorageError as error:
            # another worker may have deleted it: then there is a later one or none is needed
            if isinstance(error.__cause__, FileNotFoundError):
                continue
            raise
        with contextlib.suppress(StorageError):
            return unpack_state(content, f"{folder}/{name}")
    return None


class TrialFiles:
    """What a trial may keep, within its part of the disk budget.

    Attributes:
        kept: the best epoch whose weights are written, 0 for none.
    """

    def __init__(self, storage: Storage, index: int, attempt: int, quota: int | None, known: int = 0) -> None:
        """Looks at what earlier attempts have left.

        Args:
            storage: of the sweep.
            index: of the trial.
            attempt: number of this one; a process that is cut off writes under other names.
            quota: bytes, None for no limit.
            known: the best epoch of earlier attempts, whose weights the driver counts on.
        """
        self._folder = trial_folder(storage, index)
        self._attempt, self._quota, self._known = attempt, quota, known
        self._sizes = {name: self._folder.size(name) for name in self._folder.names()} if attempt > 1 else {}
        # the weights that each checkpoint counts on
        self._counted_on: dict[str, set[int]] = {}
        for name in [name for name in self._sizes if not STATE.fullmatch(name) and not BEST.fullmatch(name)]:
            # half a file of a process that was killed
            self._remove(name)
        self.kept = max(self._best_epochs(), default=0)
        # of those of earlier attempts all that are there
        self._counted_on = {name: set(self._best_epochs()) for name in self._checkpoints()}

    @property
    def stored(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    def write_best(self, epoch: int, content: bytes) -> None:
        """Keeps the weights of a new best epoch; those before stay until `settle`.

        Raises:
            StorageError: they could not be written.
            DiskBudgetError: they are larger than this trial's part of the disk budget.
        """
        if not self._make_room(len(content), checkpoints=0):
            raise DiskBudgetError(
                f"the weights ({_megabytes(len(content))}) do not fit into the trial's part of the disk budget "
                f"({_megabytes(self._quota or 0)})"
            )
        self._write(f"best-{epoch:06d}.safetensors", content)
        self.kept = epoch

    def write_state(self, state: TrialState) -> None:
        """Writes a checkpoint and deletes the ones that are too many.

        Raises:
            StorageError: it could not be written.
            DiskBudgetError: it is larger than this trial's part of the disk budget.
        """
        content = pack_state(state)
        if not self._make_room(len(content), checkpoints=1):
            raise DiskBudgetError(
                f"a checkpoint ({_megabytes(len(content))}) does not fit into the trial's part of the disk budget "
                f"({_megabytes(self._quota or 0)})"
            )
        name = f"state-{state.report.epoch:06d}-{self._attempt}.checkpoint"
        self._write(name, content)
        self._counted_on[name] = {state.report.best_epoch}
        for name in self._checkpoints()[:-CHECKPOINTS]:
            self._remove(name)

    def go_back_to(self, epoch: int, best_epoch: int) -> None:
        """The trial goes on after this epoch, 0 for the beginning: what is of later ones is of another course."""
        for name in self._checkpoints():
            found = STATE.fullmatch(name)
            if found and int(found[1]) > epoch:
                self._remove(name)
        self._drop_best(epoch for epoch in self._best_epochs() if epoch > best_epoch and epoch != self._known)
        self.kept = max(self._best_epochs(), default=0)

    def settle(self) -> None:
        """The driver knows what is kept: older weights are deleted, but for those that a checkpoint counts on."""
        self._known = self.kept
        self.tidy()

    def tidy(self) -> None:
        """Deletes weights on which neither the driver nor a checkpoint counts, nor the epochs to come."""
        needed = {self.kept, self._known}.union(*self._counted_on.values())
        self._drop_best(epoch for epoch in self._best_epochs() if epoch not in needed)

    def _best_epochs(self) -> list[int]:
        return [int(found[1]) for name in self._sizes if (found := BEST.fullmatch(name))]

    def _drop_best(self, epochs: Iterable[int]) -> None:
        for epoch in epochs:
            self._remove(f"best-{epoch:06d}.safetensors")

    def _checkpoints(self) -> list[str]:
        return sorted(name for name in self._sizes if STATE.fullmatch(name))

    def _make_room(self, size: int, *, checkpoints: int) -> bool:
        """Whether so many bytes fit; older checkpoints give way, all but so many of them."""
        if self._quota is None:
            return True
        while self.stored + size > self._quota:
            found = self._checkpoints()
            if len(found) <= checkpoints:
                return False
            self._remove(found[0])
        return True

    def _write(self, name: str, content: bytes) -> None:
        self._folder.write(name, content)
        self._sizes[name] = len(content)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(StorageError):
            self._folder.remove(name)
            self._sizes.pop(name, None)
            self._counted_on.pop(name, None)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
