"""Looking for something in a store: reading makes none, and what is not there is said with the name of the store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.addresses import listening_problem
from orchestrator.environment import proxy_asked, without_password
from orchestrator.errors import NoSuchModelError, TrackingError, did_you_mean
from orchestrator.tracking.store import REGISTRY_VARIABLE, client_for, has_store, reader_for, resolve_tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

OTHER_STORE = "another store: --tracking-uri"
OTHER_REGISTRY = f"another registry: {REGISTRY_VARIABLE}"
SHOWN = 8
# of stores whose address names none
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
LISTEN_SECONDS = 3.0
# what MLflow says of a name that it has not, or that cannot be one
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def model_reader(name: str, tracking_uri: str | None) -> MlflowClient:
    """A client of the store that a registered model is looked for in.

    Raises:
        NoSuchModelError: there is no store.
        TrackingError: the URI cannot be used.
    """
    # models that are kept elsewhere than runs do not need the store of the runs
    client = client_for(tracking_uri) if os.environ.get(REGISTRY_VARIABLE) else reader_for(tracking_uri)
    if client is None:
        raise unknown_model(name, [], tracking_uri)
    return client


def check_seen(tracking_uri: str) -> None:
    """Asks whether a store that another machine shall use may be asked from here, too.

    Raises:
        TrackingError: it may not: nobody listens there, or nobody has made the file here.
    """
    problem = None if has_store(tracking_uri) else "there is no such file"
    with contextlib.suppress(ValueError):
        place = urlsplit(tracking_uri)
        port = place.port or PORTS.get(place.scheme.partition("+")[0])
        # what is behind a proxy is reached by that only
        if place.hostname and port and not proxy_asked(tracking_uri):
            problem = listening_problem(place.hostname, port, LISTEN_SECONDS)
    if problem is not None:
        raise TrackingError(f"MLflow store {shown_store(tracking_uri)}: {problem}")


def shown_store(tracking_uri: str | None) -> str:
    """The address of a store, as a sentence may show it."""
    return without_password(resolve_tracking_uri(tracking_uri))


def listed_names(what: str, names: Collection[str]) -> str:
    """`WHAT: NAME, NAME`, the first of them, or that there are none; to stand in brackets beside `OTHER_STORE`."""
    first = ", ".join(list(names)[:SHOWN])
    return f"{what}: {first}{', ...' if len(names) > SHOWN else ''}" if names else f"no {what} there"


def known_models(client: MlflowClient) -> list[str]:
    """Names of registered models, the first hundred, sorted."""
    return sorted(model.name for model in client.search_registered_models(max_results=100))


def unknown_model(name: str, known: Sequence[str], tracking_uri: str | None) -> NoSuchModelError:
    """The error for a name that no registered model has."""
    hint = did_you_mean(name, known) or ("" if known else "; train one with `orchestrator sweep`")
    return NoSuchModelError(
        f"there is no registered model '{name}' in {shown_registry(tracking_uri)} ({listed_names('models', known)}; "
        f"{other_registry()}){hint}"
    )


def unknown_alias(client: MlflowClient, name: str, alias: str) -> NoSuchModelError:
    """The error for an alias that a registered model has not; of a name that no model has, that."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return unknown_model(name, known_models(client), client.tracking_uri)
    latest = max((int(version.version) for version in model.latest_versions), default=1)
    hint = did_you_mean(alias, model.aliases) or f"; or give a version: models:/{name}/{latest}"
    return NoSuchModelError(
        f"the registered model '{name}' in {shown_registry(client.tracking_uri)} has no alias '{alias}' "
        f"({listed_names('aliases', model.aliases)}; {other_registry()}){hint}"
    )


def shown_registry(tracking_uri: str | None) -> str:
    """The address of the store that has the models, as a sentence may show it."""
    named = os.environ.get(REGISTRY_VARIABLE)
    return without_password(named) if named else shown_store(tracking_uri)


def other_registry() -> str:
    """How to name another one."""
    return OTHER_REGISTRY if os.environ.get(REGISTRY_VARIABLE) else OTHER_STORE
