"""Who has the cores that a sweep waits for: its own workers that are starting, other sweeps, endpoints, others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMESPACE = b"orchestrator"
# what Ray Train calls the workers of a gang
GANG_WORKER = "RayTrainWorker"
REPLICA = "ServeReplica"
# what shares out the cluster, of whoever was the first to need it
SHARES = "SharesActor"
DEAD = "DEAD"
# actors of Ray itself, which need no core
UNIMPORTANT = (
    "JobSupervisor",
    "ServeController",
    "ProxyActor",
    "HAProxyManager",
    "Rendezvous",
    "Collector",
    "TrainController",
    SHARES,
)
MOST_SHOWN = 3


@dataclass(frozen=True)
class Actor:
    """A process of Ray that is there or starting.

    Attributes:
        id: in hexadecimal digits.
        job: the program that it belongs to.
        kind: the name of its class.
    """

    id: str
    job: str
    kind: str


def living_actors() -> list[Actor]:
    """All of the cluster; dead ones left out."""
    from ray._private.state import actors

    return [
        Actor(name, found["JobID"], found["ActorClassName"])
        for name, found in actors().items()
        if found["State"] != DEAD
    ]


def free_nodes() -> list[Mapping[str, float]]:
    """What each node of the cluster has that nobody uses, such as `{"CPU": 2.0}`."""
    from ray._private.state import available_resources_per_node

    return list(available_resources_per_node().values())


def own_job() -> str:
    """This program, as Ray knows it."""
    import ray

    return str(ray.get_runtime_context().get_job_id())


def store() -> Any:  # noqa: ANN401
    """Ray's key-value store, of the connection that this process has now (`internal_kv` keeps an earlier one's)."""
    from ray._private import worker

    return worker.global_worker.gcs_client


def introduce(what: str) -> None:
    """Lets other programs on the cluster know who this one is, such as `the sweep adult-20260131-120000-1a2b`."""
    store().internal_kv_put(own_job().encode(), what.encode(), True, NAMESPACE)


def programs() -> dict[str, str]:
    """What the programs on the cluster are, by their job: as they introduced themselves, or their command."""
    from ray._private.state import jobs

    kept = store()
    found = {}
    for job in jobs():
        name = kept.internal_kv_get(job["JobID"].encode(), NAMESPACE)
        found[job["JobID"]] = name.decode() if name else f"`{_command(job['Entrypoint'])}`"
    return found


def is_starting(actors: Iterable[Actor], before: Collection[str], job: str, *, gangs: bool) -> bool:
    """Whether a worker of a sweep has its place, and is about to be there.

    Args:
        actors: that there are.
        before: ids of those that were there before the sweep.
        job: of the sweep.
        gangs: whether trials are trained by gangs, whose other processes need no place.
    """
    own = [actor for actor in actors if actor.job == job and SHARES not in actor.kind]
    if gangs:
        # the first ones may have been there before
        return any(GANG_WORKER in actor.kind for actor in own)
    return any(actor.id not in before for actor in own)


def holders(actors: Iterable[Actor], before: Collection[str], job: str, names: Mapping[str, str]) -> str:
    """Half a sentence about who has the cores; empty if nobody is known.

    Args:
        actors, before, job: see `is_starting`.
        names: of programs, by their job.
    """
    found = {}
    for actor in actors:
        own = actor.job == job and (actor.id not in before or GANG_WORKER in actor.kind)
        if own or any(kind in actor.kind for kind in UNIMPORTANT):
            continue
        name = "other work of this program" if actor.job == job else names.get(actor.job, "another program")
        found[f"an endpoint of {name}" if REPLICA in actor.kind and "endpoint" not in name else name] = True
    shown = list(found)[:MOST_SHOWN]
    if len(found) > MOST_SHOWN:
        shown.append(f"{len(found) - MOST_SHOWN} more")
    return f"held by {', '.join(shown)}" if shown else ""


def _command(entrypoint: str) -> str:
    """A command without the folders of its programs."""
    words = [Path(word).name if word.startswith("/") else word for word in entrypoint.split()]
    return " ".join(words)[:60]
