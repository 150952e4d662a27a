"""A store in a SQLite file: what is wrong with it, found at once. MLflow would try again for two minutes first."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

# where MLflow has a file for each version that its tables have had
VERSIONS = Path("store", "db_migrations", "versions")
OTHER = "or give another --tracking-uri"
DAMAGED = f"the file is damaged, or no database; move it away to begin a new one, {OTHER}"
HALF_MADE = (
    "its tables are half made, because a process was ended while it made them; if nothing is in it yet, "
    "delete the file, else use a copy of it"
)
UNREADABLE = f"this user may not read it; change that, {OTHER}"
UNWRITABLE = f"this user may not write to it, or to its folder; change that, {OTHER}"
FOREIGN = f"not all of its tables are MLflow's; move it away, {OTHER}"
# columns of the table that MLflow makes first
OF_EXPERIMENTS = frozenset({"experiment_id", "artifact_location"})
# tables in a sentence
SHOWN = 3
# what SQLite says, and what it means to a user
SAID = {
    re.compile(r"duplicate column name|table \"?\w+\"? already exists"): HALF_MADE,
    re.compile(r"file is not a database|database disk image is malformed"): DAMAGED,
    re.compile(r"attempt to write a readonly database"): UNWRITABLE,
    re.compile(r"database is locked"): "another program has locked it; try again when that has ended",
    re.compile(r"File exists|Not a directory"): f"a folder in its path is a file; move that away, {OTHER}",
    re.compile(r"database or disk is full"): "the disk is full; make room",
    re.compile(r"no such (?:table|column)|has no column"): FOREIGN,
}
# of MLflow, and of what it upgrades tables with
VERSION = re.compile(r"\(found version (\w+)|locate revision identified by '(\w+)'")


def file_problem(path: Path) -> str | None:
    """Half a sentence on why no store can be opened or made in a file, None if one can as far as is seen.

    Args:
        path: of the file; its folder is there.
    """
    if path.is_dir():
        return f"that is a folder, no file; name a file in it, {OTHER}"
    if not path.exists():
        # it may be a link
        place = path.resolve()
        if not place.parent.is_dir():
            return f"it is a link to {place}, where no folder is; make that, or delete the link"
        return None if os.access(place.parent, os.W_OK | os.X_OK) else UNWRITABLE
    if not os.access(path, os.R_OK):
        return UNREADABLE
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
            others = _tables_of_others(connection)
            if others:
                return f"it is the file of another program (its tables are {_listed(others)}); name another file"
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        # one that has not been a store before becomes one, and one that is busy may soon be free
        return DAMAGED if explain_sqlite(str(error), str(path)) == DAMAGED else None
    return None if found is None or _is_known(str(found[0])) else _newer()


def _tables_of_others(connection: sqlite3.Connection) -> list[str]:
    """The tables of a file that another program has made; none if it is empty, or if MLflow's are there."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {row[1] for row in connection.execute("PRAGMA table_info(experiments)")}
    names = [name for name in names if not name.startswith("sqlite_") and name != "alembic_version"]
    return [] if columns >= OF_EXPERIMENTS else sorted(names)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def explain_sqlite(message: str, tracking_uri: str) -> str | None:
    """What SQLite or MLflow say of the file of a store, in half a sentence that helps; None of what is not known."""
    known = next((sentence for pattern, sentence in SAID.items() if pattern.search(message)), None)
    found = VERSION.search(message)
    if known in (UNWRITABLE, FOREIGN) and not Path(tracking_uri.removeprefix("sqlite:///")).exists():
        return "the file was deleted while it was used"
    if known is not None or found is None:
        return known
    if not _is_known(found[1] or found[2]):
        return _newer()
    return f"an older MLflow has made it; copy the file, then run `mlflow db upgrade {tracking_uri}`, {OTHER}"


def _is_known(version: str) -> bool:
    """Whether tables are of a version that the installed MLflow has or had, as far as one can see."""
    package = find_spec("mlflow")
    folder = VERSIONS if package is None else Path(str(package.origin)).parent / VERSIONS
    return not folder.is_dir() or any(folder.glob(f"{version}_*.py"))


def _newer() -> str:
    return f"a newer MLflow than {installed_version('mlflow')} has made it; install that one, {OTHER}"
