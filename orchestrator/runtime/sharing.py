"""Whether all nodes of a cluster see the same storage: if not, the weights of a trial would be lost with its node."""

from __future__ import annotations

import secrets
from pathlib import Path

from orchestrator.errors import ExecutionError
from orchestrator.storage import Storage

PATIENCE_SECONDS = 120.0


def check_shared(storage: Storage) -> None:
    """Has every other node look for a file that is written here. Object stores need no such check.

    Raises:
        ExecutionError: a node does not see it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    others = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    others.pop(here, None)
    if not others or not storage.is_local:
        return
    marker = f"shared-{secrets.token_hex(4)}"
    storage.write(marker, b"")

    task = ray.remote(num_cpus=0, max_retries=0)(_sees)
    answers = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            f"{storage.path}/{marker}"
        ): node
        for node in others
    }
    try:
        ready, late = ray.wait(list(answers), num_returns=len(answers), timeout=PATIENCE_SECONDS)
        blind = [others[answers[answer]] for answer in ready if not ray.get(answer)]
    except ray.exceptions.RayError as error:
        raise ExecutionError(f"a node could not say whether it sees {storage} ({str(error).splitlines()[0]})") from None
    finally:
        storage.remove(marker)
    if late:
        raise ExecutionError(f"the node {others[answers[late[0]]]} did not say whether it sees {storage}; is it busy?")
    if blind:
        raise ExecutionError(
            f"the node {blind[0]} does not see {storage}, where trials keep their weights; "
            "give --storage a folder that all nodes share, s3://... or gs://..."
        )


def _sees(path: str) -> bool:
    return Path(path).exists()
