"""What the environment has given is named in errors, and how to be rid of it."""

import io
import json
import os
import resource
import shutil
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import grpc
import pandas as pd
import pytest
from click.testing import CliRunner
from ray._private import services
from ray._raylet import AuthenticationMode, Config, get_authentication_mode

from orchestrator import environment
from orchestrator.authentication import find_token, prepare_connection, provide_token
from orchestrator.cli.base import Command, print_json
from orchestrator.cli.doctor import _disk, _found, _limits, _ports, _state
from orchestrator.cli.predict import _show
from orchestrator.cli.ui import ui
from orchestrator.cluster import _explain, ray_session
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError, StorageError, TrackingError, UsageError
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.tracking.store import client_for, tracked

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def nobody(monkeypatch):
    """`127.0.0.1:PORT` where nobody listens; no variable is set."""
    for name in (*PROXIES, *map(str.upper, PROXIES), "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    # or the mode would stay in this process
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
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


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("foo", "that is no address of one; it is HOST:6379, ray://HOST:10001, or auto"),
        ("local", "Ray on this machine is what is used where no address is given"),
        (" ", "that is no address of one"),
        ("127.0.0.1", "that is no address of one"),
        ("host:abc", "that is no address of one"),
        ("host:99999", "that is no address of one"),
        ("http://127.0.0.1:8265", "that is the address of a job server or of a web page; a cluster's is HOST:6379"),
        ("no-such-host.invalid:6379", "there is no host of that name"),
        ("ray://{nobody}", "nobody listens there"),
        ("{nobody}", "nobody listens there"),
    ],
)
def test_an_address_where_no_cluster_can_be_is_said_before_anything_is_written(
    nobody, tmp_path, monkeypatch, address, problem
):
    address = address.format(nobody=nobody)
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExecutionError) as caught:
        run_sweep(SweepConfig.create(data="sklearn:iris", address=address))
    assert str(caught.value).startswith(f"no Ray cluster can be reached at {address}: {problem}")
    assert "that is the value of RAY_ADDRESS" in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_tmpdir_names_is_checked_before_anything_is_written(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExecutionError, match=r"^TMPDIR is .*, which does not exist"):
        run_sweep(SweepConfig.create(data="sklearn:iris"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_port_of_another_program_is_said_to_be_one():
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        sentence = cluster_sentence(f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "does not answer as a Ray cluster does" in sentence
    assert sentence.endswith("is it another program's port?")


def test_a_cluster_is_not_asked_through_a_proxy_for_web_pages(nobody, monkeypatch):
    class Alive(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Alive()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://{nobody}")
    try:
        prepare_connection(f"127.0.0.1:{port}")
    finally:
        server.stop(None)


def test_a_cluster_that_has_ended_is_said_when_ray_finds_what_is_left_of_it(nobody, monkeypatch):
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _folder: nobody)
    sentence = cluster_sentence("auto")
    assert sentence.startswith("no Ray cluster can be reached at auto: Ray has found one at ")
    assert sentence.endswith("but nobody listens there; is it of a cluster that has ended?")
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _folder: None)
    assert "no Ray cluster was found on this machine; name one: HOST:6379" in cluster_sentence("auto")


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


def test_a_low_limit_of_open_files_is_said_when_ray_cannot_start_and_by_doctor(monkeypatch):
    real = resource.getrlimit
    limits = {resource.RLIMIT_NOFILE: (1000, 1000)}
    monkeypatch.setattr(resource, "getrlimit", lambda number: limits.get(number) or real(number))
    (finding,), sentence = _limits(), _explain(None, RuntimeError("no"))
    said = "only 1000 open files (ulimit -n) are allowed, Ray wants 1024"
    assert (finding.state, said in finding.seen) == ("warning", True)
    assert sentence.startswith("Ray could not be started on this machine: ")
    assert said in sentence
    # which Ray raises by itself
    limits[resource.RLIMIT_NOFILE] = (256, 65536)
    assert "open files (ulimit -n)" not in _limits()[0].seen


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


def test_a_blank_name_of_a_state_folder_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("ORCHESTRATOR_HOME", " ")
    assert environment.home() == tmp_path / "user" / ".orchestrator"
    assert [path.name for path in tmp_path.iterdir()] == ["user"]


def test_a_user_without_a_home_folder_is_told_what_to_name_and_doctor_goes_on(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("ORCHESTRATOR_HOME", raising=False)
    # as in a container whose user is a number without a name
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(StorageError, match=r"no home folder.*; name one: ORCHESTRATOR_HOME, or HOME"):
        environment.home()
    assert find_token() is None
    (finding,) = _found("state folder", _state)
    assert (finding.check, finding.state) == ("state folder", "error")
    assert next(finding.check for finding in _disk()) == "disk, current folder"


@click.command(cls=Command)
@click.argument("path")
def opens(path):
    """Opens a file below the current folder."""
    (Path.cwd() / path).read_text()


def test_what_the_system_refuses_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", "0")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(opens, ["missing"])
    assert (result.exit_code, result.output) == (
        1,
        f"Error: {tmp_path}/missing: No such file or directory (--debug shows where)\n",
    )
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = CliRunner().invoke(opens, ["missing"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: the current folder was deleted; go to another one (`cd`)\n",
    )
    assert [finding.seen for finding in _disk() if finding.check == "current folder"] == ["was deleted"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_json_is_the_same_in_every_encoding(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_json({"Größe": "Łódź"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue().decode(encoding)) == {"Größe": "Łódź"}


def test_a_cell_that_the_output_has_no_letter_for_is_said_and_not_written_otherwise(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(UsageError, match=r"the output, latin-1, has no \\u0141: .*PYTHONIOENCODING.*--output"):
        _show([pd.DataFrame({"city": ["Łódź"]})], ".csv")


@pytest.mark.parametrize("uri", ["localhost:5000", "foo://bar", "sqlite://mlflow.db"])
def test_what_is_no_address_of_a_store_is_said_with_its_variable(nobody, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    sentence = tracking_sentence()
    assert sentence.startswith(f"MLflow store {uri}: that is no address of a store; it is http://HOST:5000, sqlite:///")
    assert "`unset MLFLOW_TRACKING_URI`" in sentence


def test_a_store_whose_driver_is_missing_is_said_with_its_variable(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql+nothere://u:secret@127.0.0.1/x")
    with pytest.raises(TrackingError) as caught, tracked(None):
        raise ModuleNotFoundError("No module named 'nothere'", name="nothere")
    assert str(caught.value).startswith("MLflow store mysql+nothere://***@127.0.0.1/x: it takes the package nothere,")
    assert "`unset MLFLOW_TRACKING_URI`" in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "problem"), [("foo://x", "that is no address"), ("http://{nobody}", "no server answers")]
)
def test_a_registry_that_cannot_be_used_is_said_before_there_is_a_model(nobody, tmp_path, monkeypatch, uri, problem):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri.format(nobody=nobody))
    with pytest.raises(TrackingError) as caught:
        client_for(f"sqlite:///{tmp_path}/mlflow.db")
    assert str(caught.value).startswith(f"MLflow store {uri.format(nobody=nobody)}: {problem}")
    assert "`unset MLFLOW_REGISTRY_URI`" in str(caught.value)


def test_a_token_is_there_for_a_ray_of_a_user_whose_home_cannot_keep_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path)})
    provide_token(kept=True)
    assert "RAY_AUTH_TOKEN" not in os.environ
    provide_token(kept=False)
    drawn = os.environ.pop("RAY_AUTH_TOKEN")
    assert len(drawn) == 64
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("mine")
    provide_token(kept=False)
    assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setattr(os, "environ", {"RAY_AUTH_MODE": "disabled"})
    provide_token(kept=False)
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_port_or_an_address_where_nobody_can_listen_is_said_by_the_pages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        used = CliRunner().invoke(ui, ["--port", port])
        elsewhere = CliRunner().invoke(ui, ["--port", port, "--host", "203.0.113.9"])
    assert (used.exit_code, elsewhere.exit_code) == (1, 1)
    assert used.output.endswith("; give another --port, or stop what uses it\n")
    assert elsewhere.output.endswith("; give another --host: that is no address of this machine\n")
    assert list(tmp_path.iterdir()) == []


def test_a_ray_that_was_imported_before_knows_that_tokens_are_used(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    Config.initialize("")
    assert get_authentication_mode() == AuthenticationMode.DISABLED
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    try:
        prepare_connection("auto")
        assert get_authentication_mode() == AuthenticationMode.TOKEN
    finally:
        os.environ.pop("RAY_AUTH_MODE", None)
        Config.initialize("")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        (
            "MLFLOW_HTTP_REQUEST_TIMEOUT",
            "abc",
            "MLFLOW_HTTP_REQUEST_TIMEOUT is 'abc', which is no value for it",
        ),
        ("REQUESTS_CA_BUNDLE", "/nowhere", "REQUESTS_CA_BUNDLE is /nowhere, where no certificates are: `unset"),
        ("MLFLOW_TRACKING_TOKEN", "secret\nx", "MLFLOW_TRACKING_TOKEN holds what cannot be sent"),
    ],
)
def test_a_variable_that_keeps_mlflow_from_asking_is_named_and_not_another(
    nobody, monkeypatch, variable, value, problem
):
    monkeypatch.setenv(variable, value)
    uri = f"https://{nobody}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    sentence = tracking_sentence()
    assert sentence.startswith(f"MLflow store {uri}: {problem}")
    assert "MLFLOW_TRACKING_URI" not in sentence
    assert "secret" not in sentence
