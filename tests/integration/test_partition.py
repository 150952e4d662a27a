"""A node that is cut off without a word: two nodes in network namespaces, and the cable between them is pulled."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from slow_network import write_slow_network
from support import empty_store

# found in seconds, see docs/reliability.md; Ray's defaults take more than a minute
NOTICING = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
}
BIN = Path(sys.executable).parent
# documentation addresses (RFC 5737), which exist in the namespaces only
HEAD, NODE = "198.51.100.65", "198.51.100.66"


def command(*words, check=True):
    return subprocess.run(words, capture_output=True, text=True, check=check)


@pytest.fixture
def namespaces():
    """Two networks with one cable."""
    mark = secrets.token_hex(2)
    head, node = f"oh{mark}", f"on{mark}"
    if not Path("/usr/sbin/ip").exists() and not Path("/sbin/ip").exists():
        pytest.skip("there is no `ip` here")
    if command("ip", "netns", "add", head, check=False).returncode != 0:
        pytest.skip("network namespaces cannot be made here")
    try:
        command("ip", "netns", "add", node)
        command(
            "ip", "link", "add", f"v{head}", "netns", head, "type", "veth", "peer", "name", f"v{node}", "netns", node
        )
        for name, address in ((head, HEAD), (node, NODE)):
            command("ip", "-n", name, "addr", "add", f"{address}/28", "dev", f"v{name}")
            command("ip", "-n", name, "link", "set", f"v{name}", "up")
            command("ip", "-n", name, "link", "set", "lo", "up")
        yield head, node
    finally:
        for name in (head, node):
            command("ip", "netns", "del", name, check=False)


@pytest.fixture
def nodes(namespaces, tmp_path):
    """A head and a node with one core each, tokens on; the environment of their user."""
    token = tmp_path / "token"
    token.write_text("7" * 64)
    token.chmod(0o600)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = bare | NOTICING | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    started = []
    with tempfile.TemporaryDirectory(prefix="op", dir="/tmp") as folder:
        places = [
            (namespaces[0], ["--head", "--port=6379", f"--node-ip-address={HEAD}", "--include-dashboard=false"], "a"),
            (namespaces[1], [f"--address={HEAD}:6379", f"--node-ip-address={NODE}"], "b"),
        ]
        try:
            for name, options, place in places:
                options += ["--block", "--num-cpus=1", f"--temp-dir={folder}/{place}", "--disable-usage-stats"]
                options += ["--include-log-monitor=false"]
                started.append(
                    subprocess.Popen(
                        ["ip", "netns", "exec", name, BIN / "ray", "start", *options],
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )
                wait_for_raylet(started[-1])
            yield environment
        finally:
            # one that is cut off does not end by itself
            running = [psutil.Process(process.pid) for process in started if process.poll() is None]
            for process in [*running, *(child for each in running for child in each.children(recursive=True))]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            for process in started:
                process.wait()


def wait_for_raylet(process):
    """A node starts its raylet last."""
    deadline = time.monotonic() + 60
    while all(child.name() != "raylet" for child in psutil.Process(process.pid).children(recursive=True)):
        assert process.poll() is None, "the node could not be started"
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_node_that_is_cut_off_silently_costs_no_trial(namespaces, nodes, tmp_path):
    head, node = namespaces
    arguments = ["sweep", "sklearn:iris", *write_slow_network(tmp_path, 0.2), "--name", "cut"]
    arguments += ["--address", f"{HEAD}:6379", "--trials", "2", "--epochs", "60", "--patience", "0"]
    arguments += ["--scheduler", "none", "--no-register"]
    arguments += ["--storage", str(tmp_path / "kept"), "--tracking-uri", empty_store(tmp_path)]
    sweep = subprocess.Popen(
        ["ip", "netns", "exec", head, sys.executable, "-m", "orchestrator", *arguments],
        cwd=tmp_path,
        env=nodes,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def events():
        found = list(tmp_path.glob("kept/*/journal.jsonl"))
        return [json.loads(line) for line in found[0].read_text().splitlines()] if found else []

    deadline = time.monotonic() + 100
    while len({event["index"] for event in events() if event.get("report", {}).get("epoch", 0) >= 10}) < 2:
        assert time.monotonic() < deadline
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.1)
    command("ip", "-n", node, "link", "set", f"v{node}", "down")
    cut = time.time()
    printed, said = sweep.communicate(timeout=150)
    assert sweep.returncode == 0, said
    assert "2 finished" in printed
    (lost,) = [event for event in events() if event["event"] == "lost"]
    print(f"noticed after {lost['at'] - cut:.1f} s")
    epochs = [event["report"]["epoch"] for event in events() if event.get("report") and event["index"] == lost["index"]]
    assert epochs == list(range(1, 61))
