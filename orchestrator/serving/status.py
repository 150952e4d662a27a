"""What people are told of an endpoint: in `orchestrator status`, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.serving.messages import RoleVersions


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """The figures of one version of a model.

    Attributes:
        model, version, role: "" for the version of a bundle's folder.
        requests, rows, errors: since the endpoint started; errors are answers with status 500 or above. For a shadow
            the copies of requests, and those that it did not answer.
        refused: requests that reached this version and were not computed: they did not fit, or it was too busy.
        requests_per_second, p50_ms, p99_ms: of the last minute; None for times of no request.
        share: of the model's requests in the last minute that this version has answered, 0 to 1.
        differences: rows that a shadow answered with another label, or a value further away than a hundredth of the
            target's standard deviation; 0 if it never was one.
        tolerance: that hundredth; None for labels.
        mean_difference, largest_difference: of a probability, or of a value in the target's unit.
        observed_rows: recent rows that `psi` is about.
        psi: population stability index by column; empty below 200 rows or without training counts.
        worst_column: the one with the largest, or None.
    """

    model: str
    version: str
    role: str
    requests: int
    rows: int
    errors: int
    refused: int
    requests_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    share: float
    differences: int
    tolerance: float | None
    mean_difference: float
    largest_difference: float
    observed_rows: int
    psi: Mapping[str, float]
    worst_column: str | None


@dataclass(frozen=True, kw_only=True)
class ReplicaStatus:
    """One replica: its process, bytes of memory, sentences about what does not work, and requests in its hands.

    One that is draining refuses what arrives; one that is finished has answered and written down all that it ever will.
    """

    replica: str
    pid: int
    memory: int
    notes: tuple[str, ...]
    in_flight: int
    draining: bool
    finished: bool


@dataclass(frozen=True, kw_only=True)
class LastError:
    """A request that could not be answered: of which model, why, and when (seconds since 1970)."""

    model: str
    message: str
    time: float


@dataclass(frozen=True, kw_only=True)
class EndpointSummary:
    """What all replicas of an endpoint have counted.

    Attributes:
        models: the versions that are served.
        replicas, replica_ids: that answer.
        last_error: or None if there was none.
        requests: since the endpoint started.
        serving: replica -> model -> what it answers with.
        processes: the replicas, by name.
    """

    models: tuple[VersionSummary, ...] = ()
    replicas: int = 0
    replica_ids: tuple[str, ...] = ()
    last_error: LastError | None = None
    requests: int = 0
    serving: Mapping[str, Mapping[str, RoleVersions]] = field(default_factory=dict)
    processes: tuple[ReplicaStatus, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        content = asdict(self)
        return {**content, **{name: list(content[name]) for name in ("models", "replica_ids", "processes")}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> EndpointSummary:
        """The inverse of `to_json`; raises TypeError or KeyError for the JSON of another version of this program."""
        error = content["last_error"]
        return cls(
            models=tuple(VersionSummary(**row) for row in content["models"]),
            replicas=content["replicas"],
            replica_ids=tuple(content["replica_ids"]),
            last_error=None if error is None else LastError(**error),
            requests=content["requests"],
            serving={
                replica: {model: RoleVersions(**roles) for model, roles in models.items()}
                for replica, models in content["serving"].items()
            },
            processes=tuple(
                ReplicaStatus(**{**process, "notes": tuple(process["notes"])}) for process in content["processes"]
            ),
        )


@dataclass(frozen=True, kw_only=True)
class EndpointStatus:
    """An endpoint of this machine.

    Attributes:
        name, url, pid: of its deployment.
        models: names of what it was deployed with.
        state: `answering`, `starting`, `stopping`, `not answering` or `dead`.
        ingress: `haproxy` or `python`, None while that is not known.
        problems: sentences about what does not work as it should.
        summary: None where it could not be asked.
        unknown: why it could not be asked.
    """

    name: str
    models: tuple[str, ...]
    url: str
    pid: int
    state: str
    ingress: str | None = None
    problems: tuple[str, ...] | None = None
    summary: EndpointSummary | None = None
    unknown: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator status --json` shows it: `models` are names until there are figures."""
        shown: dict[str, Any] = {
            "name": self.name,
            "models": list(self.models),
            "url": self.url,
            "pid": self.pid,
            "state": self.state,
        }
        if self.summary is not None:
            shown |= self.summary.to_json()
        if self.ingress is not None:
            shown["ingress"] = self.ingress
        if self.problems is not None:
            shown["problems"] = list(self.problems)
        if self.unknown is not None:
            shown["last_error"] = self.unknown
        return shown
