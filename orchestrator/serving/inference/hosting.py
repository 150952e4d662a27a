"""The models that a replica holds, and which version answers a request."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.serving.inference.batching import Batcher
from orchestrator.serving.inference.prepared_model import PreparedModel, load_prepared
from orchestrator.serving.settings import RequestLimits
from orchestrator.serving.telemetry import Telemetry

Fetch = Callable[[str, Path], Path]


@dataclass(frozen=True)
class LoadedVersion:
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
    model: PreparedModel
    batcher: Batcher


@dataclass(frozen=True)
class HostedModel:
    """The versions of one model.

    Attributes:
        champion: answers what the canary does not.
        canary, weight: answers so many percent of the requests.
        shadow: computes what the others answered, too, and nobody sees it.
    """

    champion: LoadedVersion
    canary: LoadedVersion | None = None
    weight: int = 0
    shadow: LoadedVersion | None = None

    def choose(self, wanted: str | None = None) -> tuple[LoadedVersion, str]:
        """The version for one request, and its role; the one that is wanted, if it is there."""
        if wanted is not None:
            for role, version in self.roles():
                if version.version == wanted:
                    return version, role
        if self.canary is not None and random.random() * 100 < self.weight:  # noqa: S311
            return self.canary, "canary"
        return self.champion, "champion"

    def roles(self) -> Iterator[tuple[str, LoadedVersion]]:
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


def load_hosted_models(
    content: Mapping[str, Any],
    present: Mapping[str, HostedModel],
    fetch: Fetch,
    *,
    executor: Executor,
    limits: RequestLimits,
    telemetry: Telemetry,
) -> dict[str, HostedModel]:
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

    def version(name: str, entry: Mapping[str, Any]) -> LoadedVersion:
        key, number = str(entry["key"]), str(entry["version"] or "")
        if key not in loaded:
            model = load_prepared(fetch(key, Path(entry["folder"])))
            telemetry.know(name, number, model.distribution)
            batcher = Batcher(
                model.network,
                model.execution.seconds,
                executor=executor,
                max_rows=limits.rows,
                max_waiting=limits.queue,
                observe=lambda requests, rows, seconds: telemetry.batch(name, number, requests, rows, seconds),
            )
            loaded[key] = LoadedVersion(name, number, key, model, batcher)
        return loaded[key]

    result = {}
    for name, roles in content.items():
        versions = {role: version(name, roles[role]) for role in ("champion", "canary", "shadow") if roles.get(role)}
        result[name] = HostedModel(
            versions["champion"], versions.get("canary"), int(roles.get("weight") or 0), versions.get("shadow")
        )
    return result
