"""One place for what all replicas have counted and for what they shall serve, with the files of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from orchestrator.errors import ServingError
from orchestrator.serving.telemetry.merging import Snapshot, empty, merge, retire
from orchestrator.serving.telemetry.prometheus import render
from orchestrator.serving.telemetry.summary import summary, total_requests

SILENT_SECONDS = 10.0
STEP_SECONDS = 2.0
RECENT_SECONDS = 60.0
# replicas that may still come back; what older ones have counted is kept as one sum
REMEMBERED = 64
PROCESS_FIELDS = ("pid", "memory", "notes", "in_flight", "draining")


class Collector:
    """Merges the snapshots of replicas; a plain class that runs as a Ray actor.

    A replica that has not pushed for 10 seconds is taken for gone: its counters stay in the totals, its gauges vanish.
    If it was only slow, its next snapshot takes the place of what was kept of it. A replica that restarts must have
    another name, because its counters begin at 0.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes one without replicas; `clock` gives seconds."""
        self._clock = clock
        self._live: dict[str, tuple[float, Snapshot]] = {}
        self._gone: dict[str, Snapshot] = {}
        self._retired = empty()
        self._served: dict[str, Any] = {}
        self._number = 0
        self._models: dict[str, Any] | None = None
        self._draining = False
        self._files: dict[str, dict[str, bytes]] = {}
        history_length = int(RECENT_SECONDS / STEP_SECONDS) + 2
        self._history: deque[tuple[float, Snapshot]] = deque([(clock(), empty())], maxlen=history_length)

    def push(self, replica: str, snapshot: Snapshot) -> int:
        """Takes what a replica has counted since it started, about once a second.

        Args:
            replica: its name.
            snapshot: see `merge`. It may also say what the replica is: `serving`, `pid`, `memory`, `notes`, `closed`.

        Returns:
            Number of the present configuration: a replica that has another one asks for it.
        """
        known = self._gone.pop(replica, None) or self._live.get(replica, (0.0, {}))[1]
        # two threads of a replica may send in another order than they counted
        newest = snapshot if snapshot["number"] > known.get("number", 0) else known
        self._live[replica] = (self._clock(), newest)
        if self._step_is_due():
            self._look()
        return self._number

    def publish(self, number: int, models: dict[str, Any]) -> None:
        """Takes what replicas are to serve, see `load_hosted_models`; a higher number is newer."""
        if number >= self._number:
            self._number, self._models = number, models

    def configuration(self) -> tuple[int, dict[str, Any] | None]:
        """The present configuration and its number; None before there is one."""
        return self._number, self._models

    def drain(self) -> None:
        """From now on replicas refuse what arrives; they are told as of a new configuration."""
        self._draining = True
        self._number += 1

    def draining(self) -> bool:
        """Whether replicas shall refuse what arrives."""
        return self._draining

    def set_served(self, served: dict[str, Any]) -> None:
        """Takes what the endpoint serves: model -> {"versions": {version: {"role", "execution"}}, "weight"}."""
        self._served = served

    def metrics(self) -> bytes:
        """Prometheus' text, see `prometheus.render`."""
        merged = self._look()
        closed = sum(bool(snapshot.get("closed")) for _, snapshot in self._live.values())
        return render(merged, self._served, len(self._live), closed)

    def summary(self) -> dict[str, Any]:
        """For people, as plain JSON.

        Returns:
            models: see `summary.summary`, over the last minute.
            replicas, replica_ids: that answer.
            last_error: {"model", "message", "time"}, time in seconds since 1970; None if there was none.
            requests: since the endpoint started.
            serving: replica -> model -> what it serves.
            processes: replica, pid, memory (bytes), notes, requests in flight of each, and whether it refuses others.
        """
        merged = self._look()
        now = self._clock()
        before = [entry for entry in self._history if now - entry[0] >= RECENT_SECONDS]
        when, minute_ago = before[-1] if before else self._history[0]
        errors = [{"model": model, **error} for model, error in merged["errors"].items()]
        return {
            "models": summary(merged, minute_ago, max(now - when, 1.0), self._served),
            "replicas": len(self._live),
            "replica_ids": sorted(self._live),
            "last_error": max(errors, key=lambda error: float(error["time"]), default=None),
            "requests": total_requests(merged),
            "serving": {replica: snapshot.get("serving", {}) for replica, (_, snapshot) in self._live.items()},
            "processes": [
                {"replica": replica, **{name: snapshot.get(name) for name in PROCESS_FIELDS}}
                for replica, (_, snapshot) in sorted(self._live.items())
            ],
        }

    def put_files(self, key: str, files: dict[str, bytes]) -> None:
        """Keeps the files of a bundle, path -> content, under a key."""
        self._files[key] = files

    def files(self, key: str) -> dict[str, bytes]:
        """The files of a bundle.

        Raises:
            ServingError: none were put under that key.
        """
        if key not in self._files:
            raise ServingError(f"the files of '{key}' are not here; deploy the model again")
        return self._files[key]

    def missing(self, keys: list[str]) -> list[str]:
        """Those of the keys under which there are no files."""
        return [key for key in keys if key not in self._files]

    def drop_files(self, keep: list[str]) -> None:
        """Forgets the files of all keys but those to keep."""
        self._files = {key: files for key, files in self._files.items() if key in keep}

    def _look(self) -> Snapshot:
        """Merges, and keeps the result from time to time."""
        self._retire_silent()
        gone = [retire(snapshot) for snapshot in self._gone.values()]
        merged = merge([self._retired, *gone, *(snapshot for _, snapshot in self._live.values())])
        if self._step_is_due():
            self._history.append((self._clock(), retire(merged)))
        return merged

    def _step_is_due(self) -> bool:
        return self._clock() - self._history[-1][0] >= STEP_SECONDS

    def _retire_silent(self) -> None:
        now = self._clock()
        for replica, (pushed, snapshot) in list(self._live.items()):
            if now - pushed > SILENT_SECONDS:
                del self._live[replica]
                self._gone[replica] = snapshot
        while len(self._gone) > REMEMBERED:
            oldest = next(iter(self._gone))
            self._retired = merge([self._retired, retire(self._gone.pop(oldest))])
