"""An empty store of the installed MLflow, kept for the next folder: MLflow takes two seconds to build one.

It runs the dozens of upgrades that its tables have ever had, for each new file. The result is the same each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from orchestrator.environment import home_path

FOLDER = "stores"
# what the tables depend on
LIBRARIES = ("mlflow", "sqlalchemy", "alembic")
# experiments know the folder in which they were made; MLflow makes the first one again when it opens a store
FORGOTTEN = ("experiments", "experiment_tags")


def copy_empty_store(target: Path) -> bool:
    """Writes an empty store to a file that is not there; returns False, and writes nothing, if none is kept.

    Args:
        target: of the file; its folder is there.
    """
    kept = _kept()
    if not kept.is_file():
        return False
    try:
        shutil.copyfile(kept, target)
        with closing(sqlite3.connect(target)) as database:
            checked = database.execute("PRAGMA quick_check").fetchone()
            version_of_tables = database.execute("SELECT version_num FROM alembic_version").fetchone()
        whole = checked == ("ok",) and version_of_tables is not None
    except (OSError, sqlite3.Error):
        whole = False
    if not whole:
        # MLflow makes one, and says what is wrong with the place
        target.unlink(missing_ok=True)
    return whole


def keep_empty_store(made: Path) -> None:
    """Keeps a copy of a store that has just been made; where the state folder cannot be written, nothing happens."""
    kept = _kept()
    unfinished = kept.with_name(f".{kept.name}.{os.getpid()}.{threading.get_native_id()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, unfinished)
        with closing(sqlite3.connect(unfinished)) as database:
            for table in FORGOTTEN:
                database.execute(f"DELETE FROM {table}")  # noqa: S608  names of ours
            database.commit()
        for left in kept.parent.glob("mlflow-*"):
            # of other versions
            left.unlink(missing_ok=True)
        unfinished.replace(kept)
    except (OSError, sqlite3.Error):
        pass
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _kept() -> Path:
    versions = "-".join(f"{name}-{version(name)}" for name in LIBRARIES)
    return home_path() / FOLDER / f"{versions}.db"
