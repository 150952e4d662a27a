"""Which versions an endpoint should serve, as the registry says, and preparing those that are new."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.data import Schema
from orchestrator.errors import BreakingChangeError, OrchestratorError, TrackingError, UsageError, did_you_mean
from orchestrator.serving.compatibility import breaking_changes, listed
from orchestrator.serving.gates import check_bundle
from orchestrator.serving.served import prepare
from orchestrator.tracking.models import MODEL_URI, ModelSource, fetch_model
from orchestrator.tracking.rollout import CHAMPION, Rollout, read_rollout

ROLES = ("champion", "canary", "shadow")


@dataclass(frozen=True)
class Served:
    """A version that is prepared.

    Attributes:
        version: registered version, or None for a folder.
        key: names what was prepared.
        folder: where it lies on this machine.
        schema: its columns and its target.
        execution: `torch` or `onnxruntime`, and why.
    """

    version: str | None
    key: str
    folder: Path
    schema: Schema
    execution: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """For the replicas."""
        return {"version": self.version, "key": self.key, "folder": str(self.folder)}


@dataclass
class Followed:
    """A model of an endpoint.

    Attributes:
        name: registered name, or the folder's.
        uri: what was asked for.
        follows: whether it changes with the registry.
        roles: what is served.
        weight: percent of the canary.
        problem: why what the registry says is not served.
        unserved: role -> version that the registry names and that is not served.
        refused: versions that failed before, so that they are not fetched every two seconds.
    """

    name: str
    uri: str
    follows: bool
    roles: dict[str, Served] = field(default_factory=dict)
    weight: int = 0
    problem: str | None = None
    unserved: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def serving(self) -> dict[str, Any]:
        """Role to version, and the canary's weight."""
        return {role: self.roles[role].version if role in self.roles else None for role in ROLES} | {
            "weight": self.weight
        }

    def to_json(self) -> dict[str, Any]:
        """For the replicas."""
        return {role: served.to_json() for role, served in self.roles.items()} | {"weight": self.weight}


class Models:
    """The models of one endpoint: prepared folders below `place`, and what the registry says about them."""

    def __init__(self, place: Path, tracking_uri: str | None, execution: str) -> None:
        """Makes an empty set.

        Args:
            place: private folder for what is prepared.
            tracking_uri: of the MLflow store, or None for its default.
            execution: `auto`, `torch` or `onnxruntime`.
        """
        self._place = place
        self._tracking_uri = tracking_uri
        self._execution = execution
        self._prepared: dict[tuple[str, str | None], Served] = {}
        self._lock = threading.Lock()
        self.models: dict[str, Followed] = {}

    def add(self, uri: str) -> Followed:
        """Fetches, checks and prepares a model.

        Raises:
            UsageError, TrackingError: there is no such model; or two models have one name.
            BundleError, GateError: it is not safe, damaged, or does not answer as it did when it was made.
        """
        match = MODEL_URI.fullmatch(uri)
        if match is not None and match["version"] is None and (match["alias"] or CHAMPION) == CHAMPION:
            followed = Followed(match["name"], f"models:/{match['name']}@{CHAMPION}", follows=True)
            rollout = self._rollout(followed.name)
            if rollout.champion is None:
                fetch_model(uri, self._tracking_uri, self._place)  # says which aliases there are
            self._take(followed, rollout)
            if "champion" not in followed.roles:
                raise TrackingError(followed.problem or f"model '{followed.name}' has no champion")
        else:
            served, name = self._prepare(uri)
            followed = Followed(name, uri, follows=False, roles={"champion": served})
        if followed.name in self.models:
            raise TrackingError(f"two models have the name '{followed.name}'; one endpoint can serve each name once")
        self.models[followed.name] = followed
        return followed

    def configuration(self) -> dict[str, Any]:
        """For the replicas, see `load_hosted`."""
        return {name: followed.to_json() for name, followed in self.models.items()}

    def served(self) -> dict[str, Any]:
        """For the metrics: model -> versions with roles and executions, the canary's weight, what is not served."""
        return {
            name: {
                "versions": {
                    served.version or "": {"role": role, "execution": served.execution}
                    for role, served in followed.roles.items()
                },
                "weight": followed.weight,
                "unserved": followed.unserved,
            }
            for name, followed in self.models.items()
        }

    def follow(self, apply: Callable[[dict[str, Any]], None], only: str | None = None) -> None:
        """Looks at the registry; what has changed is prepared and applied. What fails is kept as it was.

        Args:
            apply: called with the new `configuration()` when something changed.
            only: one model; all if left out.
        """
        with self._lock:
            changed = False
            for name, followed in self.models.items():
                if not followed.follows or (only is not None and name != only):
                    continue
                if only is not None:
                    # asked by hand: what failed may have been mended
                    followed.refused.clear()
                try:
                    rollout = self._rollout(name)
                except OrchestratorError as error:
                    followed.problem = f"the registry cannot be asked: {error}"
                    continue
                changed |= self._take(followed, rollout)
            if changed:
                apply(self.configuration())
                self._forget()

    def check_columns(self, names: Sequence[str]) -> None:
        """Raises UsageError when a name is a column of none of the models."""
        known = {column.name for served in self.all_served() for column in served.schema.columns}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--log-drop {name}: no model that is served has such a column{did_you_mean(name, known)}"
                )

    def all_served(self) -> list[Served]:
        """What is served, of all models."""
        return [served for followed in self.models.values() for served in followed.roles.values()]

    def _rollout(self, name: str) -> Rollout:
        from orchestrator.tracking.store import client_for, tracked

        with tracked(self._tracking_uri):
            return read_rollout(client_for(self._tracking_uri), name)

    def _take(self, followed: Followed, rollout: Rollout) -> bool:
        """Prepares what is new; where the champion cannot be served the present one goes on."""
        present = followed.roles.get("champion")
        roles: dict[str, Served] = {}
        unserved: dict[str, str] = {}
        problems: list[str] = []
        for role in ROLES:
            version: str | None = getattr(rollout, role)
            if version is None:
                continue
            try:
                served = self._fit(followed, version)
                _check_breaking(followed.name, role, served, roles.get("champion", present), rollout)
                roles[role] = served
            except OrchestratorError as error:
                unserved[role] = version
                problems.append(f"version {version} is not served as {role}: {error}")
                if role == "champion" and present is not None:
                    roles[role] = present
        if rollout.champion is None and present is not None:
            problems.append(f"the registry names no champion; version {present.version} goes on answering")
            roles["champion"] = present
        weight = rollout.weight if "canary" in roles else 0
        changed = roles != followed.roles or weight != followed.weight
        followed.roles, followed.weight, followed.unserved = roles, weight, unserved
        followed.problem = "; ".join(problems) or None
        return changed

    def _fit(self, followed: Followed, version: str) -> Served:
        """A version that loads and answers as when it was made; what failed once fails again until it is asked for."""
        if version in followed.refused:
            raise TrackingError(followed.refused[version])
        try:
            return self._prepare(f"models:/{followed.name}/{version}")[0]
        except OrchestratorError as error:
            followed.refused[version] = str(error)
            raise

    def _prepare(self, uri: str) -> tuple[Served, str]:
        match = MODEL_URI.fullmatch(uri)
        known = (match["name"], match["version"]) if match is not None and match["version"] else None
        if known is not None and known in self._prepared:
            return self._prepared[known], known[0]
        with tempfile.TemporaryDirectory(dir=self._place) as folder:
            source: ModelSource = fetch_model(uri, self._tracking_uri, Path(folder))
            schema = check_bundle(source.path).schema
            key = f"{len(self._prepared)}-{source.version or 'folder'}-{Path(folder).name}"
            execution = prepare(source.path, self._place / key, self._execution)
        served = Served(source.version, key, self._place / key, schema, execution.name, execution.reason)
        self._prepared[source.name, source.version] = served
        return served, source.name

    def _forget(self) -> None:
        """Removes what is neither served nor likely to be again: all but the last eight that were prepared."""
        used = {served.key for served in self.all_served()}
        for known, served in list(self._prepared.items())[:-8]:
            if served.key not in used:
                del self._prepared[known]
                shutil.rmtree(served.folder, ignore_errors=True)


def _check_breaking(name: str, role: str, served: Served, champion: Served | None, rollout: Rollout) -> None:
    """Raises BreakingChangeError when callers of the champion would break, and nobody has said that they may."""
    accepted = rollout.breaking.get(role) == served.version
    changes = () if champion is None or accepted else breaking_changes(champion.schema, served.schema)
    if champion is None or not changes:
        return
    words = f"{name} {served.version}" if role == "champion" else f"{name} --{role} {served.version}"
    raise BreakingChangeError(
        f"it breaks what callers of version {champion.version} rely on: {listed(changes)}; "
        f"to accept that: `orchestrator promote {words} --breaking`"
    )
