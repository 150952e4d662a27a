"""The folder for temporary files and for sockets."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from orchestrator import temporary
from orchestrator.cli.doctor import _temporary
from orchestrator.cluster import ray_session
from orchestrator.errors import ExecutionError
from orchestrator.serving.control.control_socket import answer_questions
from orchestrator.serving.control.deployments import PLACE_SOCKET, Deployment, abandoned_places, forget, private_place
from orchestrator.serving.control.haproxy_double import double_socket
from orchestrator.temporary import MAX_SOCKET_PATH, RAY_SOCKET, SocketFolder, limit, ray_folder, socket_folder

SYSTEM = Path("/tmp")


@pytest.fixture
def short(monkeypatch):
    """A folder with a short path; no variable is set."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    with tempfile.TemporaryDirectory(dir=SYSTEM) as name:
        yield Path(name)


def folder_of(place, length):
    """A folder whose path has so many bytes."""
    folder = place / ("t" * (length - len(os.fsencode(place)) - 1))
    folder.mkdir()
    assert len(os.fsencode(folder)) == length
    return folder


def test_the_longest_folder_holds_a_socket_as_long_as_rays(short, monkeypatch):
    folder = folder_of(short, limit())
    monkeypatch.setenv("TMPDIR", str(folder))
    path = Path(str(folder) + RAY_SOCKET)
    assert len(os.fsencode(path)) == MAX_SOCKET_PATH
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert ray_folder() == SocketFolder(folder)


@pytest.mark.parametrize("length", [limit() + 1, 100, 200])
def test_sockets_are_in_a_short_folder_when_tmpdir_is_too_long(short, monkeypatch, length):
    folder = folder_of(short, length)
    monkeypatch.setenv("TMPDIR", str(folder))
    assert ray_folder() == socket_folder()
    assert (ray_folder().path, ray_folder().avoided) == (SYSTEM, folder)
    assert ray_folder().ray == SYSTEM / "ray"
    (finding,) = _temporary()
    assert finding.state == "ok"
    assert "TMPDIR" in finding.seen
    assert "/tmp/ray" in finding.seen
    assert "RAY_TMPDIR" in finding.fix


def test_rays_files_are_elsewhere_when_tmpdir_has_letters_that_ray_cannot_write(short, monkeypatch):
    folder = short / "a b ü"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    assert (ray_folder().path, ray_folder().avoided) == (SYSTEM, folder)
    (finding,) = _temporary()
    assert finding.state == "ok"
    assert f"TMPDIR is {folder}, which Ray cannot use" in finding.seen
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    with pytest.raises(ExecutionError, match=r"RAY_TMPDIR is .* ASCII characters only: `unset RAY_TMPDIR`"):
        ray_folder()


def test_an_endpoint_can_be_asked_when_tmpdir_is_too_long(short, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder_of(short, 100)))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with private_place() as place:
        with answer_questions(place, lambda _question: None) as path:
            assert path.is_socket()
        assert place not in list(abandoned_places())
    left = Path(tempfile.mkdtemp(prefix="orch-4194305-", dir=SYSTEM))
    assert left in list(abandoned_places())
    left.rmdir()
    # of an endpoint on a cluster, whose process is on another machine
    monkeypatch.setattr(os, "getpid", lambda: 4194305)
    with private_place() as ours, private_place(cluster=True) as of_a_cluster:
        assert ours in list(abandoned_places())
        assert of_a_cluster not in list(abandoned_places())
        # where it ends without a word, Ray Serve goes on with its files, and HAProxy with its configuration
        for place, stays in ((ours, False), (of_a_cluster, True)):
            forget(Deployment(name="iris", version=None, url="http://h:1", pid=4194305, created=1.0, place=str(place)))
            assert place.exists() == stays


@pytest.mark.parametrize("length", [20, limit()])
def test_the_sockets_of_haproxy_fit_where_tmpdir_is_short_enough_for_those_of_ray(short, monkeypatch, length):
    monkeypatch.setenv("TMPDIR", str(folder_of(short, length)))
    with private_place(cluster=True) as place:
        # the longest one, see `HAProxyWatchdog._answer_at`
        path = place / ("f" * 56) / f"{double_socket(Path('s')).name}4194304"
        assert len(str(path)) - len(str(place.parent)) <= len(PLACE_SOCKET)
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))


@pytest.mark.parametrize("named", [None, "", "relative"])
def test_a_folder_is_absolute_as_ray_wants_it(short, monkeypatch, named):
    monkeypatch.chdir(short)
    (short / "relative").mkdir()
    if named is not None:
        monkeypatch.setenv("TMPDIR", named)
    assert ray_folder().path == (short / "relative" if named else SYSTEM)


def test_the_next_short_folder_is_taken_when_one_cannot_be_written_to(short, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder_of(short, 100)))
    monkeypatch.setattr(temporary, "SHORT_FOLDERS", (Path("/proc"), short))
    assert socket_folder().path == short
    monkeypatch.setattr(temporary, "SHORT_FOLDERS", (Path("/proc"),))
    with pytest.raises(ExecutionError, match=r"TMPDIR is .* too long .*, and /proc cannot .* set RAY_TMPDIR"):
        socket_folder()


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("/proc", "where no files can be made"),
        ("{short}/missing", "does not exist"),
        ("{short}/file", "is not a folder"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_its_variable(short, monkeypatch, variable, named, problem):
    (short / "file").touch()
    named = named.format(short=short)
    monkeypatch.setenv(variable, named)
    with pytest.raises(ExecutionError, match=f"^{variable} is {named}, .*{problem}.*: .*{variable}"), ray_session():
        pass
    (finding,) = _temporary()
    assert finding.state == "error"
    assert finding.seen.startswith(f"{variable} is {named}")
    assert variable in finding.fix


def test_a_ray_tmpdir_that_is_too_long_is_refused(short, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(folder_of(short, limit() + 1)))
    with pytest.raises(ExecutionError, match=r"RAY_TMPDIR is .* too long for sockets .*unset RAY_TMPDIR"):
        ray_folder()
