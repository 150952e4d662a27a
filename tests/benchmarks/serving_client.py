"""A client that sends requests at a constant rate, whatever the answers do (an open loop), for `serving_load.py`.

Reads a `Plan` as JSON from stdin, and writes what became of each request to a NumPy file. Latencies count from the
moment at which a request should have been sent, so what a stalled endpoint makes others wait for is in them. Each
answer is compared with what the version that it names should say.
"""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import sys
import time
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

MAX_CONNECTIONS, FIRST_CONNECTIONS = 128, 16
ANSWER_SECONDS = 40.0
MAX_KNOWN = 100_000
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
# what has no status of HTTP
REFUSED, BROKEN, LATE, WRONG = -1, -2, -3, -4
OUTCOMES = {
    REFUSED: "no connection",
    BROKEN: "connection closed before the answer",
    LATE: f"no answer within {ANSWER_SECONDS:.0f} s",
    WRONG: "wrong answer",
}


@dataclass(frozen=True)
class Plan:
    """What a client does.

    Attributes:
        host, port, path: where it asks.
        bodies: sent one after another.
        expected: version -> label and probabilities (or value) for each body, as `/predict` gives them.
        start: when to begin, on the monotonic clock of the machine.
        rate: requests per second.
        seconds: how long.
        output: a file for NumPy.
    """

    host: str
    port: int
    path: str
    bodies: list[str]
    expected: dict[str, list[dict[str, Any]]]
    start: float
    rate: float
    seconds: float
    output: str


@dataclass(slots=True)
class Asked:
    """A request: when it should have been sent, when the client came to it, when it was sent, and which body."""

    due: float
    asked: float
    body: int
    sent: float = 0.0


class Connection(asyncio.Protocol):
    """One connection that is kept."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.transport: asyncio.Transport
        self.buffer = b""
        self.asked: Asked | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.client.free(self)

    def send(self, asked: Asked) -> None:
        self.asked = asked
        asked.sent = self.client.loop.time()
        self.transport.write(self.client.requests[asked.body])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(HEAD_END)
        if end < 0:
            return
        head = self.buffer[: end + 2]
        length = LENGTH.search(head)
        size = end + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(self.buffer) < size:
            return
        body, self.buffer = self.buffer[end + len(HEAD_END) : size], self.buffer[size:]
        asked, self.asked = self.asked, None
        if asked is None:
            # an answer that nobody has asked for, as a proxy gives before it closes an idle connection
            self.transport.close()
            return
        self.client.answered(asked, int(head[9:12]), body)
        if b"\r\nconnection: close" in head.lower():
            self.transport.close()
        else:
            self.client.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        asked, self.asked = self.asked, None
        self.client.lost(self)
        if asked is not None:
            self.client.note(asked, BROKEN)


class Client:
    """Sends, and remembers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = asyncio.get_running_loop()
        head = f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
        self.requests = [f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in plan.bodies]
        self.idle: list[Connection] = []
        self.connections: set[Connection] = set()
        self.connecting = 0
        self.waiting: deque[Asked] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        # answers repeat: what was compared once is known by its bytes
        self.known: dict[tuple[int, bytes], tuple[int, int]] = {}
        self.due, self.asked, self.sent, self.done = array("d"), array("d"), array("d"), array("d")
        self.status, self.version = array("h"), array("h")

    async def run(self) -> None:
        plan = self.plan
        for _ in range(FIRST_CONNECTIONS):
            self._open()
        watching = asyncio.create_task(self._watch())
        total = int(plan.rate * plan.seconds)
        for number in range(total):
            due = plan.start + number / plan.rate
            left = due - self.loop.time()
            # also when it is late: answers have to be read
            if left > 0 or number % 16 == 0:
                await asyncio.sleep(max(0.0, left))
            self._ask(Asked(due, self.loop.time(), number % len(plan.bodies)))
        deadline = self.loop.time() + ANSWER_SECONDS + 5
        while len(self.due) < total and self.loop.time() < deadline:
            await asyncio.sleep(0.1)
        watching.cancel()

    def _ask(self, asked: Asked) -> None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                connection.send(asked)
                return
        self.waiting.append(asked)
        if len(self.connections) + self.connecting < MAX_CONNECTIONS:
            self._open()

    def _open(self) -> None:
        async def connect() -> None:
            try:
                await self.loop.create_connection(lambda: Connection(self), self.plan.host, self.plan.port)
            except OSError:
                if self.waiting:
                    self.note(self.waiting.popleft(), REFUSED)
            finally:
                self.connecting -= 1

        self.connecting += 1
        task = self.loop.create_task(connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def free(self, connection: Connection) -> None:
        self.connections.add(connection)
        if self.waiting:
            connection.send(self.waiting.popleft())
        else:
            self.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if self.waiting and len(self.connections) + self.connecting < MAX_CONNECTIONS:
            self._open()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            late = self.loop.time() - ANSWER_SECONDS
            for connection in [one for one in self.connections if one.asked and one.asked.sent < late]:
                asked, connection.asked = connection.asked, None
                self.note(asked, LATE)
                connection.transport.abort()
            while self.waiting and self.waiting[0].asked < late:
                self.note(self.waiting.popleft(), LATE)

    def answered(self, asked: Asked, status: int, body: bytes) -> None:
        """Takes an answer of HTTP."""
        if status != 200:
            self.note(asked, status)
            return
        key = asked.body, body
        verdict = self.known.get(key)
        if verdict is None:
            verdict = self._judge(asked.body, body)
            if len(self.known) < MAX_KNOWN:
                self.known[key] = verdict
        self.note(asked, *verdict)

    def _judge(self, number: int, body: bytes) -> tuple[int, int]:
        """200, or WRONG, and the version."""
        try:
            content = orjson.loads(body)
            version = int(content["model"]["version"])
            right = _same(content["predictions"][0], self.plan.expected[str(version)][number])
        except (ValueError, KeyError, TypeError, IndexError):
            return WRONG, 0
        return 200 if right else WRONG, version

    def note(self, asked: Asked, status: int, version: int = 0) -> None:
        """Remembers what became of a request."""
        now = self.loop.time()
        self.due.append(asked.due)
        self.asked.append(asked.asked)
        self.sent.append(asked.sent or now)
        self.done.append(now)
        self.status.append(status)
        self.version.append(version)


def _same(answer: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether an answer to a row is the expected one, up to 1e-5."""
    if "value" in expected:
        return bool(abs(answer["value"] - expected["value"]) <= 1e-5 * max(1.0, abs(expected["value"])))
    shares, wanted = answer["probabilities"], expected["probabilities"]
    close = all(abs(shares[name] - share) <= 1e-5 for name, share in wanted.items())
    return close and len(shares) == len(wanted) and answer["label"] == expected["label"]


async def main() -> None:
    plan = Plan(**json.loads(sys.stdin.read()))
    client = Client(plan)
    await client.run()
    np.savez(
        plan.output,
        due=np.array(client.due),
        asked=np.array(client.asked),
        sent=np.array(client.sent),
        done=np.array(client.done),
        status=np.array(client.status),
        version=np.array(client.version),
        # seconds of a core for each request
        cost=np.full(len(client.due), time.process_time() / max(1, len(client.due))),
    )


if __name__ == "__main__":
    # select() takes microseconds; epoll would wait for whole milliseconds
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main())
