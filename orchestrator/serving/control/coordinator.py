"""The actor between an endpoint's own process and its replicas, which come and go."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.serving.control.distributor import Distributor
from orchestrator.serving.messages import AssignedModel, Assignment, ReplicaReport, ServedModel
from orchestrator.serving.status import EndpointSummary
from orchestrator.serving.telemetry.collector import Collector

COORDINATOR = "orchestrator-coordinator"
NAMESPACE = "orchestrator-serving"


class Coordinator:
    """What replicas have counted goes to its collector, what they shall serve comes from its distributor.

    A plain class that runs as a Ray actor: one process does for both.
    """

    def __init__(self) -> None:
        self._collector = Collector()
        self._distributor = Distributor()

    def push(self, report: ReplicaReport) -> int:
        """Takes a replica's report.

        Returns:
            Number of the present assignment: a replica that has another one asks for it.
        """
        self._collector.push(report)
        return self._distributor.assignment.number

    def assignment(self) -> Assignment:
        """What replicas shall serve now."""
        return self._distributor.assignment

    def publish(self, number: int, models: Mapping[str, AssignedModel]) -> None:
        """See `Distributor.publish`."""
        self._distributor.publish(number, models)

    def drain(self) -> None:
        """See `Distributor.drain`."""
        self._distributor.drain()

    def set_served(self, served: Mapping[str, ServedModel]) -> None:
        """See `Collector.set_served`."""
        self._collector.set_served(served)

    def summary(self) -> EndpointSummary:
        """See `Collector.summary`."""
        return self._collector.summary()

    def metrics(self) -> bytes:
        """See `Collector.metrics`."""
        return self._collector.metrics()

    def put_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """See `Distributor.put_files`."""
        self._distributor.put_files(key, files)

    def files(self, key: str) -> Mapping[str, bytes]:
        """See `Distributor.files`."""
        return self._distributor.files(key)

    def missing(self, keys: list[str]) -> list[str]:
        """See `Distributor.missing`."""
        return self._distributor.missing(keys)

    def drop_files(self, keep: list[str]) -> None:
        """See `Distributor.drop_files`."""
        self._distributor.drop_files(keep)
