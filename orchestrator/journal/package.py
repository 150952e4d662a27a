"""What a job has brought along to a cluster (data, networks), kept in the sweep's folder to go on with another job."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.storage import Storage

FOLDER = "package"


def keep_package(storage: Storage) -> None:
    """Copies the files of the current folder into the folder of a sweep.

    Raises:
        StorageError: one could not be written.
    """
    for file in sorted(Path.cwd().rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            storage.child(FOLDER).write(file.relative_to(Path.cwd()).as_posix(), file.read_bytes())


@contextmanager
def kept_package(storage: Storage) -> Iterator[Path | None]:
    """While it is open, the current folder has these files again; yields it, None if the sweep has no package.

    Raises:
        StorageError: a file could not be read.
    """
    package = storage.child(FOLDER)
    names = package.names()
    if not names:
        yield None
        return
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="orchestrator-package-") as temporary:
        for name in names:
            file = Path(temporary) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(package.read(name))
        sys.path.insert(0, temporary)
        os.chdir(temporary)
        try:
            yield Path(temporary)
        finally:
            os.chdir(before)
            with contextlib.suppress(ValueError):
                sys.path.remove(temporary)
