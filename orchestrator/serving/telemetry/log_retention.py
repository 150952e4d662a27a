"""How long the request log is kept: the oldest parts go, by age or until what is left has room."""

from __future__ import annotations

import contextlib
import glob
from datetime import timedelta
from pathlib import Path

PARTS = "*/date=*/part-*.parquet"
# what a replica that was killed has left half written
LEFT_OVERS = "*/date=*/.part-*.parquet.writing"
LEFT_OVER_SECONDS = 3600.0


def prune(folder: Path, keep: timedelta | int, now: float) -> None:
    """Deletes the oldest parts of a log.

    Any number of replicas may do so at a time: all begin with the same parts, and what is gone already is passed over.

    Args:
        folder: of the log.
        keep: how old a part may be, or how many bytes all of them may have.
        now: seconds since 1970.

    Raises:
        OSError: a part cannot be deleted.
    """
    parts = _found(folder, PARTS)
    if isinstance(keep, timedelta):
        oldest = now - keep.total_seconds()
        gone = [path for time, path, _ in parts if time < oldest]
    else:
        gone = []
        total = sum(size for _, _, size in parts)
        for _, path, size in parts:
            if total <= keep:
                break
            gone.append(path)
            total -= size
    gone += [path for time, path, _ in _found(folder, LEFT_OVERS) if time < now - LEFT_OVER_SECONDS]
    for path in gone:
        path.unlink(missing_ok=True)
    for day in {path.parent for path in gone}:
        # it may hold other parts
        with contextlib.suppress(OSError):
            day.rmdir()


def _found(folder: Path, pattern: str) -> list[tuple[float, Path, int]]:
    """When files were written, and their sizes, the oldest first."""
    found = []
    # Path.glob fails when a folder goes while it looks
    for name in glob.glob(pattern, root_dir=folder):  # noqa: PTH207
        path = folder / name
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return sorted(found)
