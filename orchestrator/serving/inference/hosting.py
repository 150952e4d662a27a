"""The models that a replica holds, and which version answers a request."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestrator.serving.inference.batching import Batcher
from orchestrator.serving.inference.prepared_model import ServedModel, load_served
from orchestrator.serving.telemetry import Telemetry

Fetch = Callable[[str, Path], Path]


@dataclass(frozen=True)
class Limits:
    """What a replica takes.

    Attributes:
        body: bytes of a request.
        rows: of a request, and of a batch.
        queue: requests that may wait for a model.
        timeout: seconds from a request to its answer.
    """

    body: int = 8 * 2**20
    rows: int = 10_000
    queue: int = 256
    timeout: float = 30.0


@dataclass(frozen=True)
class Settings:
    """How an endpoint behaves, apart from its models.

    Attributes:
        limits: see `Limits`.
        token_file: of bearer tokens, or None when everybody may ask.
        cors_origins: web pages of these origins may ask.
        hosts: names by which the endpoint may be asked, see `browsers.allowed_hosts`; None for any.
        local: whether nothing outside of this machine has to reach the replica.
        log_folder, log_share: where a share of requests and answers is written, or None.
        log_keep, log_drop: what of it is deleted again, and what is never written, see `RequestLog`.
        failure_status: sent instead of 500 to an ingress that makes 500 of it, see `haproxy.FAILURE_STATUS`.
    """

    limits: Limits = field(default_factory=Limits)
    token_file: str | None = None
    cors_origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    local: bool = False
    log_folder: str | None = None
    log_share: float = 0.0
    log_keep: timedelta | int | None = None
    log_drop: tuple[str, ...] = ()
    failure_status: int = 500


@dataclass(frozen=True)
class Version:
    """A version in memory.

    Attributes:
        name: of the model.
        version: registered version, or "" for a folder.
        key: of what was prepared; two with the same key are the same.
        model, batcher: what computes.
    """

    name: str
    version: str
    key: str
    model: ServedModel
    batcher: Batcher


@dataclass(frozen=True)
class Hosted:
    """The versions of one model.

    Attributes:
        champion: answers what the canary does not.
        canary, weight: answers so many percent of the requests.
        shadow: computes what the others answered, too, and nobody sees it.
    """

    champion: Version
    canary: Version | None = None
    weight: int = 0
    shadow: Version | None = None

    def choose(self, wanted: str | None = None) -> tuple[Version, str]:
        """The version for one request, and its role; the one that is wanted, if it is there."""
        if wanted is not None:
            for role, version in self.roles():
                if version.version == wanted:
                    return version, role
        if self.canary is not None and random.random() * 100 < self.weight:  # noqa: S311
            return self.canary, "canary"
        return self.champion, "champion"

    def roles(self) -> Iterator[tuple[str, Version]]:
        """The versions there are."""
        yield "champion", self.champion
        if self.canary is not None:
            yield "canary", self.canary
        if self.shadow is not None:
            yield "shadow", self.shadow

    def to_json(self) -> dict[str, Any]:
        """Role to version, and the canary's weight."""
        found: dict[str, Any] = {"champion": None, "canary": None, "shadow": None, "weight": self.weight}
        return {**found, **{role: version.version or None for role, version in self.roles()}}


def load_hosted(
    content: Mapping[str, Any],
    present: Mapping[str, Hosted],
    fetch: Fetch,
    *,
    executor: Executor,
    limits: Limits,
    telemetry: Telemetry,
) -> dict[str, Hosted]:
    """Loads what a configuration names, and takes over what is loaded already.

    Args:
        content: model name -> role -> `{"version", "folder", "key"}`, and `weight`.
        present: what is loaded.
        fetch: (key, folder on the endpoint's machine) -> folder here.
        executor, limits: of the batchers.
        telemetry: told of batches and of what training rows looked like.

    Raises:
        BundleError: a prepared model cannot be read.
    """
    loaded = {version.key: version for hosted in present.values() for _, version in hosted.roles()}

    def version(name: str, entry: Mapping[str, Any]) -> Version:
        key, number = str(entry["key"]), str(entry["version"] or "")
        if key not in loaded:
            model = load_served(fetch(key, Path(entry["folder"])))
            telemetry.know(name, number, model.distribution)
            batcher = Batcher(
                model.network,
                model.execution.seconds,
                executor=executor,
                max_rows=limits.rows,
                max_waiting=limits.queue,
                observe=lambda requests, rows, seconds: telemetry.batch(name, number, requests, rows, seconds),
            )
            loaded[key] = Version(name, number, key, model, batcher)
        return loaded[key]

    result = {}
    for name, roles in content.items():
        versions = {role: version(name, roles[role]) for role in ("champion", "canary", "shadow") if roles.get(role)}
        result[name] = Hosted(
            versions["champion"], versions.get("canary"), int(roles.get("weight") or 0), versions.get("shadow")
        )
    return result
