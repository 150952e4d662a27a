"""Jobs without a cluster: what is refused, how a log is followed, what job servers answer; see also test_packages."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from support import free_port, mixed_frame

from orchestrator.authentication import prepare_job_server
from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.jobs import Jobs, package, packed_sweep, server
from orchestrator.jobs.job import INSTALL, reason_of

STORE = "sqlite:////kept/mlflow.db"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, and no settings of the user's."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def make(**options):
    return SweepConfig.create(**{"tracking_uri": STORE, **options})


def names(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_a_folder_goes_along_without_hidden_files(here):
    (here / "trees" / "part").mkdir(parents=True)
    for name in ("a.parquet", "part/b.parquet", ".gitignore"):
        (here / "trees" / name).write_text(name)
    with packed_sweep(make(data="trees/")) as packed:
        assert names(packed.folder) == ["sweep.yaml", "uploaded/trees/a.parquet", "uploaded/trees/part/b.parquet"]
        assert packed.name == "trees"


def test_a_single_module_goes_along_and_an_absent_one_is_named(here):
    (here / "my_net.py").write_text("")
    with packed_sweep(make(data="sklearn:iris", architecture="my_net:Net")) as packed:
        assert names(packed.folder) == ["my_net.py", "sweep.yaml"]
    with packed_sweep(make(data="sklearn:iris", architecture="elsewhere.net:Net")) as packed:
        assert packed.missing == ("elsewhere",)


@pytest.mark.parametrize(
    "uri",
    [
        "http://mlflow:5000",
        "postgresql://name:word@host/db",
        "sqlite:////kept/mlflow.db",
        "sqlite+pysqlite:////kept/mlflow.db",
        "file:///kept/mlruns",
        "/kept/mlruns",
        "databricks",
    ],
)
def test_a_store_that_outlives_the_job_is_taken(here, uri):
    with packed_sweep(make(data="sklearn:iris", tracking_uri=uri)) as packed:
        assert SweepConfig.load(packed.folder / "sweep.yaml").tracking_uri == uri


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "sqlite://", "file:mlruns", "mlruns", "./mlruns"])
def test_a_store_that_goes_with_the_job_is_refused(here, uri):
    with (
        pytest.raises(UsageError, match="in the job's folder"),
        packed_sweep(make(data="sklearn:iris", tracking_uri=uri)),
    ):
        pass


def test_a_module_that_is_too_large_is_named(here, monkeypatch):
    monkeypatch.setattr(package, "SIZE_LIMIT", 10_000)
    (here / "net.py").write_text("#" * 20_000)
    with pytest.raises(UsageError, match=r"net .a module of yours.: .* install it"):  # noqa: SIM117
        with packed_sweep(make(data="sklearn:iris", architecture="net:Net")):
            pass


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rows.csv"], 2, "a job needs an MLflow store that outlives it: give --tracking-uri"),
        (
            ["rows.csv", "--tracking-uri", "sqlite:///mlflow.db"],
            2,
            "--tracking-uri sqlite:///mlflow.db is in the job's",
        ),
        (["rows.csv", "--tracking-uri", STORE, "--storage", "weights"], 2, "--storage weights would be in the job's"),
        (["absent.csv", "--tracking-uri", STORE], 2, "Error: absent.csv: no such file\n"),
        (
            ["/absent.csv", "--tracking-uri", STORE],
            2,
            "/absent.csv: no such file; for a file that only the cluster has",
        ),
        (["rows.csv", "--tracking-uri", STORE, "--no-upload"], 2, "with --no-upload the data's path must be absolute"),
        (["sklearn:iirs", "--tracking-uri", STORE], 2, "did you mean sklearn:iris"),
        (["rows.csv", "--tracking-uri", STORE, "--space", "tabula"], 2, "did you mean tabular"),
        (["rows.csv", "--tracking-uri", STORE, "--architecture", "mpl"], 2, "architecture 'mpl' is not known"),
        (["rows.csv", "--tracking-uri", STORE, "--time-budget", "soon"], 2, "not a duration"),
        (["rows.csv", "--tracking-uri", STORE, "--json"], 2, "--json needs --no-wait"),
        (["rows.csv", "--tracking-uri", STORE, "--address", "auto"], 2, "auto: not the address of a job server"),
        (["rows.csv", "--tracking-uri", STORE, "--address", "http://127.0.0.1:1"], 1, "no job server answers at"),
        ([], 2, "DATA"),
    ],
)
def test_mistakes_are_one_sentence_and_an_exit_code(here, arguments, code, words):
    mixed_frame(20).to_csv("rows.csv", index=False)
    result = CliRunner().invoke(main, ["submit", "sweep", *arguments])
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_submit_takes_all_options_of_sweep():
    def options(command):
        return {option for parameter in command.params for option in parameter.opts}

    submitted = main.commands["submit"].commands["sweep"]
    # how it is shown here is no option of a job, and `submit resume` goes on with one
    taken = options(main.commands["sweep"]) - {"--quiet", "--json-lines", "--log-format", "--resume"}
    assert options(submitted) == taken | {"--no-wait", "--no-upload"}
    (address,) = [parameter for parameter in submitted.params if parameter.name == "address"]
    assert address.envvar == "RAY_API_SERVER_ADDRESS"


@pytest.mark.parametrize("command", [["submit"], ["submit", "sweep"], ["jobs"], ["jobs", "logs"], ["jobs", "stop"]])
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    orchestrator {' '.join(command)}" in result.output


def test_status_keeps_its_shape_without_a_job_server(here):
    assert CliRunner().invoke(main, ["status", "--json"]).output == "[]\n"
    lost = CliRunner().invoke(main, ["status", "--jobs-address", f"http://127.0.0.1:{free_port()}"])
    assert lost.exit_code == 1
    assert "nothing is deployed" in lost.output
    assert "no job server answers" in lost.output


def details(name, status="RUNNING", started=1_700_000_000_000, **fields):
    entries = {"orchestrator": "0.1.0", "sweep": name, "data": f"{name}.csv"}
    return SimpleNamespace(
        **{
            "submission_id": f"sweep-{name}-123456",
            "status": SimpleNamespace(value=status),
            "start_time": started,
            "end_time": started + 2500,
            "metadata": entries,
            "message": "Job is currently running.",
            **fields,
        }
    )


class FakeClient:
    """A job server whose connections break: each of `attempts` is the parts of one, RuntimeError ends it abnormally."""

    def __init__(self, jobs, attempts=(), log=""):
        self.jobs, self.attempts, self.text = jobs, list(attempts), log

    def list_jobs(self):
        return self.jobs

    def get_job_logs(self, _job_id):
        return self.text

    async def tail_job_logs(self, _job_id):
        parts = self.attempts.pop(0)
        if not self.attempts:
            self.jobs[0].status.value = "SUCCEEDED"
        for part in parts:
            if part is RuntimeError:
                raise RuntimeError("closed")
            yield part


def connected(client):
    jobs = Jobs.__new__(Jobs)
    jobs.address, jobs._client = "http://head:8265", client
    return jobs


def test_only_our_jobs_are_listed_the_newest_first():
    foreign = details("foreign", metadata={"job_name": "x"})
    driver = details("driver", submission_id=None, metadata=None)
    jobs = connected(FakeClient([details("old"), foreign, driver, details("new", started=1_700_000_009_000)]))
    assert [job.sweep for job in jobs.all()] == ["new", "old"]
    (job,) = [job for job in jobs.all() if job.sweep == "old"]
    assert (job.id, job.data, job.seconds, job.ended) == ("sweep-old-123456", "old.csv", 2.5, False)
    assert job.started == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_an_unknown_job_is_one_sentence_with_the_nearest_one():
    jobs = connected(FakeClient([details("flowers")]))
    for ask in (jobs.find, jobs.log, jobs.stop):
        with pytest.raises(ExecutionError, match=r"no job 'sweep-flower-12' .* did you mean sweep-flowers-123456"):
            ask("sweep-flower-12")


@pytest.mark.parametrize(
    "attempts",
    [
        [["one\ntwo\n", "three\n"]],
        [["one\nt", RuntimeError], ["one\n", "two\nth"], ["one\ntwo\nthree\n"]],
        [["one\ntwo\n"], ["one\n", RuntimeError], ["one\n", RuntimeError]],
        [[], [RuntimeError], []],
    ],
)
def test_a_log_is_written_once_however_often_the_connection_breaks(monkeypatch, attempts):
    monkeypatch.setattr(server, "RECONNECT_SECONDS", 0.0)
    client = FakeClient([details("flowers")], attempts, "one\ntwo\nthree\n")
    written = []
    job = connected(client).follow("sweep-flowers-123456", written.append)
    assert "".join(written) == "one\ntwo\nthree\n"
    assert job.status == "SUCCEEDED"
    assert client.attempts == []


def test_a_connection_that_is_silent_is_made_anew(monkeypatch):
    import asyncio

    monkeypatch.setattr(server, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(server, "SILENCE_SECONDS", 0.05)

    class Silent(FakeClient):
        async def tail_job_logs(self, job_id):
            if len(self.attempts) > 1:
                self.attempts.pop(0)
                yield "one\n"
                await asyncio.sleep(60)
            async for part in super().tail_job_logs(job_id):
                yield part

    written = []
    client = Silent([details("flowers")], [[], ["one\n", "two\n"]], "one\n")
    connected(client).follow("sweep-flowers-123456", written.append)
    assert "".join(written) == "one\ntwo\n"


def test_a_server_that_does_not_come_back_is_given_up(monkeypatch):
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(server, "POLL_SECONDS", 0.0)

    class Lost(FakeClient):
        def list_jobs(self):
            if not self.attempts:
                raise ConnectionError("refused")
            return self.jobs

    with pytest.raises(ExecutionError, match="the job server at http://head:8265"):
        connected(Lost([details("flowers")], [["one\n"]])).follow("sweep-flowers-123456", print)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Job finished successfully.", "Job finished successfully."),
        ("failed with exit code 1, last logs:\n[1/2] trial 0\nError: x: no such file\n", "x: no such file"),
        ("failed with exit code 1, last logs:\n/usr/bin/python: No module named orchestrator\n", INSTALL),
        ("failed with exit code 127, last logs:\n/bin/sh: 1: python: not found\nRunning\n", INSTALL),
        ("last logs:\nModuleNotFoundError: No module named 'orchestrator.x'", "ModuleNotFoundError: No module named"),
        ("", ""),
    ],
)
def test_the_reason_of_an_end_is_one_sentence(message, reason):
    assert reason_of(message).startswith(reason)
    assert "\n" not in reason_of(message)


@contextmanager
def answering(token=None, body='{"ray_version": "2.60.0"}'):
    """An HTTP server that wants a token or none; yields its address and the headers that it was sent."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            sent = self.headers.get("Authorization")
            seen.append(sent)
            status = 200 if token is None or sent == f"Bearer {token}" else 403 if sent else 401
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}", seen
        listener.shutdown()


def test_a_token_is_told_only_to_a_server_that_asks_for_it(here, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "word")
    with answering() as (address, seen):
        assert prepare_job_server(address) == {}
        assert seen == [None]
    with answering("word") as (address, seen):
        assert prepare_job_server(address) == {"Authorization": "Bearer word"}
        assert seen == [None, "Bearer word"]


def test_a_wrong_or_missing_token_is_one_sentence(here, monkeypatch):
    with answering("word") as (address, _):
        with pytest.raises(ExecutionError, match=f"the job server at {address} wants its authentication token: put it"):
            prepare_job_server(address)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "other")
        with pytest.raises(ExecutionError, match=f"{address} refused the authentication token from RAY_AUTH_TOKEN"):
            prepare_job_server(address)


def test_what_is_no_job_server_is_said(here):
    with answering(body="<html>") as (address, _), pytest.raises(ExecutionError, match="is not a job server"):
        prepare_job_server(address)
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ExecutionError, match=f"no job server answers at {address}"):
        prepare_job_server(address)
