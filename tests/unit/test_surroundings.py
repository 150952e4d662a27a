"""What the environment has given is named in errors, and how to be rid of it."""

import resource
import shutil
import socket

import pytest

from orchestrator import environment
from orchestrator.cli.doctor import _disk, _limits, _ports
from orchestrator.cluster import _explain, ray_session
from orchestrator.errors import ExecutionError, TrackingError
from orchestrator.tracking.store import client_for, tracked

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def nobody(monkeypatch):
    """`127.0.0.1:PORT` where nobody listens; no variable is set."""
    for name in (*PROXIES, *map(str.upper, PROXIES), "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"


def tracking_sentence(uri=None):
    """What is said when the store is asked."""
    with pytest.raises(TrackingError) as caught, tracked(uri):
        client_for(uri).search_experiments(max_results=1)
    return str(caught.value)


def cluster_sentence(address):
    """What is said when the cluster is asked."""
    with pytest.raises(ExecutionError) as caught, ray_session(address):
        pass
    return str(caught.value)


def test_a_cluster_that_ray_address_names_is_said_to_be_its(nobody, monkeypatch):
    assert "RAY_ADDRESS" not in cluster_sentence(nobody)
    monkeypatch.setenv("RAY_ADDRESS", nobody)
    sentence = cluster_sentence(nobody)
    assert sentence.endswith("that is the value of RAY_ADDRESS: `unset RAY_ADDRESS`, or give --address")
    assert nobody in sentence


@pytest.mark.parametrize("scheme", ["http", "foo"])
def test_a_store_that_mlflow_tracking_uri_names_is_said_to_be_its(nobody, monkeypatch, scheme):
    assert "MLFLOW_TRACKING_URI" not in tracking_sentence(f"{scheme}://{nobody}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://{nobody}")
    end = "that is the value of MLFLOW_TRACKING_URI: `unset MLFLOW_TRACKING_URI`, or give --tracking-uri"
    assert tracking_sentence().endswith(end)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_in_front_of_a_server_is_named_without_its_password(nobody, monkeypatch, variable):
    uri = "http://localhost:5999"
    assert "proxy" not in tracking_sentence(uri)
    monkeypatch.setenv(variable, f"http://user:secret@{nobody}")
    sentence = tracking_sentence(uri)
    assert f"it was asked through the proxy {nobody} ({variable})" in sentence
    assert "`export NO_PROXY=127.0.0.1,localhost`" in sentence
    assert "secret" not in sentence
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    assert "proxy" not in tracking_sentence(uri)


def test_a_low_limit_of_open_files_is_said_when_ray_cannot_start_and_by_doctor():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    try:
        (finding,), sentence = _limits(), _explain(None, RuntimeError("no"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    said = "only 1000 open files (ulimit -n) are allowed, Ray wants 1024"
    assert (finding.state, said in finding.seen) == ("warning", True)
    assert sentence.startswith(f"Ray could not be started on this machine: {said}")


def test_little_shared_memory_is_said_when_ray_cannot_start_and_by_doctor(monkeypatch):
    real = shutil.disk_usage

    def usage(path):
        return real(path)._replace(free=64 * 2**20) if str(path) == "/dev/shm" else real(path)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    said = "only 0.1 GB are free in /dev/shm, Ray wants 0.5 GB (a container gets more with --shm-size=2g)"
    assert said in _explain(None, RuntimeError("no"))
    (finding,) = [finding for finding in _disk() if finding.check == "disk, shared memory"]
    assert (finding.state, finding.fix) == ("warning", said)


@pytest.mark.parametrize(
    "reason",
    [
        "[Errno 98] Address already in use",
        "Ray component dashboard_grpc is trying to use a port number 8265 that is in use by other components",
        "the port 6379 is not available",
    ],
)
def test_a_port_that_is_taken_is_said_when_ray_cannot_start(reason):
    sentence = _explain(None, RuntimeError(reason))
    assert sentence.startswith("Ray could not be started on this machine: a port that it wants is in use; end what")
    assert "port" not in _explain(None, RuntimeError("no")).replace("supports", "")


def test_that_no_port_is_free_is_said_when_ray_cannot_start_and_by_doctor(monkeypatch):
    monkeypatch.setattr(environment, "port_problem", lambda _host, _port: "Address already in use")
    sentence = "no port is free on this machine (Address already in use)"
    assert sentence in _explain(None, RuntimeError("no"))
    assert _ports()[0].seen == sentence
