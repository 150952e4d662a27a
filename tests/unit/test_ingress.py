"""HAProxy's configuration as Ray Serve writes it, and mended; left-over processes; who may listen where."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import psutil
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import RayTaskError
from support import free_port

from orchestrator.cli import main
from orchestrator.cli.endpoints import _sentences
from orchestrator.config import ServeConfig
from orchestrator.errors import ConfigError, ServingError, UsageError
from orchestrator.serving.control import deploy, ingress
from orchestrator.serving.control.certificates import certificate_note
from orchestrator.serving.control.control_socket import StatusAnswer, answer_questions, status_of
from orchestrator.serving.control.deploy import command_options
from orchestrator.serving.control.deployments import (
    Deployment,
    list_deployments,
    log_file,
    private_place,
    record_again,
    recorded,
    undeploy,
    wait_until_answering,
)
from orchestrator.serving.control.haproxy import (
    MESSAGES,
    Mending,
    check_ray,
    mended,
    real_binary,
    write_error_files,
    written,
    written_by_serve,
)
from orchestrator.serving.control.haproxy_watchdog import DEATHS_FILE, Deaths, note_failure
from orchestrator.serving.control.ingress import (
    check_access,
    free_port_or_complain,
    ingress_problems,
    listens,
    plan_ingress,
)
from orchestrator.serving.control.scaling import wanted
from orchestrator.serving.control.supervisor import start_reason

needs_haproxy = pytest.mark.skipif(real_binary() is None, reason="HAProxy is not installed")


def checked(path):
    """HAProxy's own opinion of a file."""
    return subprocess.run([real_binary(), "-c", "-f", str(path)], capture_output=True, text=True, check=False)


@needs_haproxy
def test_what_serve_writes_is_closed_to_others_and_still_valid(tmp_path):
    path = written_by_serve(tmp_path, 18_000)
    text = path.read_text()
    assert "listen stats" in text
    write_error_files(tmp_path)
    found = written(text)
    assert (found.host, found.port, found.admin) == ("127.0.0.1", 18_000, str(tmp_path / "admin.sock"))
    path.write_text(
        mended(text, Mending(bind="0.0.0.0:18000", errors=tmp_path, admin=str(tmp_path / "a"), body_seconds=7))
    )
    result = path.read_text()
    assert "listen stats" not in result
    assert "frontend prometheus" not in result
    assert f"stats socket {tmp_path}/a mode 600 level admin" in result
    # half a head must not hold a connection for an hour
    assert "timeout http-request 10s" in result
    assert "status 400 if !{ path_beg / }" in result
    assert "bind 0.0.0.0:18000\n" in result
    assert "http-request wait-for-body time 7s" in result
    assert result.count("503.http") == 3
    assert "server replica 127.0.0.1:30000" in result
    found = checked(path)
    assert found.returncode == 0, found.stderr


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture
def certified(tmp_path):
    """Files for HTTPS, and the configuration that names them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    openssl(*made, "-out", certificate, "-keyout", key)
    return certificate, key, ServeConfig.create(models=["m"], tls_cert=str(certificate), tls_key=str(key))


@needs_haproxy
def test_without_the_program_that_mends_its_configuration_haproxy_does_not_listen(tmp_path, monkeypatch):
    assert plan_ingress(ServeConfig.create(models=["m"]), tmp_path).name == "haproxy"
    monkeypatch.setattr(ingress, "WRAPPER", "absent")
    planned = plan_ingress(ServeConfig.create(models=["m"]), tmp_path)
    assert (planned.name, "RAY_SERVE_ENABLE_HA_PROXY" in planned.environment) == ("python", False)
    with pytest.raises(UsageError, match="--ingress haproxy: it needs this package's program absent"):
        plan_ingress(ServeConfig.create(models=["m"], ingress="haproxy"), tmp_path)


@needs_haproxy
def test_a_certificate_makes_it_https(certified, tmp_path):
    config = certified[2]
    assert certificate_note(config) is None
    plan_ingress(config, tmp_path)
    joined = tmp_path / "certificate.pem"
    assert joined.stat().st_mode & 0o777 == 0o600
    path = written_by_serve(tmp_path, 18_000)
    write_error_files(tmp_path)
    path.write_text(mended(path.read_text(), Mending(bind="[::1]:18000", errors=tmp_path, certificate=str(joined))))
    assert f"bind [::1]:18000 ssl crt {joined} alpn http/1.1" in path.read_text()
    found = checked(path)
    assert found.returncode == 0, found.stderr


@needs_haproxy
@pytest.mark.parametrize("secure", [False, True])
def test_grpc_has_an_address_of_its_own_where_only_the_protocol_is_answered(certified, tmp_path, secure):
    plan_ingress(certified[2], tmp_path)
    path = written_by_serve(tmp_path, 18_000, 18_001)
    write_error_files(tmp_path)
    found = written(path.read_text())
    assert (found.port, found.grpc_port) == (18_000, 18_001)
    with pytest.raises(ServingError, match="what listens"):
        mended(path.read_text(), Mending(bind="127.0.0.1:18000", errors=tmp_path))
    joined = str(tmp_path / "certificate.pem") if secure else None
    mending = Mending(bind="127.0.0.1:18000", grpc_bind="127.0.0.1:18001", errors=tmp_path, certificate=joined)
    path.write_text(mended(path.read_text(), mending))
    result = path.read_text()
    assert f"bind 127.0.0.1:18001 {f'ssl crt {joined} alpn h2' if secure else 'proto h2'}\n" in result
    frontend = result.partition("frontend grpc_frontend")[2].partition("\nbackend ")[0]
    assert frontend.index("grpc-status 12") < frontend.index("default_backend")
    assert "server replica 127.0.0.1:30000 proto h2" in result
    found = checked(path)
    assert found.returncode == 0, found.stderr


@needs_haproxy
def test_grpc_needs_haproxy_and_a_port_of_its_own(tmp_path):
    with pytest.raises(UsageError, match="--grpc-port needs HAProxy: leave out --ingress python"):
        plan_ingress(ServeConfig.create(models=["m"], grpc_port=8001, ingress="python"), tmp_path)
    with pytest.raises(ConfigError, match="grpc_port and port are both 8001"):
        ServeConfig.create(models=["m"], port=8001, grpc_port=8001)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"port {port} .*another --grpc-port"):
            free_port_or_complain(ServeConfig.create(models=["m"], port=free_port(), grpc_port=port))


def test_tls_files_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "c.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"c\.pem: certificate and key cannot be used"):
        plan_ingress(ServeConfig.create(models=["m"], tls_cert=str(tmp_path / "c.pem"), tls_key="k"), tmp_path)
    with pytest.raises(UsageError, match="belong together"):
        plan_ingress(ServeConfig.create(models=["m"], tls_cert="c"), tmp_path)


def test_a_certificate_that_clients_will_refuse_is_said_and_a_locked_key_is_refused(certified, tmp_path):
    certificate, key, config = certified
    request = tmp_path / "request"
    openssl("req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request)
    openssl("x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", certificate)
    assert "c.pem: clients will refuse it, certificate has expired; get a new one" in certificate_note(config)
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:word", "-out", tmp_path / "locked")
    key.write_bytes((tmp_path / "locked").read_bytes())
    with pytest.raises(UsageError, match=r"k\.pem: the key is locked with a password"):
        certificate_note(config)


@needs_haproxy
@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (r"mode 666", "mode 0666", "admin socket"),
        (r"frontend http_frontend", "frontend http", "address for clients"),
        (r"    timeout client \S+", "", "client's time limit"),
        (r"(?m)^    errorfile 504 .*$", "", "error files"),
        (r"defaults\n", "defaults first\n", "defaults"),
        (r"http-request return status 404", "http-request deny status 404", "answer without replicas"),
        (r"listen stats", "listen pages", "what listens"),
        (r"frontend prometheus", "frontend metrics", "what listens"),
        (r"\Z", "frontend another\n    bind :18001\n", "what listens"),
    ],
)
def test_a_ray_that_writes_otherwise_is_not_listened_with(tmp_path, before, after, what):
    text = written_by_serve(tmp_path, 18_000).read_text()
    mended(text, Mending(bind="fd@3", errors=tmp_path))
    changed = re.sub(before, after, text)
    assert changed != text
    with pytest.raises(ServingError, match=rf"this version of Ray .*\({what}\).*--ingress python"):
        mended(changed, Mending(bind="fd@3", errors=tmp_path))


def test_the_installed_ray_is_tried_out_before_anything_listens(tmp_path, monkeypatch):
    from ray.serve._private import haproxy

    check_ray(tmp_path)
    assert list(tmp_path.iterdir()) == []
    template = haproxy.HAPROXY_CONFIG_TEMPLATE
    monkeypatch.setattr(haproxy, "HAPROXY_CONFIG_TEMPLATE", template.replace("listen stats", "listen pages"))
    with pytest.raises(ServingError, match="this version of Ray"):
        check_ray(tmp_path)
    monkeypatch.delattr(haproxy, "BackendConfig")
    with pytest.raises(ServingError, match="this version of Ray"):
        check_ray(tmp_path)


def test_haproxys_own_answers_are_json(tmp_path):
    write_error_files(tmp_path)
    for status, message in MESSAGES.items():
        head, _, body = (tmp_path / f"{status}.http").read_bytes().partition(b"\r\n\r\n")
        assert json.loads(body)["error"]["message"] == message
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"Content-Length: %d\r\n" % len(body) in head
        assert (b"Retry-After" in head) == (status == 503)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_network_needs_tokens_or_a_word(host):
    with pytest.raises(UsageError, match="--auth-token-file"):
        check_access(ServeConfig.create(models=["m"], host=host))
    check_access(ServeConfig.create(models=["m"], host=host, insecure=True))
    check_access(ServeConfig.create(models=["m"], host=host, auth_token_file="tokens"))
    check_access(ServeConfig.create(models=["m"], host="127.0.0.1"))


@needs_haproxy
def test_a_client_that_stops_in_its_body_is_let_go_after_the_time_limit(tmp_path):
    config = ServeConfig.create(models=["m"], timeout="45s")
    assert plan_ingress(config, tmp_path).environment["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"] == "55"


def test_a_port_in_use_names_the_process():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServingError, match=rf"port {port} .*process \d+.*another --port"):
            free_port_or_complain(ServeConfig.create(models=["m"], port=port))


@needs_haproxy
def test_a_haproxy_that_outlived_its_endpoint_is_ended(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "haproxy.cfg"
    path.write_text(
        f"defaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n  http-request return status 404\n"
    )
    # its parent ends at once, as an endpoint that was killed
    starter = f"import subprocess; subprocess.Popen([{real_binary()!r}, '-db', '-f', {str(path)!r}])"
    subprocess.run([sys.executable, "-c", starter], check=True, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    config = ServeConfig.create(models=["m"], port=port)
    assert "left behind" in free_port_or_complain(config)
    assert free_port_or_complain(config) is None


@given(
    st.fixed_dictionaries(
        {"models": st.lists(st.sampled_from(["models:/a@champion", "folder"]), min_size=1, max_size=3)},
        optional={
            "port": st.integers(1, 65535),
            "host": st.sampled_from(["127.0.0.1", "0.0.0.0"]),
            "max_queue": st.integers(1, 999),
            "timeout": st.sampled_from(["90s", "1h30m", "0.5s"]),
            "max_body": st.sampled_from(["1MB", 12345]),
            "insecure": st.booleans(),
            "allowed_hosts": st.lists(st.sampled_from(["models.lan", "*"]), max_size=2),
            "cors_origins": st.lists(st.sampled_from(["http://a", "https://b"]), max_size=2),
            "execution": st.sampled_from(["torch", "auto"]),
        },
    )
)
def test_an_endpoint_in_the_background_gets_the_same_options(values):
    import click

    from orchestrator.cli.deploy import deploy as command

    config = ServeConfig.create(**values)
    context = command.make_context("deploy", command_options(config))
    options = {name: value for name, value in context.params.items() if name not in ("detach", "as_json")}
    assert ServeConfig.create(**options) == config
    assert isinstance(context, click.Context)


def test_an_actor_that_cannot_start_says_why_without_its_traceback():
    cause = RuntimeError("Failed to bind to address\n 127.0.0.1:8000")
    inner = RayTaskError("ready", "Traceback (most recent call last):\n  ...", cause).as_instanceof_cause()
    outer = RayTaskError("get", "Traceback (most recent call last):\n  ...", inner).as_instanceof_cause()
    for error in (cause, inner, outer):
        assert start_reason(error) == "Failed to bind to address 127.0.0.1:8000"


def test_an_endpoint_whose_port_was_taken_meanwhile_does_not_count_the_answers_of_another(tmp_path, monkeypatch):
    starter = slow_starter(tmp_path / "starter", "pass")
    port = free_port()
    first = subprocess.Popen([starter.executable, "--port", str(port)])
    config = ServeConfig.create(models=[str(tmp_path)], name="second", port=port)
    try:
        assert wait_until_answering(lambda: [deploy.url_of(config)], 30)
        # whose it is
        held = rf"the endpoint 'slow', process {first.pid}, which serves slow\); `orchestrator undeploy slow` stops it"
        for name, hint in {"second": "--port", "slow": "--port and another --name"}.items():
            with pytest.raises(ServingError, match=rf"{held}, or give another {hint}$"):
                free_port_or_complain(config.model_copy(update={"name": name}))
        busy = CliRunner().invoke(main, ["ui", "--port", str(port), "--tracking-uri", f"sqlite:///{tmp_path}/m.db"])
        assert busy.exit_code == 1 and f"(process {first.pid})); give another --port" in busy.output
        # it had looked before
        monkeypatch.setattr(deploy, "_check", lambda *_arguments: None)
        monkeypatch.setattr(deploy, "sys", slow_starter(tmp_path / "second", "time.sleep(60)"))
        with pytest.raises(ServingError, match=rf"cannot listen on 127\.0\.0\.1 port {port} .*process {first.pid}"):
            deploy.start_in_background(config, print)
        # that one was not started by this process, as far as it knows
        monkeypatch.setattr(deploy, "os", SimpleNamespace(getpid=lambda: 0))
        with pytest.raises(ServingError, match=rf"port {port} .*process {first.pid}.*another --port$"):
            deploy._listening(config, tmp_path, threading.Event())
    finally:
        first.kill()
        first.wait()
        undeploy("slow")
    assert not listens(config, os.getpid())
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("127.0.0.1", port))
        own.listen()
        assert listens(config, os.getpid())


def test_contradicting_options_are_named():
    with pytest.raises(ConfigError, match="max_replicas"):
        ServeConfig.create(models=["m"], min_replicas=3, max_replicas=2)
    with pytest.raises(ConfigError, match="log_folder"):
        ServeConfig.create(models=["m"], log_share=0.5)


def test_replicas_follow_how_busy_they_are():
    assert wanted([], 2) == 2
    assert wanted([0.7], 1) == 1
    assert wanted([1.0], 1) == 2
    assert wanted([1.0, 1.0], 2) == 3
    assert wanted([0.05, 0.05], 2) == 1
    assert wanted([0.0], 1) == 1


@given(st.lists(st.floats(0, 4), min_size=1, max_size=20), st.integers(1, 20))
def test_there_is_always_a_replica_and_never_far_too_many(shares, present):
    found = wanted(shares, present)
    assert 1 <= found <= max(present, sum(shares) / 0.7 + 1)


STARTER = """#!{python}
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
import psutil
from orchestrator.serving.control.deployments import Deployment, recorded

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
{begin}
me = psutil.Process()
with recorded(Deployment(name="slow", version=None, url="", pid=me.pid, created=me.create_time())):
    HTTPServer(("127.0.0.1", port), Answers).serve_forever()
"""


def slow_starter(path, begin):
    """Stands for `python -m orchestrator deploy` on a machine that is busy."""
    path.write_text(STARTER.format(python=sys.executable, begin=begin))
    path.chmod(0o755)
    return SimpleNamespace(executable=str(path))


def test_deploy_detach_waits_as_long_as_its_process_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "TELL_SECONDS", 0.2)
    monkeypatch.setattr(deploy, "sys", slow_starter(tmp_path / "starter", "time.sleep(1)"))
    said = []
    config = ServeConfig.create(models=[str(tmp_path)], name="slow", port=free_port())
    with deploy.start_in_background(config, said.append) as deployment:
        assert deployment.name == "slow"
        assert deployment.process is not None
        assert len(said) >= 3
        assert all(re.match(r"still starting after \d+ s .*slow\.\d+\.log", sentence) for sentence in said)
    assert deployment.process is None
    assert list_deployments() == []
    # what is stopped may be stopped again; the next one of that name is another one
    me = psutil.Process()
    other = Deployment(name="slow", version=None, url="", pid=me.pid, created=me.create_time())
    with recorded(other):
        deployment.stop()
        assert [found.pid for found in list_deployments()] == [me.pid]
    # and it waits no longer; what another one of that name says is not touched
    log_file("slow").write_text("of another")
    monkeypatch.setattr(deploy, "sys", slow_starter(tmp_path / "starter", "sys.exit('Error: the disk is full')"))
    with pytest.raises(ServingError, match=r"^the disk is full$"):
        deploy.start_in_background(config, said.append)
    assert log_file("slow").read_text() == "of another"
    assert [path.name for path in log_file("slow").parent.glob("slow*.log")] == ["slow.log"]


@pytest.mark.parametrize(
    ("phase", "state"), [("starting", "starting"), ("answering", "not answering"), ("stopping", "stopping")]
)
def test_status_tells_an_endpoint_that_is_unreachable_from_one_that_starts(phase, state):
    me = psutil.Process()
    problem = "HAProxy does not run"
    answer = StatusAnswer(phase=phase, ingress="haproxy", problems=(problem,))
    with (
        private_place() as place,
        answer_questions(place, lambda _question: answer) as path,
    ):
        url = f"http://127.0.0.1:{free_port()}"
        deployment = Deployment(
            name="iris",
            version=None,
            url=url,
            pid=me.pid,
            created=me.create_time(),
            models=("iris",),
            control=str(path),
            place=str(place),
        )
        shown = status_of(deployment)
    assert (shown.state, shown.to_json()["problems"]) == (state, [problem])
    assert "phase" not in shown.to_json()
    assert problem in _sentences(shown)


def test_deaths_of_haproxy_are_told_for_a_while(tmp_path):
    node = tmp_path / "node"
    node.mkdir()
    nobody = "HAProxy does not run, so that nobody is answered; Ray Serve starts it again after half a minute or more"
    assert ingress_problems(tmp_path) == [nobody]
    now = time.time()
    for deaths, said in (
        (Deaths(1, now, "killed by SIGKILL", None), "is being started again: nobody is answered until then"),
        (
            Deaths(3, now, "killed by SIGKILL", now + 0.3),
            r"answered again 0\.3 s later; that was death 3 since the start",
        ),
    ):
        (node / DEATHS_FILE).write_text(json.dumps(asdict(deaths)))
        told, last = ingress_problems(tmp_path)
        assert re.fullmatch(rf"HAProxy died at \d\d:\d\d:\d\d \(killed by SIGKILL\) and {said}", told)
        assert last == nobody
    (node / DEATHS_FILE).write_text(json.dumps(asdict(Deaths(1, now - 9999, "killed", now))))
    assert ingress_problems(tmp_path) == [nobody]
    note_failure(node / "haproxy.cfg", "this version of Ray is not known")
    assert ingress_problems(tmp_path) == ["HAProxy cannot be started: this version of Ray is not known"]


def test_on_a_cluster_an_endpoint_answers_where_its_replicas_are_and_says_where(tmp_path, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.2", 0), Handler) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        port = elsewhere.server_port
        monkeypatch.setattr(deploy, "listening_nodes", lambda: {"head": "127.0.0.2"})
        options = {"models": [str(tmp_path)], "name": "far", "port": port, "address": "head:6379"}
        config = ServeConfig.create(host="0.0.0.0", insecure=True, **options)
        where = f"http://127.0.0.2:{port}"
        assert deploy._listening(config, tmp_path, threading.Event()) == where
        assert deploy.grpc_target(config.model_copy(update={"grpc_port": 9000}), where) == "127.0.0.2:9000"
        # who has started it in the background looks there, too
        process = psutil.Process()
        record = Deployment(name="far", version=None, url="http://here", pid=process.pid, created=process.create_time())
        with recorded(record):
            record_again(replace(record, url=where))
            assert deploy._addresses_of(config, "far", process.pid) == [where]
        assert list_deployments() == []
        elsewhere.shutdown()
    # nobody else is answered there
    monkeypatch.setattr(ingress, "listening_nodes", lambda: {"head": "127.0.0.2"})
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "node"))
    monkeypatch.setattr(deploy, "LOOPBACK_SECONDS", 0.0)
    with pytest.raises(ServingError, match=r"this one has no replica .*--host 0\.0\.0\.0"):
        deploy._listening(ServeConfig.create(**options), tmp_path, threading.Event())
