"""What the registry says, brought to the coordinator, from which replicas take it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.environment import step_aside
from orchestrator.serving.control.control_socket import serving_sentence
from orchestrator.serving.control.registry_watcher import FollowedModel, RegistryWatcher
from orchestrator.serving.messages import AssignedModel, RoleVersions

logger = logging.getLogger(__name__)
FOLLOW_SECONDS = 2.0
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
QUESTION_SECONDS = 5.0


class News:
    """What the user of an endpoint in the foreground has not been told yet about its models."""

    def __init__(self, models: Mapping[str, FollowedModel]) -> None:
        """The present state counts as told."""
        self._models = models
        self._told = {name: _state(model) for name, model in models.items()}

    def sentences(self) -> list[str]:
        """What has changed since the last call."""
        found = []
        for name, model in self._models.items():
            (serving, problem, away), self._told[name] = self._told[name], _state(model)
            if model.serving() != serving:
                found.append(f"{name} answers with {serving_sentence(model.serving())}")
            if away and not model.away:
                found.append(f"{name}: the registry is followed again")
            if model.problem not in (None, problem):
                found.append(f"{name}: {model.problem}")
            elif model.problem is None and problem is not None and not away:
                found.append(f"{name}: all that the registry names is served")
        return found


def _state(model: FollowedModel) -> tuple[RoleVersions, str | None, bool]:
    return model.serving(), model.problem, model.away


class Publisher:
    """Gives the coordinator of an endpoint what its replicas shall serve."""

    def __init__(self, watcher: RegistryWatcher, coordinator: Any, *, files: bool, number: int = 0) -> None:  # noqa: ANN401
        """Publishes nothing yet.

        Args:
            watcher: knows what the registry says.
            coordinator: handle of the actor.
            files: whether replicas run on other machines, so that they get the files of models from the coordinator.
            number: of what was published before; what comes now has higher ones.
        """
        self._watcher = watcher
        self._coordinator = coordinator
        self._files = files
        # number and content in one, so that the thread that repeats it never gives a new number to an old one
        self._wanted: tuple[int, Mapping[str, AssignedModel]] = (number, {})

    def apply(self, models: Mapping[str, AssignedModel]) -> None:
        """Gives the coordinator what the replicas shall serve; they take it over within a second or two."""
        self._wanted = (self._wanted[0] + 1, models)
        self.publish()

    def publish(self) -> None:
        """Again and again: a coordinator that was started anew knows nothing."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            if self._files:
                folders = {served.key: served.folder for served in self._watcher.all_served()}
                for key in ray.get(self._coordinator.missing.remote(list(folders))):
                    files = {path.name: path.read_bytes() for path in folders[key].iterdir()}
                    ray.get(self._coordinator.put_files.remote(key, files))
                self._coordinator.drop_files.remote(list(folders))
            ray.get(self._coordinator.set_served.remote(self._watcher.served()), timeout=QUESTION_SECONDS)
            number, models = self._wanted
            ray.get(self._coordinator.publish.remote(number, dict(models)), timeout=QUESTION_SECONDS)

    def follow(self, only: str | None) -> None:
        """Looks at the registry once, see `RegistryWatcher.follow`."""
        self._watcher.follow(self.apply, only)

    def follow_in_background(
        self,
        stop: threading.Event,
        notify: Callable[[str], None],
        notes: Callable[[], frozenset[str]] = frozenset,
    ) -> threading.Thread:
        """Follows the registry in a thread: one that does not answer must not keep the endpoint from stopping.

        Args:
            stop: ends it.
            notify: is told what has changed.
            notes: sentences of replicas, of which new ones are told, too.

        Returns:
            The thread.
        """
        # a look that fails is repeated soon anyway; MLflow would try for minutes, and say nothing meanwhile
        for name, value in IMPATIENT.items():
            os.environ.setdefault(name, value)
        thread = threading.Thread(target=self._follow_always, args=(stop, notify, notes), daemon=True, name="follow")
        thread.start()
        return thread

    def _follow_always(
        self, stop: threading.Event, notify: Callable[[str], None], notes: Callable[[], frozenset[str]]
    ) -> None:
        step_aside()
        news = News(self._watcher.models)
        noted: frozenset[str] = frozenset()
        while not stop.wait(FOLLOW_SECONDS):
            try:
                self.follow(None)
                self.publish()
            except Exception as error:  # a full disk, say: the next look may find it better
                logger.exception("the registry could not be followed")
                self._watcher.give_up(error)
            found = notes()
            # whoever has read this may be gone, the endpoint goes on
            with contextlib.suppress(OSError):
                for sentence in [*news.sentences(), *sorted(found - noted)]:
                    notify(sentence)
            noted = found
