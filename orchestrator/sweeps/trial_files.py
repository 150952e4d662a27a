"""Where a sweep keeps what its trials leave: checkpoints to go on from, and the weights of their best epochs."""

from __future__ import annotations

import contextlib
import re

from orchestrator.errors import StorageError
from orchestrator.storage import Storage

FOLDER = "trials"
STATE = re.compile(r"state-(\d{6})-\d+\.checkpoint")
BEST = re.compile(r"best-(\d{6})\.safetensors")
# the one before is there for the case that the latest is damaged
CHECKPOINTS = 2


def trial_folder(storage: Storage, index: int) -> Storage:
    """Where the files of a trial are."""
    return storage.child(FOLDER).child(f"{index:05d}")


def best_weights(storage: Storage, index: int, epoch: int) -> bytes:
    """The weights of a trial's best epoch.

    Raises:
        StorageError: they are not there.
    """
    return trial_folder(storage, index).read(f"best-{epoch:06d}.safetensors")


def best_size(storage: Storage, index: int, epoch: int) -> int:
    """Bytes of the weights of a trial's best epoch, as far as the storage says."""
    with contextlib.suppress(StorageError):
        return trial_folder(storage, index).size(f"best-{epoch:06d}.safetensors")
    return 0


def forget_trial(storage: Storage, index: int, *, keep: int = 0) -> None:
    """Deletes the files of a trial that is over, but for the weights of the epoch `keep`.

    A file too many is no reason to end a sweep: what cannot be deleted stays.
    """
    folder = trial_folder(storage, index)
    with contextlib.suppress(StorageError):
        if not keep:
            folder.clear()
            return
        for name in folder.names():
            if name != f"best-{keep:06d}.safetensors":
                folder.remove(name)
