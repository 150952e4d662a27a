"""Thousands of mutated requests over raw sockets against an endpoint: it must refuse them, and go on answering.

Usage: python tests/benchmarks/serving_fuzz.py [--requests 10000] [--seed 0] [--ingress haproxy] [--only NUMBER]

The first two thirds go to an endpoint for everybody, the others to one with a token file. Wanted: no status of 500 or
above but 503, an answer or the end of each connection within seconds, right answers to valid requests in between, the
same replica processes at the end with no more memory, nothing about the machine or its libraries in any answer, and
no answer without a token where one is needed.

`--only` sends one attack and shows what comes back. Ends with 1 when something was found.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil
from serving_mutations import MAX_BODY, MODEL, PATHS, Attack, Mutator, request, valid_bodies
from serving_support import Place, expected_answers, megabytes, rows_of, same, to_json

TOKEN = "t" * 40
TIMEOUT = 3
# the endpoint waits so long for a body, HAProxy another 10 s for what is left of one that was refused
PATIENCE = 2 * TIMEOUT + 15.0
THREADS = 8
VALID_EVERY = 10
SETTLED = 2000
GROWTH, GROWTH_MB = 0.10, 30
SHOWN = 12
LIBRARIES = ("ray", "torch", "mlflow", "orjson", "onnxruntime", "numpy", "pandas", "uvicorn", "starlette", "fastapi")


@dataclass
class Reply:
    """What came back on a connection.

    Attributes:
        statuses: of the answers that were whole.
        content: everything.
        ended: whether the server closed the connection, or has answered all that was asked.
        seconds: until then.
    """

    statuses: list[int] = field(default_factory=list)
    content: bytes = b""
    ended: bool = False
    seconds: float = 0.0


class Reader:
    """Takes answers out of the bytes of a connection."""

    def __init__(self, head_only: bool) -> None:
        self.buffer = b""
        self.statuses: list[int] = []
        self._head_only = head_only

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self.buffer += data
        while (size := self._size()) is not None and len(self.buffer) >= size:
            status = int(self.buffer[9:12])
            self.buffer = self.buffer[size:]
            if status >= 200:
                self.statuses.append(status)

    def _size(self) -> int | None:
        """Bytes of the first answer, None while that is not known."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or not re.match(rb"HTTP/1\.[01] \d{3}", self.buffer):
            return None
        head = self.buffer[: end + 2].lower()
        if self._head_only or self.buffer[9:10] == b"1" or self.buffer[9:12] in (b"204", b"304"):
            return end + 4
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if length:
            return end + 4 + int(length[1])
        if b"transfer-encoding: chunked" in head:
            last = self.buffer.find(b"0\r\n\r\n", end)
            return None if last < 0 else last + 5
        return None


def exchange(port: int, attack: Attack) -> Reply:
    """Sends an attack and reads until there is nothing to wait for, or patience ends."""
    reply, reader = Reply(), Reader(attack.head_only)
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        sender = threading.Thread(target=_send, args=(connection, attack), daemon=True)
        sender.start()
        deadline = started + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                data = connection.recv(1 << 16)
            except TimeoutError:
                break
            except OSError:
                data = b""
            reply.content += data
            reader.feed(data)
            answered = len(reader.statuses) >= attack.answers
            reply.ended = reply.ended or not data or answered
            if not data or (answered and not attack.half_close):
                break
            if answered:
                # what follows, if anything does, follows at once
                deadline = min(deadline, time.monotonic() + 1)
        reply.seconds = time.monotonic() - started
        _shut(connection)
        sender.join(PATIENCE)
    reply.statuses = reader.statuses
    return reply


def _send(connection: socket.socket, attack: Attack) -> None:
    try:
        connection.sendall(attack.content)
        if attack.half_close:
            connection.shutdown(socket.SHUT_WR)
    except OSError:
        # the server has answered and closed already
        return


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class Fuzz:
    """One endpoint and what was found about it."""

    def __init__(self, place: Place, port: int, bundle: Path, headers: list[tuple[str, str]], seed: int) -> None:
        from support import mixed_frame

        from orchestrator.bundle import ModelBundle

        model = ModelBundle.load(bundle)
        rows = rows_of(mixed_frame(), model.schema, 3)
        self.place, self.port, self.headers = place, port, headers
        bodies = valid_bodies(model.schema, rows)
        self.mutator = Mutator(bodies, headers, seed)
        self.valid = [request(PATHS[route], to_json(content), headers) for route, content in bodies.items()]
        self.expected = expected_answers(model, rows)
        self.statuses: Counter[str] = Counter()
        self.by_kind: dict[str, Counter[str]] = {}
        self.found: list[str] = []
        self._lock = threading.Lock()
        secrets = [
            str(place.folder),
            sys.prefix,
            str(Path.home()),
            str(Path.cwd()),
            "Traceback",
            'File "',
            "site-packages",
        ]
        secrets += [found for library in LIBRARIES if (found := version(library)).count(".") >= 2]
        self._secrets = [secret.encode() for secret in secrets if len(secret) > 3]

    def one(self, number: int) -> None:
        """An attack, and now and then a valid request."""
        attack = self.mutator.attack(number)
        try:
            reply = exchange(self.port, attack)
        except OSError as error:
            self._note(number, attack, Reply(), f"no connection: {error}")
            return
        bad = [status for status in reply.statuses if status >= 500 and status != 503]
        leaks = [secret.decode() for secret in self._secrets if secret in reply.content]
        problem = None
        if bad:
            problem = f"status {bad[0]}"
        elif attack.stranger and attack.kind != "path" and 200 in reply.statuses:
            problem = "an answer without a token"
        elif leaks:
            problem = f"the answer holds {', '.join(leaks)}"
        elif not reply.ended:
            problem = f"neither an answer nor an end within {PATIENCE:.0f} s"
        self._note(number, attack, reply, problem)
        if number % VALID_EVERY == 0:
            self.check_valid(number)

    def check_valid(self, number: int) -> None:
        """A request that has to be answered, and rightly."""
        import orjson

        route = number // VALID_EVERY % len(self.valid)
        try:
            reply = exchange(self.port, Attack("valid", self.valid[route]))
            content = orjson.loads(reply.content.partition(b"\r\n\r\n")[2])
            right = same(_answers(content), self.expected)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reply, right = Reply(content=repr(error).encode()), False
        with self._lock:
            self.statuses[f"valid {reply.statuses[0] if reply.statuses else 'without an answer'}"] += 1
            if not right:
                self.found.append(f"after {number}: a valid request got {reply.content[:300]!r}")

    def _note(self, number: int, attack: Attack, reply: Reply, problem: str | None) -> None:
        statuses = [str(status) for status in reply.statuses] or ["closed" if reply.ended else "nothing"]
        with self._lock:
            self.statuses.update(statuses)
            self.by_kind.setdefault(attack.kind, Counter()).update(statuses)
            if problem:
                got = f"{reply.statuses} {reply.content[-300:]!r}"
                self.found.append(
                    f"{number} ({attack.kind}): {problem}\n    sent {attack.content[:300]!r}\n    got {got}"
                )

    def run(self, numbers: range) -> None:
        """All of them; several beside each other."""
        with ThreadPoolExecutor(THREADS) as pool:
            for done in pool.map(self.one, numbers):
                del done


def _answers(content: dict) -> list[dict]:
    """Flat answers from each route's protocol."""
    if "predictions" in content:
        return content["predictions"]
    outputs = {output["name"]: output["data"] for output in content["outputs"]}
    shares, classes = outputs["probabilities"], ("high", "low")
    width = len(shares) // len(outputs["label"])
    return [
        {"label": label, **{f"probability_{name}": shares[row * width + at] for at, name in enumerate(classes)}}
        for row, label in enumerate(outputs["label"])
    ]


def memory_of(replicas: list[psutil.Process]) -> float:
    return max(megabytes(replica) for replica in replicas)


def phase(place: Place, bundle: Path, numbers: range, arguments: argparse.Namespace, token: bool) -> list[str]:
    """One endpoint, attacked; gives what was found."""
    from support import free_port

    port = free_port()
    options = ["--name", MODEL, "--ingress", arguments.ingress, "--timeout", f"{TIMEOUT}s", "--max-body", str(MAX_BODY)]
    headers: list[tuple[str, str]] = []
    if token:
        file = place.folder / "tokens"
        file.write_text(f"{TOKEN}\n")
        options += ["--auth-token-file", str(file)]
        headers = [("Authorization", f"Bearer {TOKEN}")]
    with place.deployed(str(bundle), port, *options):
        fuzz = Fuzz(place, port, bundle, headers, arguments.seed)
        if arguments.only is not None:
            attack = fuzz.mutator.attack(arguments.only)
            reply = exchange(port, attack)
            print(f"{attack.kind}, {len(attack.content)} bytes: {attack.content[:2000]!r}")
            print(f"{reply.statuses} after {reply.seconds:.2f} s: {reply.content[:2000]!r}")
            return []
        before = place.replicas()
        settled = numbers.start + min(SETTLED, len(numbers) // 3)
        started = time.monotonic()
        fuzz.run(range(numbers.start, settled))
        first = memory_of(before)
        fuzz.run(range(settled, numbers.stop))
        fuzz.check_valid(0)
        last, after = memory_of(before), place.replicas()
        seconds = time.monotonic() - started
    print(f"\n{'with' if token else 'without'} tokens: {len(numbers):,} requests in {seconds:.0f} s")
    for kind, counts in sorted(fuzz.by_kind.items()):
        print(f"  {kind}: {', '.join(f'{status} {count}' for status, count in sorted(counts.items()))}")
    print(f"  all: {', '.join(f'{status} {count}' for status, count in sorted(fuzz.statuses.items()))}")
    print(f"  replica's memory: {first:.0f} MB after {settled - numbers.start:,} requests, {last:.0f} MB at the end")
    found = fuzz.found
    if [process.pid for process in before] != [process.pid for process in after]:
        found.append(f"the replicas were {before}, and are {after}")
    # before that it grows to what it needs
    if settled - numbers.start >= SETTLED // 2 and last - first > max(GROWTH * first, GROWTH_MB):
        found.append(f"memory has grown from {first:.0f} to {last:.0f} MB")
    for sentence in found[:SHOWN]:
        print(f"  FOUND {sentence}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ingress", default="auto", choices=["auto", "haproxy", "python"])
    parser.add_argument("--only", type=int, help="one attack by its number")
    arguments = parser.parse_args()
    from support import mixed_frame, train_bundle

    split = arguments.requests * 2 // 3
    with tempfile.TemporaryDirectory(prefix="serving-fuzz-") as name:
        place = Place(Path(name))
        bundle = place.folder / MODEL
        train_bundle(mixed_frame(), "label", bundle)
        parts = [(range(split), False), (range(split, arguments.requests), True)]
        if arguments.only is not None:
            parts = [part for part in parts if arguments.only in part[0]]
        found = [problem for numbers, token in parts for problem in phase(place, bundle, numbers, arguments, token)]
    print(f"\n{len(found)} FOUND" if found else "\nnothing found")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
