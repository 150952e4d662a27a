"""`orchestrator-haproxy` as Ray Serve runs it: real HAProxies that are killed, reloaded and asked odd things."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from support import free_port
from test_ingress import needs_haproxy

from orchestrator.serving.control.haproxy import BODY_SECONDS_VARIABLE, HOST_VARIABLE, written_by_serve
from orchestrator.serving.control.haproxy_double import ENDPOINT_VARIABLE
from orchestrator.serving.control.haproxy_watchdog import read_deaths, read_failure

pytestmark = needs_haproxy
PROGRAM = "from orchestrator.serving.control.haproxy import main; main()"
WAIT = 30
SERVERS = re.compile(r"(?m)^ +server .*\n")


class Replica(BaseHTTPRequestHandler):
    """Answers everything with the path that it was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_words):
        pass


class Replicas(ThreadingHTTPServer):
    """HAProxy's checks hang up as soon as they know enough."""

    def handle_error(self, request, client_address):
        pass


class Served:
    """One replica, and what Serve does: it writes a configuration, starts HAProxy with it and asks its admin socket."""

    def __init__(self, folder):
        self.folder, self.port, self.processes, self.endpoint = folder / "node", free_port(), [], None
        self.folder.mkdir()
        self.replica = Replicas(("127.0.0.1", 0), Replica)
        threading.Thread(target=self.replica.serve_forever, daemon=True).start()
        self.admin = self.folder / "admin.sock"

    def start(self, *arguments, text=None):
        config = written_by_serve(self.folder, self.port)
        text = text or config.read_text().replace(":30000 ", f":{self.replica.server_address[1]} ")
        config.write_text(text)
        # clients come over the address of the option, not over the one that Serve was told
        environment = {**os.environ, HOST_VARIABLE: "127.0.0.1", BODY_SECONDS_VARIABLE: "1"}
        if self.endpoint is not None:
            environment[ENDPOINT_VARIABLE] = str(self.endpoint.pid)
        command = [sys.executable, "-c", PROGRAM, "-db", "-f", str(config), "-dR", *arguments]
        self.words = self.folder.parent / f"words{len(self.processes)}"
        with self.words.open("wb") as words:
            process = subprocess.Popen(command, env=environment, stderr=words)
        self.processes.append(process)
        return process

    def started(self, *arguments):
        process = self.start(*arguments)
        wait_until(lambda: self.running_pid() == process.pid)
        return process

    def running_pid(self):
        """As Serve looks who answers."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.admin))
                connection.sendall(b"show info\n")
                with connection.makefile("rb") as lines:
                    return next((int(line.split()[1]) for line in lines if line.startswith(b"Pid:")), None)
        except OSError:
            return None

    def ask(self, request=b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", *, half_close=False):
        """Status and body of what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def running(self):
        """All processes that have to do with the configuration."""
        place, found = str(self.folder), []
        for process in psutil.process_iter(["cmdline"]):
            if any(place in word for word in process.info["cmdline"] or []):
                found.append(process)
        return found

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        if self.endpoint is not None:
            self.endpoint.kill()
            self.endpoint.wait()
            wait_until(lambda: self.running() == [])
        self.replica.shutdown()
        self.replica.server_close()


def doubles(process):
    return [child for child in psutil.Process(process.pid).children() if child.name() != "haproxy"]


def wait_until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def haproxies(process):
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if child.name() == "haproxy" else []
    return found


def haproxy_of(process):
    (child,) = haproxies(process)
    return child


def opened_by(number):
    found = []
    for path in Path(f"/proc/{number}/fd").iterdir():
        # some are closed meanwhile
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def killed_with_its_haproxy(process):
    """Returns its double."""
    wait_until(lambda: doubles(process))
    (double,) = doubles(process)
    # it has read the configuration, and waits
    wait_until(lambda: any("eventpoll" in name for name in opened_by(double.pid)))
    haproxy = haproxy_of(process)
    process.kill()
    haproxy.kill()
    process.wait(WAIT)
    return double


def wait_for_haproxy(process):
    # its double is another child; the HAProxy may be one that is just dying
    wait_until(lambda: haproxies(process))
    return haproxies(process)[0] if haproxies(process) else wait_for_haproxy(process)


@pytest.fixture
def served(tmp_path_factory):
    # paths of sockets must be short
    served = Served(tmp_path_factory.mktemp("s"))
    yield served
    served.close()


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    """One that answers, for all who only ask."""
    served = Served(tmp_path_factory.mktemp("a"))
    served.started()
    wait_until(lambda: served.ask()[0] == 200)
    yield served
    served.close()


@pytest.fixture
def doubled(served):
    """With the process of an endpoint, so that there are doubles."""
    served.endpoint = subprocess.Popen(["sleep", "600"])
    return served


def test_a_killed_haproxy_is_back_at_once_and_no_connection_is_refused(served):
    process = served.started()
    wait_until(lambda: served.ask()[0] == 200)
    assert read_deaths(served.folder) is None
    for number in (1, 2, 3):
        killed = haproxy_of(process)
        killed.kill()
        began = time.monotonic()
        assert served.ask()[0] == 200
        # a busy machine takes longer than an idle one; Ray by itself takes half a minute
        assert time.monotonic() - began < 10
        wait_until(lambda: (deaths := read_deaths(served.folder)) and deaths.back and deaths.count == number)  # noqa: B023
        deaths = read_deaths(served.folder)
        assert deaths.reason == "killed by SIGKILL"
        assert deaths.back - deaths.last < 10
        assert haproxy_of(process).pid != killed.pid
        # Serve goes on asking the process that it has started
        assert served.running_pid() == process.pid


def test_a_reload_takes_over_without_a_refused_connection(served):
    first = served.started()
    wait_until(lambda: served.ask()[0] == 200)
    former = haproxy_of(first)
    statuses, stop = [], threading.Event()

    def ask_always():
        while not stop.is_set():
            statuses.append(served.ask()[0])

    thread = threading.Thread(target=ask_always)
    thread.start()
    second = served.started("-sf", str(first.pid), "-x", str(served.admin))
    assert first.wait(WAIT) == 0
    third = served.started("-sf", str(second.pid), "-x", str(served.admin))
    assert second.wait(WAIT) == 0
    stop.set()
    thread.join()
    assert set(statuses) == {200}
    assert not former.is_running()
    haproxy_of(third).kill()
    assert served.ask()[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_haproxy_ends_with_the_process_that_watches_over_it(served, number):
    process = served.started()
    child = haproxy_of(process)
    process.send_signal(number)
    process.wait(WAIT)
    psutil.wait_procs([child], timeout=WAIT)
    assert not child.is_running()
    with pytest.raises(OSError, match="refused"):
        served.ask()


def test_a_double_answers_until_serve_has_another_one(doubled):
    process = doubled.started()
    wait_until(lambda: doubled.ask()[0] == 200)
    double = killed_with_its_haproxy(process)
    began = time.monotonic()
    assert doubled.ask()[0] == 200
    assert time.monotonic() - began < 10
    wait_until(lambda: (deaths := read_deaths(doubled.folder)) and deaths.back)
    assert read_deaths(doubled.folder).reason == "killed with the process that watched over it"
    # Ray ends the process group of its process that it replaces
    assert {os.getpgid(double.pid), os.getpgid(haproxy_of(double).pid)} == {double.pid}
    # Serve must see that what it has started is gone
    assert doubled.running_pid() is None
    killed = haproxy_of(double)
    killed.kill()
    assert doubled.ask()[0] == 200
    assert haproxy_of(double).pid != killed.pid
    following = doubled.started()
    psutil.wait_procs([double], timeout=WAIT)
    assert not double.is_running()
    assert doubled.ask()[0] == 200
    wait_until(lambda: doubles(following))


def test_clients_stay_with_the_double_until_replicas_are_known(doubled):
    process = doubled.started()
    wait_until(lambda: doubled.ask()[0] == 200)
    double = killed_with_its_haproxy(process)
    statuses, stop = [], threading.Event()

    def ask_always():
        while not stop.is_set():
            statuses.append(doubled.ask()[0])

    thread = threading.Thread(target=ask_always)
    thread.start()
    # as a new HAProxyManager begins, before it has heard of any replica
    text = written_by_serve(doubled.folder, doubled.port).read_text()
    empty = doubled.start(text=SERVERS.sub("", text))
    wait_until(lambda: doubled.running_pid() == empty.pid)
    assert double.is_running()
    assert not doubles(empty)
    following = doubled.started("-sf", str(empty.pid), "-x", str(doubled.admin))
    assert empty.wait(WAIT) == 0
    psutil.wait_procs([double], timeout=WAIT)
    stop.set()
    thread.join()
    assert not double.is_running()
    assert set(statuses) == {200}
    assert doubled.running_pid() == following.pid


def test_a_double_that_is_killed_is_there_again(doubled):
    process = doubled.started()
    wait_until(lambda: doubles(process))
    (double,) = doubles(process)
    double.kill()
    wait_until(lambda: [other for other in doubles(process) if other.pid != double.pid])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_double_ends_with_a_process_that_is_told_to(doubled, number):
    process = doubled.started()
    wait_until(lambda: doubles(process))
    process.send_signal(number)
    assert process.wait(WAIT) == 0
    wait_until(lambda: doubled.running() == [])


@pytest.mark.parametrize("standing_in", [False, True])
def test_a_double_ends_with_the_endpoint(doubled, standing_in):
    process = doubled.started()
    wait_until(lambda: doubled.ask()[0] == 200 and doubles(process))
    if standing_in:
        killed_with_its_haproxy(process)
        assert doubled.ask()[0] == 200
        doubled.endpoint.kill()
        doubled.endpoint.wait()
    else:
        doubled.endpoint.kill()
        doubled.endpoint.wait()
        process.kill()
        process.wait(WAIT)
    wait_until(lambda: doubled.running() == [])
    with pytest.raises(OSError, match="refused"):
        doubled.ask()


def test_a_haproxy_that_does_not_start_says_why(served):
    config = written_by_serve(served.folder, served.port).read_text()
    process = served.start(text=config.replace("balance leastconn", "balance wrongly"))
    assert process.wait(WAIT) == 1
    assert "balance" in served.words.read_text()
    process = served.start(text=config.replace("mode 666", "mode 777"))
    assert process.wait(WAIT) == 1
    assert "this version of Ray" in read_failure(served.folder)


@pytest.mark.parametrize(
    "path", ["/-/routes", "/%2d/routes", "/%2D%2Froutes", "/-/ROUTES", "/-/healthz", "http://a/-/routes"]
)
def test_serves_own_pages_are_nowhere(answering, path):
    status, body = answering.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert status == 404
    assert "nothing at this path" in json.loads(body)["error"]["message"]


HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("sent", [HEAD, HEAD + b"12345"], ids=["nothing", "half"])
def test_a_body_that_does_not_come_is_408_as_json(answering, sent):
    began = time.monotonic()
    status, body = answering.ask(sent)
    assert (status, json.loads(body)["error"]["message"]) == (408, "the request came too slowly")
    assert 0.8 < time.monotonic() - began < 10


@pytest.mark.parametrize("sent", [b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", HEAD + b"0123456789"], ids=["get", "post"])
def test_who_closes_one_half_behind_a_whole_request_is_answered(answering, sent):
    assert answering.ask(sent, half_close=True)[0] == 200


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(answering):
    with socket.create_connection(("127.0.0.1", answering.port), timeout=WAIT) as connection:
        connection.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"0123456789")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_who_connects_while_the_last_answers_go_out_is_refused(served):
    process = served.started()
    wait_until(lambda: served.ask()[0] == 200)
    with socket.create_connection(("127.0.0.1", served.port), timeout=WAIT) as waiting:
        # its body is waited for
        waiting.sendall(HEAD.replace(b" 10", b" 1000000") + b"1" * 300_000)
        time.sleep(0.5)
        process.send_signal(signal.SIGUSR1)

        def refused():
            with socket.socket() as client:
                client.settimeout(WAIT)
                return client.connect_ex(("127.0.0.1", served.port)) != 0

        wait_until(refused)
        assert process.poll() is None


def test_who_is_told_to_stop_between_two_haproxies_starts_none_and_ends_well(served):
    process = served.started()
    # each death makes the pause longer; in the last one it is told
    for count in range(1, 7):
        child = wait_for_haproxy(process)
        child.kill()
        wait_until(lambda: (deaths := read_deaths(served.folder)) and deaths.count == count)  # noqa: B023
    process.terminate()
    assert process.wait(WAIT) == 0


def test_nothing_is_left_in_the_folder(served):
    process = served.started()
    process.send_signal(signal.SIGTERM)
    process.wait(WAIT)
    left = {path.name for folder in (served.folder, served.folder.parent) for path in folder.iterdir()}
    assert not [name for name in left if str(process.pid) in name], left
    assert Path(served.admin).parent.is_dir()
