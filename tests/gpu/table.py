"""Runs each check of checks.py in a process of its own, which may crash or hang, and prints what they found as a table.

Usage: tests/gpu/run.sh [CHECK...]; checks are losses, families, columns, fractions, gang, faults, endpoint, plan,
costs, imports, budget, speed, precision
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from checks import ALONE, CHECKS
from common import DRY

SECONDS = 400 if DRY else 150
LAST_LINES = 15
TELLING = threading.Lock()
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
    keep = os.environ.get("OUT")
    if keep:
        (Path(keep) / f"{name}.log").write_bytes(log.read_bytes())
    with TELLING:
        if any(row["passed"] is False for row in found):
            print(f"--- last lines of {name}", *log.read_text(errors="replace").splitlines()[-LAST_LINES:], sep="\n")
        print(f"--- {name}: {len(found)} rows in {seconds:.0f} s", *map(show, found), sep="\n", flush=True)
    return found


def run_in_folder(name: str) -> list[dict]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-gpu-", ignore_cleanup_errors=True) as folder:
        return run(name, Path(folder))


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def show(row: dict) -> str:
    """A line in Markdown."""
    return f"| {row['what']} | {MARKS[row['passed']]} | {row['figures']} |"


def main() -> int:
    names = sys.argv[1:] or list(CHECKS)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"there is no check {unknown[0]} (checks: {', '.join(CHECKS)})")
        return 2
    started = time.monotonic()
    # what measures no time runs beside each other: most of it waits for processes to start
    together = [name for name in names if name not in ALONE]
    with ThreadPoolExecutor(1 if DRY else max(1, len(together))) as pool:
        found = dict(zip(together, pool.map(run_in_folder, together), strict=True))
    found |= {name: run_in_folder(name) for name in names if name in ALONE}
    rows = [row for name in names for row in found[name]]
    card = "no card, a dry run on the CPU" if DRY else torch.cuda.get_device_name(0)
    bad = sum(row["passed"] is False for row in rows)
    print(
        f"\n{card}, torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} CPU cores, "
        f"{time.monotonic() - started:.0f} s: {len(rows) - bad} of {len(rows)} rows without a failure\n"
    )
    print("| what | | figures |", "| --- | --- | --- |", *map(show, rows), sep="\n")
    if DRY:
        print("\nThis was a dry run on the CPU. It shows nothing about a GPU, and does not count as passed.")
        return 3
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
