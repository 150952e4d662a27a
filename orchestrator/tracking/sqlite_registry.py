"""What the registry says of models, read from MLflow's SQLite file itself: importing MLflow and opening its store takes
seconds, which neither a prediction of five rows nor the start of an endpoint has. What is not plain here is left to
MLflow."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PREFIX = "sqlite:///"
DEFAULT_FILE = "mlflow.db"
# with one of these MLflow looks elsewhere, or at one of several workspaces
ELSEWHERE = ("MLFLOW_REGISTRY_URI", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")
# of an experiment in the folder store of MLflow's earlier versions; runs of SQLite stores have their files in it, too
OLD_EXPERIMENTS = "mlruns/[0-9]*/meta.yaml"
DELETED = "Deleted_Internal"
WORKSPACE = "default"
BUSY_SECONDS = 2.0


@dataclass(frozen=True)
class RegisteredModel:
    """What a registry says of a model itself.

    Attributes:
        aliases: alias -> number of a version.
        tags: of the model.
        made: when it was registered, in milliseconds since 1970.
    """

    aliases: Mapping[str, str]
    tags: Mapping[str, str]
    made: int | None


def find_model(name: str, tracking_uri: str | None) -> RegisteredModel | None:
    """A registered model, as MLflow's client would say it.

    Args:
        name: of the model.
        tracking_uri: of the store, None for MLflow's default.

    Returns:
        None when only MLflow can tell, see `find_source`.
    """
    path, key = _database(tracking_uri), (WORKSPACE, name)
    if path is None:
        return None
    try:
        with _opened(path) as database:
            # all of it at one moment
            database.execute("BEGIN")
            row = database.execute(
                "SELECT creation_time FROM registered_models WHERE workspace = ? AND name = ?", key
            ).fetchone()
            aliases = database.execute(
                "SELECT alias, version FROM registered_model_aliases WHERE workspace = ? AND name = ?", key
            ).fetchall()
            tags = database.execute(
                "SELECT key, value FROM registered_model_tags WHERE workspace = ? AND name = ?", key
            ).fetchall()
    except sqlite3.Error:
        return None
    if row is None:
        return None
    return RegisteredModel({str(alias): str(version) for alias, version in aliases}, dict(tags), row[0])


def find_source(name: str, version: str | None, alias: str, tracking_uri: str | None) -> tuple[str, str] | None:
    """A version and where its files are, as MLflow's client would say it.

    Args:
        name: of the registered model.
        version: the number, or None for the one that `alias` points at.
        alias: such as champion.
        tracking_uri: of the store, None for MLflow's default.

    Returns:
        The number and the URI of the files. None when only MLflow can tell: the store is no SQLite file, there is no
        such version, or the tables are not those that are known.
    """
    path = _database(tracking_uri)
    if path is None or alias.lower() == "latest":
        return None
    try:
        with _opened(path) as database:
            number = _number(database, name, alias) if version is None else int(version)
            row = database.execute(
                "SELECT COALESCE(NULLIF(storage_location, ''), source) FROM model_versions "
                "WHERE workspace = ? AND name = ? AND version = ? AND current_stage != ?",
                (WORKSPACE, name, number, DELETED),
            ).fetchone()
    except (sqlite3.Error, ValueError):
        return None
    return (str(number), row[0]) if row is not None and isinstance(row[0], str) else None


def list_versions(tracking_uri: str | None, wait: float = BUSY_SECONDS) -> dict[str, dict[str, list[str]]]:
    """All registered models with their versions, the newest first, and the aliases of each.

    Args:
        tracking_uri: of the store, None for MLflow's default.
        wait: seconds, while somebody else writes.

    Returns:
        By the name of the model, by number of the version; none where only MLflow can tell.
    """
    path = _database(tracking_uri)
    if path is None:
        return {}
    found: dict[str, dict[str, list[str]]] = {}
    try:
        with _opened(path, wait) as database:
            for name, version in database.execute(
                "SELECT name, version FROM model_versions WHERE workspace = ? AND current_stage != ? "
                "ORDER BY name, version DESC",
                (WORKSPACE, DELETED),
            ):
                found.setdefault(str(name), {})[str(version)] = []
            for name, alias, version in database.execute(
                "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = ? ORDER BY alias",
                (WORKSPACE,),
            ):
                found.get(str(name), {}).get(str(version), []).append(str(alias))
    except sqlite3.Error:
        return {}
    return found


def _database(tracking_uri: str | None) -> Path | None:
    """The SQLite file of a store, if it is one that MLflow would use."""
    if any(os.environ.get(name) for name in ELSEWHERE):
        return None
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        # MLflow prefers the folder of its earlier versions
        old = any(Path().glob(OLD_EXPERIMENTS))
        return None if old or not Path(DEFAULT_FILE).is_file() else Path(DEFAULT_FILE).resolve()
    path = Path(uri.removeprefix(PREFIX))
    plain = uri.startswith(PREFIX) and not {"?", "%", "#"} & set(uri)
    return path.resolve() if plain and path.is_file() else None


def _opened(path: Path, wait: float = BUSY_SECONDS) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=wait))


def _number(database: sqlite3.Connection, name: str, alias: str) -> int | None:
    row = database.execute(
        "SELECT version FROM registered_model_aliases WHERE workspace = ? AND name = ? AND alias = ?",
        (WORKSPACE, name, alias),
    ).fetchone()
    return None if row is None else int(row[0])
