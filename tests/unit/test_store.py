"""What is wrong with a tracking server, told apart on real connections."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow.store.db import utils
from support import free_port

from orchestrator.errors import TrackingError
from orchestrator.tracking.store import client_for, explain, tracked


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def told(uri):
    """The sentence about a store."""
    with pytest.raises(TrackingError) as caught, tracked(uri):
        client_for(uri).search_experiments()
    return str(caught.value)


@contextmanager
def serving(answers):
    """A server that gives these answers (status and body) to one question after the other; its address."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (500, "broken", "the server is there but answers with status 500"),
        (503, "later", "the server is there but answers with status 503"),
        (401, "who?", "the server refuses access (status 401); set MLFLOW_TRACKING_USERNAME"),
        (403, "no", "the server refuses access (status 403)"),
        (404, "<html>not here</html>", "what answers there is no MLflow server (status 404)"),
        (404, '{"detail": "Not Found"}', "what answers there is no MLflow server"),
        (200, "<html>hello</html>", "what answers there is no MLflow server"),
        (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "too long"}', "too long"),
    ],
)
def test_what_a_server_answers_is_told_apart(status, body, sentence):
    with serving([(status, body)]) as uri:
        found = told(uri)
    assert found.startswith(f"MLflow store {uri}: ")
    assert sentence in found
    assert "no server answers" not in found


def test_another_store_is_advised_only_if_this_one_may_be_the_wrong_one(monkeypatch):
    advice = "`unset MLFLOW_TRACKING_URI`"
    # MLflow's client asks a second time when it hears 503
    with serving([(404, "what?"), (503, "later"), (503, "later"), (200, '{"experiments": []}'), (404, "what?")]) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert advice in told(uri)
        assert advice not in told(uri)
        with tracked(uri):
            client_for(uri).search_experiments()
        # it has been the right one before
        assert advice not in told(uri)
    assert told(uri).endswith("no server answers there")


def test_nobody_a_silent_server_and_an_unknown_host_are_told_apart():
    assert told(f"http://127.0.0.1:{free_port()}").endswith("no server answers there")
    assert told("http://no-such-host.invalid:5000").endswith("there is no host of that name")
    secret = told(f"http://me:secret@127.0.0.1:{free_port()}/path")
    assert "secret" not in secret
    assert secret.startswith("MLflow store http://***@127.0.0.1:")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "did not answer in time" in told(f"http://127.0.0.1:{port}")


def test_a_file_that_is_deleted_while_it_is_used_is_one_sentence_without_a_traceback(store, logged, capfd):
    client = client_for(store)
    run_id = client.create_run("0").info.run_id
    Path(store.removeprefix("sqlite:///")).unlink()
    with pytest.raises(TrackingError, match="the file was deleted while it was used") as caught, tracked(store):
        client.log_metric(run_id, "loss", 1.0)
    assert "\n" not in str(caught.value)
    assert logged == [] and capfd.readouterr() == ("", "")


def opening(uri):
    """A process that opens a store, and ends."""
    code = (
        "import sys\nfrom orchestrator.tracking.store import client_for\nclient_for(sys.argv[1]).search_experiments()"
    )
    return subprocess.Popen([sys.executable, "-c", code, uri])


def test_a_process_that_is_killed_while_it_makes_a_store_leaves_none_that_cannot_be_used(tmp_path, monkeypatch):
    # where no empty one is kept
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    process = opening(uri)
    deadline = time.monotonic() + 60
    # some of the tables are there; SQLite's journal beside the file comes and goes
    while not any(path.stat().st_size > 100_000 for path in tmp_path.glob("*.writing")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert [experiment.name for experiment in client_for(uri).search_experiments()] == ["Default"]
    assert (tmp_path / "mlflow.db").exists()


def tables_of(path):
    with sqlite3.connect(path) as store:
        return store.execute("select type, name, sql from sqlite_master order by name").fetchall()


def test_a_copy_of_the_kept_empty_store_is_as_if_mlflow_had_made_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    folders = [tmp_path / name for name in ("first", "second", "third")]
    made = []
    for folder in folders:
        folder.mkdir()
        monkeypatch.chdir(folder)
        with monkeypatch.context() as patch:
            if folder == folders[1]:
                patch.setattr(utils, "_initialize_tables", lambda _engine: pytest.fail("made, and not copied"))
            made.append(client_for(None).get_experiment("0").artifact_location)
        # what is kept is not whole any more: MLflow makes a third one
        [kept] = (tmp_path / "home" / "stores").iterdir()
        if folder == folders[1]:
            kept.write_bytes(kept.read_bytes()[:50_000])
    assert made == [f"{folder}/mlruns/0" for folder in folders]
    assert tables_of(folders[0] / "mlflow.db") == tables_of(folders[1] / "mlflow.db") != []
    # the order of its constraints is another one each time
    assert tables_of(kept) == tables_of(folders[2] / "mlflow.db") != []
    # and nothing is kept where nothing can be
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(kept))
    assert [experiment.name for experiment in client_for(f"sqlite:///{tmp_path}/fourth.db").search_experiments()]


def test_a_store_whose_tables_are_half_made_says_what_to_do(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client_for(f"sqlite:///{tmp_path}/other.db").search_experiments()
    with sqlite3.connect(tmp_path / "other.db") as other:
        tables = [
            sql for (sql,) in other.execute("select sql from sqlite_master where type = 'table' and sql not null")
        ]
    with sqlite3.connect(tmp_path / "mlflow.db") as half:
        for sql in tables[: len(tables) // 2]:
            half.execute(sql)
    assert "its tables are half made, because a process was ended while it made them" in told(uri)


def old_store(path, revision="bda7b8c39065"):
    """A store as an earlier version of MLflow has left it."""
    import alembic.command
    import sqlalchemy
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = _get_alembic_config(f"sqlite:///{path}")
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)
    engine.dispose()


# imports what takes seconds once, and opens each store in three processes at once; prints how these end
OPENING_AT_ONCE = """
import os, sys
import mlflow.store.model_registry.sqlalchemy_store, mlflow.store.tracking.sqlalchemy_store
from orchestrator.tracking.store import client_for
for uri in sys.argv[1:]:
    processes = []
    for _ in range(3):
        processes.append(os.fork())
        if not processes[-1]:
            client_for(uri).search_experiments()
            os._exit(0)
    print(*[os.waitpid(process, 0)[1] for process in processes])
"""


@pytest.fixture(scope="module")
def opened_at_once(tmp_path_factory):
    """Folders whose stores were opened by three processes at once, and how the processes ended."""
    folder = tmp_path_factory.mktemp("stores")
    places = {name: folder / f"{name} folder" for name in ("new", "copied", "empty", "old")}
    for name in ("empty", "old"):
        places[name].mkdir()
    (places["empty"] / "mlflow.db").touch()
    old_store(places["old"] / "mlflow.db")
    uris = [f"sqlite:///{place}/mlflow.db" for place in places.values()]
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(folder / "home")}
    command = [sys.executable, "-c", OPENING_AT_ONCE, *uris]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    ended = dict(zip(places, done.stdout.splitlines(), strict=False))
    return {name: (place, ended.get(name, done.stderr)) for name, place in places.items()}


@pytest.mark.parametrize("kind", ["new", "copied", "empty", "old"])
def test_a_store_that_several_processes_make_or_upgrade_at_once_is_there_once(opened_at_once, kind):
    place, ended = opened_at_once[kind]
    assert ended == "0 0 0"
    assert [path.name for path in place.iterdir()] == ["mlflow.db"]


def test_a_file_that_is_no_store_is_one_sentence_that_helps(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database, but a text that is longer than a header of SQLite" * 20)
    assert "the file is damaged, or no database; move it away" in told(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_link_is_a_store_where_it_leads_to_and_one_that_leads_nowhere_is_said_at_once(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mlflow.db").symlink_to(tmp_path / "elsewhere" / "kept.db")
    assert client_for(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kept.db"]
    assert (tmp_path / "mlflow.db").is_symlink()
    (tmp_path / "nowhere.db").symlink_to("/nowhere/mlflow.db")
    sentence = told(f"sqlite:///{tmp_path}/nowhere.db")
    assert "it is a link to /nowhere/mlflow.db, where no folder is; make that, or delete the link" in sentence


@pytest.mark.parametrize(
    "tables",
    [
        ["create table studies (id int)", "create table alembic_version (version_num text)"],
        ["create table experiments (id int, name text)"],
        ["create table customers (id int)", "create table orders (id int)"],
    ],
)
def test_the_file_of_another_program_is_refused_and_not_touched(tmp_path, tables):
    with closing(sqlite3.connect(tmp_path / "their's #1.db")) as theirs:
        for table in tables:
            theirs.execute(table)
        theirs.commit()
    before = (tmp_path / "their's #1.db").read_bytes()
    sentence = told(f"sqlite:///{tmp_path}/their's #1.db")
    assert "it is the file of another program (its tables are " in sentence
    assert tables[0].split()[2] in sentence
    assert (tmp_path / "their's #1.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["their's #1.db"]


def test_what_no_store_can_be_is_said_at_once_and_not_after_two_minutes(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with closing(sqlite3.connect(tmp_path / "newer")) as newer:
        newer.execute("create table alembic_version (version_num text)")
        newer.execute("insert into alembic_version values ('ffffffffffff')")
        newer.commit()
    began = time.monotonic()
    assert "that is a folder, no file; name a file in it, or give another --tracking-uri" in told(
        f"sqlite:///{tmp_path}/folder"
    )
    assert "a folder in its path is a file" in told(f"sqlite:///{tmp_path}/file/mlflow.db")
    sentence = told(f"sqlite:///{tmp_path}/newer")
    assert f"a newer MLflow than {version('mlflow')} has made it; install that one, or give another" in sentence
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "(sqlite3.OperationalError) attempt to write a readonly database [SQL: INSERT INTO runs]",
            "may not write to it",
        ),
        ("(sqlite3.OperationalError) database is locked [SQL: SELECT 1]", "another program has locked it"),
        (
            "(sqlite3.OperationalError) no such column: runs.run_uuid [SQL: SELECT 1]",
            "not all of its tables are MLflow's",
        ),
        ("Can't locate revision identified by 'ffffffffffff'", "a newer MLflow than"),
        (
            "Detected out-of-date database schema (found version bda7b8c39065, but expected dc11669786a5).",
            "an older MLflow has made it; copy the file, then run `mlflow db upgrade sqlite:///a.db`",
        ),
    ],
)
def test_what_sqlite_says_of_a_store_is_told_in_words_that_help(tmp_path, monkeypatch, said, sentence):
    monkeypatch.chdir(tmp_path)
    Path("a.db").touch()
    found = explain(OSError(said), "sqlite:///a.db")
    assert sentence in found
    assert "SQL" not in found


@pytest.mark.parametrize("name", ["a b", "50% ü", "x#y"])
def test_the_store_of_a_folder_with_an_odd_name_is_in_it(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = client_for(None)
    run = client.create_run("0")
    client.log_text(run.info.run_id, "text", "file.txt")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sorted(path.name for path in folder.iterdir()) == ["mlflow.db", "mlruns"]
    assert len(list(folder.rglob("file.txt"))) == 1


@pytest.mark.parametrize("name", ["q?z", "%41"])
def test_a_folder_that_cannot_have_a_store_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"a folder whose name holds .* cannot have one"):
        client_for(None)
    assert list(tmp_path.rglob("*")) == [tmp_path / name]
