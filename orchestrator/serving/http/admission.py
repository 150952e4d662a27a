"""How much of what requests hold is worked on at a time: the rest waits, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.serving.http.media_types import BodyForm

# Python needs about a hundred bytes for a cell while a body is parsed
CELLS_AT_ONCE = 500_000
# binary tensors: a text has four bytes for its length, numbers of fewer bytes are kept only once
BINARY_BYTES = 4
# in CSV, one of them is between cells
DELIMITERS = (b",", b";", b"\t", b"|", b":", b" ")


class FullError(Exception):
    """There is no room, and it cannot be waited for."""


class Memory:
    """Bytes that are shared out without waiting."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0


class Share:
    """What one request has of them.

    Attributes:
        size: so many.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size = 0

    def add(self, size: int) -> None:
        """Takes more; whoever is alone may take more than there is. Raises FullError when others have too much."""
        if not self.fits(size):
            raise FullError
        self._memory.taken += size
        self.size += size

    def fits(self, size: int) -> bool:
        """Whether there is so much more."""
        memory = self._memory
        return memory.taken == self.size or memory.taken + size <= memory.total

    def shrink(self, size: int) -> None:
        """Gives back what is more than a size."""
        self._memory.taken -= max(0, self.size - size)
        self.size = min(self.size, size)

    def release(self) -> None:
        """Gives all back; may be done twice."""
        self._memory.taken -= self.size
        self.size = 0


class Budget:
    """An amount that is shared out in one event loop; an amount larger than all of it is taken alone."""

    def __init__(self, total: int, max_waiting: int, seconds: float) -> None:
        """Makes one of which nothing is taken.

        Args:
            total: what there is.
            max_waiting: how many may wait at a time.
            seconds: for which each may wait.
        """
        self._total = total
        self._max_waiting = max_waiting
        self._seconds = seconds
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """What is taken now."""
        return self._taken

    @asynccontextmanager
    async def taking(self, amount: int) -> AsyncIterator[None]:
        """Takes an amount while the context is open.

        Raises:
            FullError: there is not so much, and it cannot be waited for.
        """
        if self._waiting or not self._fits(amount):
            await self._wait(amount)
        else:
            self._taken += amount
        try:
            yield
        finally:
            self._taken -= amount
            self._admit()

    async def _wait(self, amount: int) -> None:
        if len(self._waiting) >= self._max_waiting:
            raise FullError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except TimeoutError:
            self._leave(amount, turn)
            raise FullError from None
        except asyncio.CancelledError:
            self._leave(amount, turn)
            raise

    def _leave(self, amount: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            # it was admitted at the very moment
            self._taken -= amount
        else:
            turn.cancel()
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            amount, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(amount):
                    return
                self._taken += amount
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, amount: int) -> bool:
        return not self._taken or self._taken + amount <= self._total


def most_cells(body: bytes, form: BodyForm) -> int:
    """How many values a body can hold: in JSON, each follows a comma or begins a list or an object."""
    if form is BodyForm.BINARY:
        return len(body) // BINARY_BYTES + 1
    if form is BodyForm.CSV:
        return max(map(body.count, DELIMITERS)) + body.count(b"\n") + body.count(b"\r") + 1
    return body.count(b",") + body.count(b"[") + body.count(b"{") + 1
