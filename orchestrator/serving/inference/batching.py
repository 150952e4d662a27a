"""Batches that never wait: a request that finds the model free is computed at once; what comes then is the next one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.bundle.engines import Network
from orchestrator.errors import ServingError
from orchestrator.inputs import Inputs

# shorter batches are computed where the requests are read: handing them to a thread would cost more
INLINE_SECONDS = 0.002
Observer = Callable[[int, int, float], None]


class OverloadedError(ServingError):
    """The queue is full.

    Attributes:
        retry_after: seconds after which it should be empty, at least 1.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("the endpoint is busy; try again")
        self.retry_after = retry_after


@dataclass(slots=True)
class _Waiting:
    inputs: Inputs
    answer: asyncio.Future[NDArray[np.float32]]


class Batcher:
    """Gathers the rows of requests into batches of one network, in the event loop that reads the requests.

    An event loop handles all sockets that are ready before it comes to what was scheduled meanwhile. So a batch that is
    scheduled by the first request and computed there holds all requests that had arrived by then, and nothing waits
    for others to come. A network that takes longer than 2 ms runs in a thread, and requests gather until it is back.
    """

    def __init__(
        self,
        network: Network,
        seconds: Callable[[int], float],
        *,
        executor: Executor,
        max_rows: int,
        max_waiting: int,
        observe: Observer,
    ) -> None:
        """Makes a batcher.

        Args:
            network: inputs -> float32 [rows, outputs].
            seconds: what a number of rows takes, about.
            executor: for long batches.
            max_rows: of a batch; a request with more rows is a batch of its own.
            max_waiting: requests that may wait, those in the running batch not counted.
            observe: told requests, rows and seconds of each batch.
        """
        self._network = network
        self._seconds = seconds
        self._executor = executor
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._scheduled = False
        self._running_since: float | None = None

    @property
    def length(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def is_slow(self, rows: int) -> bool:
        """Whether so many rows may take long, so that who waits for them wants a time limit."""
        return self._running_since is not None or self._seconds(rows) >= INLINE_SECONDS

    def stuck_for(self) -> float:
        """Seconds for which the present batch has been running."""
        return 0.0 if self._running_since is None else time.monotonic() - self._running_since

    def submit(self, inputs: Inputs) -> asyncio.Future[NDArray[np.float32]]:
        """Queues the rows of a request; cancelling what is returned takes them out again.

        Returns:
            A future of float32 [rows, outputs].

        Raises:
            OverloadedError: too many requests wait.
        """
        if len(self._waiting) >= self._max_waiting:
            raise OverloadedError(self._retry_after())
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[NDArray[np.float32]] = loop.create_future()
        self._waiting.append(_Waiting(inputs, answer))
        if not self._scheduled and self._running_since is None:
            self._scheduled = True
            loop.call_soon(self._next)
        return answer

    def _retry_after(self) -> int:
        rows = sum(len(entry.inputs) for entry in self._waiting)
        return max(1, math.ceil(self._seconds(max(1, rows))))

    def _next(self) -> None:
        self._scheduled = False
        batch, rows = self._take()
        if not batch:
            return
        loop = asyncio.get_running_loop()
        inputs = Inputs.joined([entry.inputs for entry in batch])
        started = time.monotonic()
        if self._seconds(rows) < INLINE_SECONDS:
            try:
                outputs = self._network(inputs)
            except Exception as error:  # a broken network is the request's answer, not the end of the loop
                _fail(batch, error)
            else:
                _hand_out(batch, outputs)
            self._observe(len(batch), rows, time.monotonic() - started)
            if self._waiting:
                # not in a loop here: sockets and timers come first
                self._scheduled = True
                loop.call_soon(self._next)
            return
        self._running_since = started
        running = loop.run_in_executor(self._executor, self._network, inputs)
        running.add_done_callback(lambda future: self._finished(batch, rows, started, future))

    def _finished(
        self, batch: list[_Waiting], rows: int, started: float, future: asyncio.Future[NDArray[np.float32]]
    ) -> None:
        self._running_since = None
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error is not None:
            _fail(batch, error if isinstance(error, Exception) else ServingError("the endpoint is stopping"))
        else:
            _hand_out(batch, future.result())
        self._observe(len(batch), rows, time.monotonic() - started)
        self._next()

    def _take(self) -> tuple[list[_Waiting], int]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting:
            entry = self._waiting[0]
            if entry.answer.done():
                self._waiting.popleft()
                continue
            if batch and rows + len(entry.inputs) > self._max_rows:
                break
            batch.append(self._waiting.popleft())
            rows += len(entry.inputs)
        return batch, rows


def _hand_out(batch: list[_Waiting], outputs: NDArray[np.float32]) -> None:
    start = 0
    for entry in batch:
        stop = start + len(entry.inputs)
        if not entry.answer.done():
            entry.answer.set_result(outputs[start:stop])
        start = stop


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error)
