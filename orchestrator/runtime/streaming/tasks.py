"""Tasks that read the files of a folder on all nodes of the cluster: its first pass, and parts that are read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ray

from orchestrator.data import Examples, Part, Pieces
from orchestrator.errors import ExecutionError, OrchestratorError


def run_on_cluster(function: Any, numbers: Iterable[int]) -> Iterator[Any]:  # noqa: ANN401
    """`map` over the cores of the cluster; results come as they are done.

    Raises:
        OrchestratorError: as the function raised it.
        ExecutionError: a process was lost.
    """
    shared = ray.put(function)
    task = _task(_call)
    for (reference,) in _started(lambda number: [task.remote(shared, number)], numbers):
        yield _result(reference)


def encoded_part(pieces: Pieces, part: Part) -> Iterator[Any]:
    """References to the encoded rows of a part, one `Examples` for each piece; what memory does not hold is spilled.

    Raises:
        OrchestratorError: a piece could not be read.
    """
    shared = ray.put(pieces)
    task = _task(_encode).options(num_returns=2)
    for count, rows in _started(lambda number: task.remote(shared, number, part), range(len(pieces.piece_rows))):
        # fails if the task did, without fetching the rows
        _result(count)
        yield rows


def fetch(references: Iterable[Any]) -> Iterator[Examples]:
    """What `encoded_part` refers to, one after another."""
    for reference in references:
        yield _result(reference)


def _task(function: Any) -> Any:  # noqa: ANN401
    # no core is asked for: gangs that wait for their next trial, or another sweep, may hold them all
    return ray.remote(num_cpus=0, scheduling_strategy="SPREAD")(function)


def _started(start: Callable[[int], list[Any]], numbers: Iterable[int]) -> Iterator[list[Any]]:
    """References to the results of tasks as they are done; no more run at once than the cluster has cores."""
    limit = max(1, int(ray.cluster_resources().get("CPU", 1)))
    running: dict[Any, list[Any]] = {}

    def one() -> list[Any]:
        (ready,), _ = ray.wait(list(running), num_returns=1)
        return running.pop(ready)

    for number in numbers:
        if len(running) >= limit:
            yield one()
        references = start(number)
        running[references[0]] = references
    while running:
        yield one()


def _call(function: Any, number: int) -> Any:  # noqa: ANN401
    return function(number)


def _encode(pieces: Pieces, number: int, part: Part) -> tuple[int, Examples]:
    examples = pieces.read(number, part)
    return len(examples), examples


def _result(reference: Any) -> Any:  # noqa: ANN401
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OrchestratorError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ExecutionError(f"a process that reads the data was lost ({str(error).splitlines()[0]})") from None
