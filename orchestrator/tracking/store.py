"""Access to the MLflow store: one client, one way to turn its errors into sentences."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from orchestrator.environment import debugging, given_by, proxy_asked, without_password
from orchestrator.errors import OrchestratorError, TrackingError
from orchestrator.tracking.empty_stores import copy_empty_store, keep_empty_store
from orchestrator.tracking.sqlite_files import explain_sqlite, file_problem
from orchestrator.tracking.variables import explain_variables

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 1000
# how MLflow's client and the one below it tell the status of an answer
BAD_STATUS = re.compile(r"failed with error code (\d{3}) ")
# of a store that is being made
UNFINISHED = ".writing"
UNFINISHED_SECONDS = 3600.0
SQLITE = "sqlite:///"
DEFAULT_FILE = "mlflow.db"
# what MLflow takes for more than the name of a folder
MISREAD = re.compile(r"\?|%[0-9A-Fa-f]{2}")
# stores that this process has opened
_opened: set[str] = set()
# and those that have answered it: nobody need give another one when they are away
_settled: set[str] = set()
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
REGISTRY_VARIABLE = "MLFLOW_REGISTRY_URI"
# what MLflow says of addresses that it cannot make anything of
NO_ADDRESS = re.compile(r"nsupported URI|Invalid SQLite URL|not supported by the store with URI")
TOO_MANY = re.compile(r"too many (\d{3}) error responses")


def resolve_tracking_uri(tracking_uri: str | None) -> str:
    """The URI itself, or MLflow's own default (environment, then `sqlite:///mlflow.db` in the current folder)."""
    import mlflow

    if tracking_uri:
        return tracking_uri
    uri = str(mlflow.get_tracking_uri())
    default = Path.cwd() / DEFAULT_FILE
    # MLflow quotes the folder as in a URL, and then takes a%20b as its name
    return f"{SQLITE}{default}" if unquote(uri.removeprefix(SQLITE)) == str(default) else uri


def absolute_uri(tracking_uri: str) -> str:
    """The same store, seen from any folder: MLflow takes paths of SQLite files as relative to the current one."""
    path = tracking_uri.removeprefix("sqlite:///")
    if path == tracking_uri or path.startswith("/") or path == "":
        return tracking_uri
    return f"sqlite:///{Path.cwd() / path}"


def client_for(tracking_uri: str | None) -> MlflowClient:
    """A client of the store.

    Raises:
        TrackingError: the URI cannot be used.
    """
    quiet_logs()
    from mlflow import MlflowClient

    with tracked(tracking_uri, asks=False):
        uri = resolve_tracking_uri(tracking_uri)
        path = sqlite_file(uri)
        if path is None or (absolute_uri(uri) in _opened and path.exists()):
            return _with_registry(MlflowClient(tracking_uri=uri))
        with _alone(path.parent):
            problem = file_problem(path)
            if problem is not None:
                origin = given_by(TRACKING_VARIABLE, uri, "--tracking-uri")
                raise TrackingError(f"MLflow store {uri}: {problem}{origin}")
            make_store(uri)
            # MLflow makes tables that an older version lacks when it opens a store, which two must not do at once
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
        _opened.add(absolute_uri(uri))
        return _with_registry(client)


def _with_registry(client: MlflowClient) -> MlflowClient:
    """The client; models that are kept elsewhere than runs are asked for once, before there is one to be kept.

    Raises:
        TrackingError: of the registry that the environment names.
    """
    named = os.environ.get(REGISTRY_VARIABLE)
    if named and named not in _opened:
        try:
            with tracked(named):
                client.search_registered_models(max_results=1)
        except TrackingError as error:
            raise TrackingError(
                f"{error}; that is the value of {REGISTRY_VARIABLE}: `unset {REGISTRY_VARIABLE}` keeps models where "
                "runs are"
            ) from error
        _opened.add(named)
    return client


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of a store, None if it is in none.

    Raises:
        TrackingError: the name of its folder cannot be in the address of a store.
    """
    place = absolute_uri(tracking_uri).removeprefix(SQLITE)
    if not tracking_uri.startswith(SQLITE) or not place or place.endswith(":memory:"):
        return None
    if tracking_uri == f"{SQLITE}{Path.cwd() / DEFAULT_FILE}" and MISREAD.search(str(Path.cwd())):
        raise TrackingError(
            f"MLflow store {tracking_uri}: a folder whose name holds '?', or '%' before two digits, cannot have one; "
            "work in another folder, or give --tracking-uri"
        )
    return None if "?" in place else Path(place)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process makes or upgrades a store in this folder meanwhile; the lock is on the folder itself."""
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    try:
        # some network file systems have no locks; there a store is still made whole or not at all
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def make_store(tracking_uri: str) -> None:
    """Makes a store in a file that is not there yet, all of it or nothing.

    MLflow makes its tables in dozens of steps; a file that a process leaves behind in between is of no use to anybody.
    """
    target = sqlite_file(tracking_uri)
    if target is None or (target.exists() and target.stat().st_size):
        return
    # a link stays one
    target = target.resolve()
    from mlflow import MlflowClient

    # MLflow makes the folder, too
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{glob.escape(target.name)}.*{UNFINISHED}"):
        if left.stat().st_mtime < time.time() - UNFINISHED_SECONDS:
            left.unlink(missing_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_native_id()}{UNFINISHED}")
    try:
        if not copy_empty_store(unfinished):
            MlflowClient(tracking_uri=f"sqlite:///{unfinished}").search_experiments(max_results=1)
            keep_empty_store(unfinished)
        if target.exists() and not target.stat().st_size:
            # nothing is lost: SQLite leaves such a file when nothing was written
            unfinished.replace(target)
        # a link, unlike a rename, does not replace what another process has made meanwhile
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            target.hardlink_to(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)


def quiet_logs() -> None:
    """Keeps the store's own messages (one line per database migration, say) off the terminal."""
    # with a server, MLflow prints two lines for every run that ends
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    if debugging():
        return
    import mlflow  # noqa: F401  (sets its levels when it is imported)

    for name in ("alembic", "mlflow"):
        # what it logs as an error, with a traceback, it raises as well
        logging.getLogger(name).setLevel(logging.CRITICAL)


def has_store(tracking_uri: str | None) -> bool:
    """False for a store in a file that nobody has made yet; MLflow would make it when it is asked.

    Raises:
        TrackingError: the place cannot be looked at.
    """
    with tracked(tracking_uri, asks=False):
        path = sqlite_file(resolve_tracking_uri(tracking_uri))
        return path is None or (path.exists() and (path.is_dir() or path.stat().st_size > 0))


def reader_for(tracking_uri: str | None) -> MlflowClient | None:
    """A client of a store that is there; None where there is none, and then none is made.

    Raises:
        TrackingError: the URI cannot be used.
    """
    return client_for(tracking_uri) if has_store(tracking_uri) else None


def is_away(error: BaseException) -> bool:
    """Whether a store could not be reached or had no time: what was asked for may work later."""
    import mlflow.exceptions
    import requests
    import sqlalchemy.exc

    if isinstance(error, mlflow.exceptions.MlflowException):
        if error.error_code in ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"):
            return True
        # how MLflow's client says that nobody answered, or that the server gave up
        return error.error_code == "INTERNAL_ERROR" and "API request to" in str(error)
    away = requests.RequestException | sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError | OSError
    return isinstance(error, away)


@contextmanager
def tracked(tracking_uri: str | None, *, asks: bool = True) -> Iterator[None]:
    """Turns errors of MLflow and of the connection to it into a TrackingError of one sentence.

    Args:
        tracking_uri: of the store.
        asks: whether the store is asked something in the context.
    """
    try:
        yield
        if asks:
            _settled.add(resolve_tracking_uri(tracking_uri))
    except OrchestratorError:
        raise
    except Exception as error:
        import mlflow.exceptions
        import requests
        import sqlalchemy.exc

        variable = explain_variables(error)
        if variable is None and not isinstance(
            error,
            mlflow.exceptions.MlflowException
            | requests.RequestException
            | sqlalchemy.exc.SQLAlchemyError
            | OSError
            | ModuleNotFoundError,
        ):
            raise
        where = resolve_tracking_uri(tracking_uri)
        shown = without_password(where)
        reason = variable or explain(error, where)
        raise TrackingError(f"MLflow store {shown}: {reason.replace(where, shown)}") from error


def explain(error: BaseException, tracking_uri: str) -> str:
    """Half a sentence about an error of a store, in words of ours where they are known."""
    served = urlparse(tracking_uri).scheme.startswith("http")
    # a server that has no time is the right one
    settled = tracking_uri in _settled or (served and _is_unable(_status(error)))
    origin = "" if settled else given_by(TRACKING_VARIABLE, tracking_uri, "--tracking-uri")
    sentence = explain_sqlite(str(error), tracking_uri) if tracking_uri.startswith("sqlite:") else None
    if sentence is not None:
        return sentence + origin
    reason = _explain_server(error) if served else None
    if reason is not None:
        return f"{reason}{proxy_asked(tracking_uri)}{origin}"
    # without the statement, and SQLAlchemy's link
    reason = " ".join(str(error).partition("[SQL:")[0].partition("(Background on")[0].split())[:300]
    if isinstance(error, ModuleNotFoundError):
        reason = (
            f"it takes the package {error.name}, which is not installed; `pip install 'orchestrator-automl[server]'` "
            "has what PostgreSQL takes"
        )
    unknown = NO_ADDRESS.search(reason) is not None
    if unknown:
        reason = "that is no address of a store; it is http://HOST:5000, sqlite:///FILE or postgresql://USER@HOST/NAME"
    # of others, MLflow has said what it misses in the store
    unusable = is_away(error) or unknown or isinstance(error, ModuleNotFoundError)
    return reason + (origin if unusable else "")


def _is_unable(status: int | None) -> bool:
    """Whether that is the answer of a server that cannot answer now."""
    return status is not None and (status >= 500 or status == 429)  # noqa: PLR2004


def _explain_server(error: BaseException) -> str | None:
    """What is wrong with a server, None if it has said so itself."""
    import mlflow.exceptions
    import requests
    import urllib3.exceptions as connection

    status = _status(error)
    if status in (401, 403):
        return (
            f"the server refuses access (status {status}); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    if status is not None and status >= 500:  # noqa: PLR2004
        return f"the server is there but answers with status {status}; if it goes on like that, its log says why"
    if status is not None and status == 429:  # noqa: PLR2004
        return "the server has too much to do (status 429); try again later"
    if status is not None:
        return f"what answers there is no MLflow server (status {status})"
    if "not in a valid JSON format" in str(error):
        return "what answers there is no MLflow server"
    if isinstance(error, mlflow.exceptions.RestException) and "error_code" not in error.json:
        return "what answers there is no MLflow server"
    for cause in _causes(error):
        match cause:
            case connection.NameResolutionError():
                return "there is no host of that name"
            case connection.SSLError() | requests.exceptions.SSLError():
                return "the connection is not trusted: check the certificate, or http instead of https"
            case connection.NewConnectionError():
                return "no server answers there"
            case connection.ConnectTimeoutError() | connection.ReadTimeoutError() | requests.Timeout():
                return "the server did not answer in time (MLFLOW_HTTP_REQUEST_TIMEOUT)"
            case connection.ProtocolError():
                return "the server broke off the connection; is it an MLflow server?"
    return None


def _status(error: BaseException) -> int | None:
    """The HTTP status of the answer that MLflow's client could make nothing of."""
    import urllib3.exceptions as connection

    for cause in _causes(error):
        if isinstance(cause, connection.ResponseError) and (found := TOO_MANY.search(str(cause))):
            return int(found[1])
    found = BAD_STATUS.search(str(error))
    return int(found[1]) if found else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of: chained, wrapped as an argument, or as the reason to give up."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__context__, found.__cause__, getattr(found, "reason", None), *found.args]
