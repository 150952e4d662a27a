"""What the environment has given is named in errors, and how to be rid of it."""

import resource
import socket

import pytest

from orchestrator.cli.doctor import _limits
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
