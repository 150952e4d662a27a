"""Which versions an endpoint should serve, as the registry says, and preparing those that are new."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.bundle.engines import Execution
from orchestrator.bundle.files import read_folder
from orchestrator.data import Schema
from orchestrator.errors import BreakingChangeError, OrchestratorError, TrackingError, UsageError, did_you_mean
from orchestrator.roles import Role
from orchestrator.serving.control.compatibility import breaking_changes, listed
from orchestrator.serving.control.gates import check_answers, check_prepared
from orchestrator.serving.inference.prepared_cache import copy_prepared, keep_copy, key_of
from orchestrator.serving.inference.prepared_model import prepare
from orchestrator.serving.messages import AssignedModel, AssignedVersion, RoleVersions, ServedModel, ServedVersion
from orchestrator.tracking.models import MODEL_URI, ModelSource, fetch_model
from orchestrator.tracking.rollout import Rollout, look_up_rollout

# what failed is tried again, ever more rarely: it may be large
FIRST_PAUSE, MOST_PAUSE = 10.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class PreparedVersion:
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

    def assigned(self) -> AssignedVersion:
        """For the replicas."""
        return AssignedVersion(self.version, self.key, self.folder)


@dataclass(frozen=True)
class RefusedVersion:
    """A version that could not be prepared; it may be the network's fault, or its files may still be mended.

    Attributes:
        reason: why not, as a sentence.
        pause: seconds until it is fetched again.
        since: when it failed, on the clock of `time.monotonic`.
    """

    reason: str
    pause: float
    since: float


@dataclass(kw_only=True)
class FollowedModel:
    """A model of an endpoint.

    Attributes:
        name: registered name, or the folder's.
        uri: what was asked for.
        follows: whether it changes with the registry.
        roles: what is served.
        weight: percent of the canary.
        problem: why what the registry says is not served.
        away: whether that is because the registry cannot be followed at all.
        unserved: role -> version that the registry names and that is not served.
        refused: versions that failed before.
        made: when the model was registered of which all this is.
    """

    name: str
    uri: str
    follows: bool
    roles: dict[Role, PreparedVersion] = field(default_factory=dict)
    weight: int = 0
    problem: str | None = None
    away: bool = False
    unserved: dict[Role, str] = field(default_factory=dict)
    refused: dict[str, RefusedVersion] = field(default_factory=dict)
    made: int | None = None

    def serving(self) -> RoleVersions:
        """The registered version in each role."""
        return RoleVersions(weight=self.weight, **{role: served.version for role, served in self.roles.items()})

    def assigned(self) -> AssignedModel:
        """For the replicas; there is a champion by then."""
        return AssignedModel(weight=self.weight, **{role: served.assigned() for role, served in self.roles.items()})


class RegistryWatcher:
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
        self._prepared: dict[tuple[str, str | None, int | None], PreparedVersion] = {}
        self._lock = threading.Lock()
        self.models: dict[str, FollowedModel] = {}

    def add(self, uri: str) -> FollowedModel:
        """Fetches, checks and prepares a model.

        Raises:
            UsageError, TrackingError: there is no such model; or two models have one name.
            BundleError, GateError: it is not safe, damaged, or does not answer as it did when it was made.
        """
        match = MODEL_URI.fullmatch(uri)
        if match is not None and match["version"] is None and (match["alias"] or Role.CHAMPION) == Role.CHAMPION:
            followed = FollowedModel(name=match["name"], uri=f"models:/{match['name']}@{Role.CHAMPION}", follows=True)
            rollout = look_up_rollout(followed.name, self._tracking_uri)
            if rollout.champion is None:
                fetch_model(uri, self._tracking_uri, self._place)  # says which aliases there are
            self._take(followed, rollout)
            if Role.CHAMPION not in followed.roles:
                raise TrackingError(followed.problem or f"model '{followed.name}' has no champion")
        else:
            served, name = self._prepare(uri)
            followed = FollowedModel(name=name, uri=uri, follows=False, roles={Role.CHAMPION: served})
        if followed.name in self.models:
            raise TrackingError(f"two models have the name '{followed.name}'; one endpoint can serve each name once")
        self.models[followed.name] = followed
        return followed

    def assigned(self) -> dict[str, AssignedModel]:
        """For the replicas, by model."""
        return {name: followed.assigned() for name, followed in self.models.items()}

    def served(self) -> dict[str, ServedModel]:
        """For the metrics, by model."""
        return {
            name: ServedModel(
                {
                    served.version or "": ServedVersion(role, served.execution)
                    for role, served in followed.roles.items()
                },
                followed.weight,
                dict(followed.unserved),
            )
            for name, followed in self.models.items()
        }

    def follow(self, apply: Callable[[dict[str, AssignedModel]], None], only: str | None = None) -> None:
        """Looks at the registry; what has changed is prepared and applied. What fails is kept as it was.

        Args:
            apply: called with the new `assigned()` when something changed.
            only: one model; all if left out.
        """
        with self._lock:
            changed = False
            try:
                for name, followed in self.models.items():
                    if followed.follows and only in (None, name):
                        changed |= self._look(followed, by_hand=only is not None)
            finally:
                # a full disk, which ends the look at one model, does not keep another one's version from being served
                if changed:
                    apply(self.assigned())
                    self._forget()

    def check_columns(self, names: Sequence[str]) -> None:
        """Raises UsageError when a name is a column of none of the models."""
        known = {column.name for served in self.all_served() for column in served.schema.columns}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--log-drop {name}: no model that is served has such a column{did_you_mean(name, known)}"
                )

    def give_up(self, error: Exception) -> None:
        """Notes that a look at the registry has failed; a version that was asked for by its number needs none."""
        for followed in self.models.values():
            if followed.follows:
                followed.away = True
                followed.problem = f"the registry cannot be followed ({type(error).__name__}: {error})"

    def all_served(self) -> list[PreparedVersion]:
        """What is served, of all models."""
        return [served for followed in self.models.values() for served in followed.roles.values()]

    def _look(self, followed: FollowedModel, *, by_hand: bool) -> bool:
        """Whether what one model serves has changed."""
        if by_hand:
            # what failed may have been mended
            followed.refused.clear()
        try:
            rollout = look_up_rollout(followed.name, self._tracking_uri)
        except OrchestratorError as error:
            followed.problem, followed.away = f"the registry cannot be asked: {error}", True
            return False
        return self._take(followed, rollout)

    def _take(self, followed: FollowedModel, rollout: Rollout) -> bool:
        """Prepares what is new; where the champion cannot be served the present one goes on."""
        present = followed.roles.get(Role.CHAMPION)
        if rollout.made != followed.made:
            # deleted and made again: the same numbers are other versions
            followed.refused.clear()
            followed.made = rollout.made
        roles: dict[Role, PreparedVersion] = {}
        unserved: dict[Role, str] = {}
        problems: list[str] = []
        for role, version in rollout.versions():
            try:
                served = self._fit(followed, version)
                _check_breaking(followed.name, role, served, roles.get(Role.CHAMPION, present), rollout)
                roles[role] = served
            except OrchestratorError as error:
                unserved[role] = version
                problems.append(f"version {version} is not served as {role}: {error}")
                if role == Role.CHAMPION and present is not None:
                    roles[role] = present
        if rollout.champion is None and present is not None:
            problems.append(f"the registry names no champion; version {present.version} goes on answering")
            roles[Role.CHAMPION] = present
        weight = rollout.weight if Role.CANARY in roles else 0
        changed = roles != followed.roles or weight != followed.weight
        followed.roles, followed.weight, followed.unserved = roles, weight, unserved
        followed.problem, followed.away = "; ".join(problems) or None, False
        return changed

    def _fit(self, followed: FollowedModel, version: str) -> PreparedVersion:
        """A version that loads and answers as when it was made; what has failed fails again for a while."""
        before = followed.refused.get(version)
        if before is not None and time.monotonic() - before.since < before.pause:
            raise TrackingError(before.reason)
        try:
            served = self._prepare(f"models:/{followed.name}/{version}", followed.made)[0]
        except OrchestratorError as error:
            pause = FIRST_PAUSE if before is None else min(2 * before.pause, MOST_PAUSE)
            followed.refused[version] = RefusedVersion(str(error), pause, time.monotonic())
            raise
        followed.refused.pop(version, None)
        return served

    def _prepare(self, uri: str, made: int | None = None) -> tuple[PreparedVersion, str]:
        match = MODEL_URI.fullmatch(uri)
        known = (match["name"], match["version"], made) if match is not None and match["version"] else None
        if known is not None and known in self._prepared:
            return self._prepared[known], known[0]
        with tempfile.TemporaryDirectory(dir=self._place) as folder:
            source: ModelSource = fetch_model(uri, self._tracking_uri, Path(folder))
            key = f"{len(self._prepared)}-{source.version or 'folder'}-{Path(folder).name}"
            try:
                schema, execution = self._ready(source.path, self._place / key)
            except BaseException:
                # it may be tried again and again
                shutil.rmtree(self._place / key, ignore_errors=True)
                raise
        served = PreparedVersion(
            version=source.version,
            key=key,
            folder=self._place / key,
            schema=schema,
            execution=execution.name,
            reason=execution.reason,
        )
        self._prepared[source.name, source.version, made] = served
        return served, source.name

    def _ready(self, bundle: Path, folder: Path) -> tuple[Schema, Execution]:
        """Prepares a bundle that answers as it should; one that this machine has prepared before needs no torch."""
        files = read_folder(bundle)
        cached = key_of(files)
        if self._execution != "torch":
            model = check_prepared(cached)
            if model is not None and copy_prepared(cached, folder):
                return model.schema, model.execution
        from orchestrator.bundle import ReadBundle

        read = ReadBundle.of(files, bundle)
        check_answers(read.bundle)
        execution = prepare(read, folder, self._execution)
        if self._execution == "auto":
            keep_copy(cached, folder)
        return read.bundle.schema, execution

    def _forget(self) -> None:
        """Removes what is neither served nor likely to be again: all but the last eight that were prepared."""
        used = {served.key for served in self.all_served()}
        for known, served in list(self._prepared.items())[:-8]:
            if served.key not in used:
                del self._prepared[known]
                shutil.rmtree(served.folder, ignore_errors=True)


def _check_breaking(
    name: str, role: Role, served: PreparedVersion, champion: PreparedVersion | None, rollout: Rollout
) -> None:
    """Raises BreakingChangeError when callers of the champion would break, and nobody has said that they may."""
    accepted = rollout.breaking.get(role) == served.version
    changes = () if champion is None or accepted else breaking_changes(champion.schema, served.schema)
    if champion is None or not changes:
        return
    words = f"{name} {served.version}" if role == Role.CHAMPION else f"{name} --{role} {served.version}"
    raise BreakingChangeError(
        f"it breaks what callers of version {champion.version} rely on: {listed(changes)}; "
        f"to accept that: `orchestrator promote {words} --breaking`"
    )
