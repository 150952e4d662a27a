"""Runs each check of checks.py in a process of its own, which may crash or hang, and prints what they found as a table.

Usage: tests/gpu/run.sh [CHECK...]; checks are losses, precision, fractions, gang, faults, endpoint, plan, speed
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from checks import CHECKS
from common import DRY

SECONDS = 400 if DRY else 100
LAST_LINES = 40
MARKS = {True: "pass", False: "FAIL", None: "none"}


def run(name: str, folder: Path) -> list[dict]:
    """Rows of a check. One that ends early has a row that says so, beside those that it made before."""
    rows, log = folder / "rows.jsonl", folder / "log"
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("checks.py")), name, str(rows)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            ended = f"ended with exit code {process.wait(SECONDS)}"
        except subprocess.TimeoutExpired:
            ended = f"was not done after {SECONDS} s"
        finally:
            # Ray's processes are in the same group
            kill_group(process.pid)
    seconds = time.monotonic() - started
    found = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    if process.returncode != 0:
        found.append({"what": name, "passed": False, "figures": f"the check {ended}"})
    if any(row["passed"] is False for row in found):
        print(f"--- last lines of {name}", *log.read_text(errors="replace").splitlines()[-LAST_LINES:], sep="\n")
    keep = os.environ.get("OUT")
    if keep:
        (Path(keep) / f"{name}.log").write_bytes(log.read_bytes())
    print(f"{name}: {len(found)} rows in {seconds:.0f} s", flush=True)
    return found


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def show(rows: list[dict]) -> str:
    """A table in Markdown."""
    lines = [f"| {row['what']} | {MARKS[row['passed']]} | {row['figures']} |" for row in rows]
    return "\n".join(["| what | | figures |", "| --- | --- | --- |", *lines])


def main() -> int:
    names = sys.argv[1:] or list(CHECKS)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"there is no check {unknown[0]} (checks: {', '.join(CHECKS)})")
        return 2
    started = time.monotonic()
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="orchestrator-gpu-") as folder:
            rows += run(name, Path(folder))
    card = "no card, a dry run on the CPU" if DRY else torch.cuda.get_device_name(0)
    bad = sum(row["passed"] is False for row in rows)
    print(
        f"\n{card}, torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} CPU cores, "
        f"{time.monotonic() - started:.0f} s: {len(rows) - bad} of {len(rows)} rows without a failure\n"
    )
    print(show(rows))
    if DRY:
        print("\nThis was a dry run on the CPU. It shows nothing about a GPU, and does not count as passed.")
        return 3
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
