"""The memory of a replica before, during and after many connections send large bodies.

Usage: python tests/benchmarks/serving_memory.py [adult.csv --target income] [--connections 300] [--kilobytes 479]
           [--seconds 20] [--after 60]

Prints the resident memory of the replica before, its largest value meanwhile, and some time afterwards; what the large
requests were answered with; and requests per second and p50 of single rows before and afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
from serving_support import Place, megabytes, register_versions, rows_of, to_json

SAMPLE_SECONDS = 0.05
SINGLE_SECONDS = 5.0
SINGLE_CONNECTIONS = 8


async def ask(port: int, body: bytes, until: float, statuses: Counter[int], times: list[float]) -> None:
    """Sends a body again and again over one connection, which is opened anew when it was closed."""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while time.monotonic() < until:
                started = time.monotonic()
                writer.write(request)
                await writer.drain()
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                statuses[int(answer.split(b" ", 2)[1])] += 1
                length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                times.append(time.monotonic() - started)
                if b"connection: close" in answer:
                    break
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            statuses[0] += 1
            await asyncio.sleep(0.1)


async def load(port: int, body: bytes, connections: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """Answers by status (0: the connection broke), and seconds of each."""
    statuses: Counter[int] = Counter()
    times: list[float] = []
    until = time.monotonic() + seconds
    async with asyncio.timeout(seconds + 120):
        await asyncio.gather(*(ask(port, body, until, statuses, times) for _ in range(connections)))
    return statuses, times


async def sampled(process: psutil.Process, port: int, body: bytes, options: argparse.Namespace) -> None:
    """Loads the endpoint, and looks at the replica meanwhile."""
    before = peak = megabytes(process)
    running = asyncio.create_task(load(port, body, options.connections, options.seconds))
    while not running.done():
        peak = max(peak, megabytes(process))
        await asyncio.sleep(SAMPLE_SECONDS)
    statuses, times = running.result()
    print(f"{len(body) / 1000:.0f} kB over {options.connections} connections: {dict(statuses)}", flush=True)
    print(f"p50 {statistics.median(times) * 1000:.0f} ms, {statuses[200] / options.seconds:.1f} answered a second")
    print(f"replica: {before:.0f} MB before, {peak:.0f} MB at most", flush=True)
    for _ in range(4):
        await asyncio.sleep(options.after / 4)
        print(f"after: {megabytes(process):.0f} MB", flush=True)


def single_rows(port: int, body: bytes) -> None:
    """Requests per second and p50 of one row."""
    for connections in (1, SINGLE_CONNECTIONS):
        statuses, times = asyncio.run(load(port, body, connections, SINGLE_SECONDS))
        rate = statuses[200] / SINGLE_SECONDS
        print(
            f"1 row, {connections} connections: {rate:.0f}/s, p50 {statistics.median(times) * 1000:.2f} ms", flush=True
        )


def main() -> None:
    """See the module's documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?")
    parser.add_argument("--target")
    parser.add_argument("--connections", type=int, default=300)
    parser.add_argument("--kilobytes", type=int, default=479)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--after", type=float, default=60)
    parser.add_argument("--port", type=int, default=8471)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        from support import mixed_frame

        from orchestrator.bundle import ModelBundle

        source, target = (options.source, options.target) if options.source else (mixed_frame(), "label")
        (bundle,) = register_versions(place.folder, place.store, source, target, [128])
        schema = ModelBundle.load(bundle).schema
        rows = rows_of(source, schema, 5000)
        size = len(to_json(rows)) / len(rows)
        body = to_json(rows[: int(options.kilobytes * 1000 / size)])
        port = options.port
        with place.deployed("models:/benchmark@champion", port):
            (replica,) = place.replicas()
            single_rows(port, to_json(rows[0]))
            asyncio.run(sampled(replica, port, body, options))
            single_rows(port, to_json(rows[0]))


if __name__ == "__main__":
    sys.exit(main())
