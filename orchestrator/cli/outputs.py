"""Files and folders that commands write to: what is wrong with one is said before anything is done (exit code 2)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from orchestrator.errors import OrchestratorError, StorageError, UsageError

# of a place, and not of a disk: another name helps
OF_PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENOENT, errno.ENAMETOOLONG)


def check_output(output: Path, option: str = "--output", *, new: bool = False) -> None:
    """Refuses a file that could not be written at the end.

    Args:
        output: of the user.
        option: that has named it.
        new: whether it must not be there yet.

    Raises:
        UsageError: it is there, it is a folder, it has none, or this user may not write there.
    """
    if new and output.exists():
        raise UsageError(f"{option} {output}: exists; choose another name")
    if output.is_dir():
        raise UsageError(f"{option} {output}: is a folder; name a file")
    if not output.parent.is_dir():
        raise UsageError(f"{option} {output}: there is no folder {output.parent}")
    _check_writable(output.parent, output, option)


def check_folder(output: Path, option: str = "--output", *, new: bool = False) -> None:
    """Refuses a folder that could not be made at the end; those above it are made, too.

    Raises:
        UsageError: it is there and must not be, a part of its path is a file, or this user may not write there.
    """
    if new and output.exists():
        raise UsageError(f"{option} {output}: exists; choose another name")
    there = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"{option} {output}: {there} is a file; name a folder")
    _check_writable(there, output, option)


def _check_writable(folder: Path, output: Path, option: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {output}: cannot be written (this user may not write to {folder})")


def write_problem(output: Path, error: OSError, option: str = "--output") -> OrchestratorError:
    """The error about an output that could not be written: of the place, or of a disk without room."""
    kind = UsageError if error.errno in OF_PLACES else StorageError
    return kind(f"{option} {output}: cannot be written ({error.strerror or error})")


def write_text(output: Path, text: str, option: str = "--output") -> None:
    """Writes a file; it is there whole or not at all.

    Raises:
        UsageError: see `check_output`.
        StorageError: there is no room.
    """
    from orchestrator.storage import Storage

    check_output(output, option)
    try:
        Storage.at(output.resolve().parent).write(output.name, text.encode("utf-8"))
    except StorageError as error:
        if isinstance(error.__cause__, OSError):
            raise write_problem(output, error.__cause__, option) from None
        raise
