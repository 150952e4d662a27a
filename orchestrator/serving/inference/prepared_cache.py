"""Prepared models that stay on this machine, by the digest of their bundle: the next command needs no torch for them.

They lie in the user's own folder `prepared` below `$ORCHESTRATOR_HOME`, as private as what an endpoint prepares.
ORCHESTRATOR_KEEP_PREPARED=0 lets no command add to them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from orchestrator.bundle.files import read_folder, write_folder
from orchestrator.environment import NICENESS, home
from orchestrator.errors import OrchestratorError
from orchestrator.serving.inference.prepared_model import PREPARED_FILE, PreparedModel, load_prepared, prepare
from orchestrator.tracking.models import fetch_local

FOLDER, NEW = "prepared", ".new-"
SWITCH = "ORCHESTRATOR_KEEP_PREPARED"
KEPT = 20
# a process that prepares a model takes seconds; one that takes longer has been killed
STALE_SECONDS = 600.0
# what decides about the converted network, besides the bundle
PACKAGES = ("orchestrator-automl", "torch", "onnxruntime", "onnxscript")


def key_of(files: Mapping[str, bytes]) -> str:
    """The digest of a bundle's files and of the packages that prepare them."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        try:
            found = version(package)
        except PackageNotFoundError:
            found = ""
        digest.update(f"{package}={found};".encode())
    for name in sorted(files):
        digest.update(f"{name}={hashlib.sha256(files[name]).hexdigest()};".encode())
    return digest.hexdigest()


def find_prepared(key: str) -> PreparedModel | None:
    """The model of a bundle as it was prepared before, if it was and needs no torch; `key` is that of `key_of`."""
    folder = _place() / key
    try:
        if not (folder / PREPARED_FILE).is_file() or not _is_private(folder):
            return None
        os.utime(folder)
        model = load_prepared(folder)
    except (OrchestratorError, OSError):
        # it is made again
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return model if model.execution.name != "torch" else None


def keep_prepared(files: Mapping[str, bytes]) -> None:
    """Prepares a bundle and keeps that, and no more than the 20 that were used last.

    Raises:
        OrchestratorError: it cannot be prepared.
        OSError: the folder cannot be written.
    """
    from orchestrator.bundle import ReadBundle

    key = key_of(files)
    _keep(key, lambda folder: prepare(ReadBundle.of(files, _place() / key), folder))


def _keep(key: str, make: Callable[[Path], object]) -> None:
    """Keeps what is made in a folder, unless it is there already: complete or not at all."""
    target = _place() / key
    if target.exists():
        return
    with tempfile.TemporaryDirectory(prefix=NEW, dir=_place()) as name:
        made = Path(name) / "prepared"
        make(made)
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            made.rename(target)
    _forget()


def copy_prepared(key: str, folder: Path) -> bool:
    """Copies a prepared model to a folder that is made for it, for this user alone; False if it is not there any more.

    Args:
        key: of `key_of`.
        folder: which must not exist.
    """
    try:
        shutil.copytree(_place() / key, folder)
        folder.chmod(0o700)
    except (OSError, shutil.Error):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def keep_copy(key: str, folder: Path) -> None:
    """Keeps what was prepared in a folder already; where that does not work it is prepared again next time.

    Args:
        key: of `key_of`.
        folder: of `prepare`.
    """
    if os.environ.get(SWITCH) == "0":
        return
    with contextlib.suppress(OSError, shutil.Error):
        _keep(key, partial(shutil.copytree, folder))


def keep_registered_later(name: str, version: str, tracking_uri: str | None) -> None:
    """`keep_prepared_later` for a registered version whose files are on this machine.

    Args:
        name: of the registered model.
        version: of it.
        tracking_uri: MLflow store, or None for MLflow's default.
    """
    if os.environ.get(SWITCH) == "0":
        return
    with contextlib.suppress(OrchestratorError, OSError), tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        source = fetch_local(name, version, tracking_uri, Path(folder))
        if source is not None:
            files = read_folder(source.path)
            keep_prepared_later(files, key_of(files))


def keep_prepared_now(files: Mapping[str, bytes]) -> None:
    """What `keep_prepared` does, where that works and is wanted; before much is to be answered.

    Args:
        files: of the bundle, as `read_folder` gives them.
    """
    if os.environ.get(SWITCH) == "0":
        return
    with contextlib.suppress(OrchestratorError, OSError):
        keep_prepared(files)


def keep_prepared_later(files: Mapping[str, bytes], key: str) -> None:
    """Lets a process of its own do what `keep_prepared` does, when this command has answered; it may fail unseen.

    Args:
        files: of the bundle, as `read_folder` gives them.
        key: of `key_of`.
    """
    if os.environ.get(SWITCH) == "0":
        return
    try:
        place = _place()
        waiting = place / f"{NEW}{key}"
        if (place / key).exists():
            return
        if waiting.exists() and time.time() - waiting.stat().st_mtime < STALE_SECONDS:
            return
        shutil.rmtree(waiting, ignore_errors=True)
        waiting.mkdir(mode=0o700)
        write_folder(files, waiting)
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(waiting)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # a program that goes on collects it when it ends
        threading.Thread(target=process.wait, daemon=True).start()
    except OSError:
        # a full disk or a folder that cannot be written costs time next time, nothing else
        return


def _place() -> Path:
    place = home() / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _is_private(folder: Path) -> bool:
    """Whether nobody else can have written there."""
    return all(
        found.st_uid == os.getuid() and not found.st_mode & 0o022 for found in (folder.stat(), folder.parent.stat())
    )


def _forget() -> None:
    kept = sorted(_place().iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
    now = time.time()
    for number, entry in enumerate(kept):
        if (number >= KEPT) if not entry.name.startswith(NEW) else now - entry.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)


def main(folder: str) -> None:
    """Keeps the bundle in a folder, which is deleted then."""
    os.nice(NICENESS)
    waiting = Path(folder)
    try:
        keep_prepared(read_folder(waiting))
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
