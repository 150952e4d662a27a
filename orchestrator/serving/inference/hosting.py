"""The models that a replica holds, and which version answers a request."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.roles import Role
from orchestrator.serving.inference.batching import Batcher
from orchestrator.serving.inference.prepared_model import PreparedModel, load_prepared
from orchestrator.serving.messages import AssignedModel, AssignedVersion, RoleVersions
from orchestrator.serving.settings import RequestLimits
from orchestrator.serving.telemetry import Telemetry

Fetch = Callable[[str, Path], Path]


@dataclass(frozen=True, kw_only=True)
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
        shadow: computes what the others answered, too; only who names its version sees its answers.
    """

    champion: LoadedVersion
    canary: LoadedVersion | None = None
    weight: int = 0
    shadow: LoadedVersion | None = None

    def named(self, wanted: str) -> tuple[LoadedVersion, Role] | None:
        """The version that a client has asked for, whatever its role, and that role; None if it is not there."""
        return next(((version, role) for role, version in self.roles() if version.version == wanted), None)

    def choose(self) -> tuple[LoadedVersion, Role]:
        """The version for one request, and its role."""
        if self.canary is not None and random.random() * 100 < self.weight:  # noqa: S311
            return self.canary, Role.CANARY
        return self.champion, Role.CHAMPION

    def roles(self) -> Iterator[tuple[Role, LoadedVersion]]:
        """The versions there are."""
        for role in Role:
            version: LoadedVersion | None = getattr(self, role)
            if version is not None:
                yield role, version

    def serving(self) -> RoleVersions:
        """The registered version in each role."""
        return RoleVersions(weight=self.weight, **{role: version.version or None for role, version in self.roles()})


def load_hosted_models(
    assigned: Mapping[str, AssignedModel],
    present: Mapping[str, HostedModel],
    fetch: Fetch,
    *,
    executor: Executor,
    limits: RequestLimits,
    telemetry: Telemetry,
) -> dict[str, HostedModel]:
    """Loads what is assigned to a replica, and takes over what is loaded already.

    Args:
        assigned: the versions of each model.
        present: what is loaded.
        fetch: (key, folder on the endpoint's machine) -> folder here.
        executor, limits: of the batchers.
        telemetry: told of batches and of what training rows looked like.

    Raises:
        BundleError: a prepared model cannot be read.
    """
    loaded = {version.key: version for hosted in present.values() for _, version in hosted.roles()}

    def load(name: str, version: AssignedVersion) -> LoadedVersion:
        key, number = version.key, version.version or ""
        if key not in loaded:
            model = load_prepared(fetch(key, version.folder))
            telemetry.know(name, number, model.distribution)
            batcher = Batcher(
                model.network,
                model.execution.seconds,
                executor=executor,
                max_rows=limits.rows,
                max_waiting=limits.queue,
                observe=lambda requests, rows, seconds: telemetry.batch(name, number, requests, rows, seconds),
            )
            loaded[key] = LoadedVersion(name=name, version=number, key=key, model=model, batcher=batcher)
        return loaded[key]

    return {
        name: HostedModel(
            load(name, model.champion),
            None if model.canary is None else load(name, model.canary),
            model.weight,
            None if model.shadow is None else load(name, model.shadow),
        )
        for name, model in assigned.items()
    }
