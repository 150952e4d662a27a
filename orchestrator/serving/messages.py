"""What the parts of an endpoint tell each other: what replicas shall serve, and what they say of themselves.

`EndpointSupervisor` -> `Coordinator`: `AssignedModel`, `ServedModel`. `Coordinator` -> `Replica`: `Assignment`.
`Replica` -> `Coordinator`: `ReplicaReport`. They travel as they are, between processes that run the same version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.roles import Role

if TYPE_CHECKING:
    from orchestrator.serving.telemetry.merging import Counts


@dataclass(frozen=True)
class AssignedVersion:
    """A prepared version that replicas shall hold.

    Attributes:
        version: registered version, or None for a bundle's folder.
        key: names what was prepared; two with the same key are the same.
        folder: where it lies on the machine of the endpoint's own process.
    """

    version: str | None
    key: str
    folder: Path


@dataclass(frozen=True)
class AssignedModel:
    """The versions of one model that replicas shall hold.

    Attributes:
        champion: answers what the canary does not.
        canary, weight: answers so many percent of the requests.
        shadow: computes what the others answered, too; only who names its version sees its answers.
    """

    champion: AssignedVersion
    canary: AssignedVersion | None = None
    shadow: AssignedVersion | None = None
    weight: int = 0


@dataclass(frozen=True)
class Assignment:
    """What all replicas of an endpoint shall do now.

    Attributes:
        number: a higher one is newer.
        models: by name; None as long as nobody has said it.
        draining: whether to refuse what arrives, since the endpoint stops.
    """

    number: int = 0
    models: Mapping[str, AssignedModel] | None = None
    draining: bool = False


@dataclass(frozen=True)
class RoleVersions:
    """The registered version in each role of a model, None for a folder or nobody, and the canary's percentage."""

    champion: str | None = None
    canary: str | None = None
    shadow: str | None = None
    weight: int = 0

    def roles(self) -> Iterator[tuple[Role, str]]:
        """The roles that a version has."""
        for role in Role:
            version = getattr(self, role)
            if version is not None:
                yield role, version

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator status --json` shows it."""
        return asdict(self)


@dataclass(frozen=True)
class ServedVersion:
    """What metrics say of a version: its role, and what computes it."""

    role: Role
    execution: str = ""


@dataclass(frozen=True)
class ServedModel:
    """What metrics say of a model.

    Attributes:
        versions: by registered version, "" for a folder.
        weight: percent of the canary.
        unserved: role -> version that the registry names and that is not served.
    """

    versions: Mapping[str, ServedVersion]
    weight: int = 0
    unserved: Mapping[Role, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReplicaReport:
    """What a replica says of itself, about once a second.

    Attributes:
        replica: its name; one that restarts must have another name, because its counters begin at 0.
        counts: since it started.
        serving: what it answers with, by model.
        notes: sentences about what does not work as it should, though requests are answered.
        closed: whether it lets nobody in, because its token file cannot be used.
        in_flight: requests that it has not answered yet.
        draining: whether it refuses what arrives.
        finished: whether it has answered and written down all that it ever will.
        pid: of its process.
        memory: bytes that are resident.
    """

    replica: str
    counts: Counts
    serving: Mapping[str, RoleVersions] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    closed: bool = False
    in_flight: int = 0
    draining: bool = False
    finished: bool = False
    pid: int = 0
    memory: int = 0
