"""Bodies with limits, and tokens."""

import asyncio
import gzip
import os
import socket
import time
import zlib

import pytest
import uvicorn.config
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.serving.control.replica import middlewares
from orchestrator.serving.http import auth
from orchestrator.serving.http.asgi import HttpError, read_body, respond
from orchestrator.serving.http.auth import TokenCheck, read_tokens

LIMIT = 1000
GOOD, OTHER = "a" * 32, "b" * 32


def read(pieces, headers=(), limit=LIMIT, seconds=5.0, pause=0.0):
    """What `read_body` makes of a body that comes in pieces."""
    left = list(pieces)

    async def receive():
        if pause:
            await asyncio.sleep(pause)
        if not left:
            return {"type": "http.disconnect"}
        piece = left.pop(0)
        return {"type": "http.request", "body": piece or b"", "more_body": bool(left) or piece is None}

    return asyncio.run(read_body({"headers": list(headers)}, receive, limit, seconds))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_a_body_is_what_was_sent_or_too_large(pieces):
    whole = b"".join(pieces)
    if len(whole) <= LIMIT:
        assert read(pieces) == whole
    else:
        with pytest.raises(HttpError) as caught:
            read(pieces)
        assert caught.value.status == 413


def test_a_length_that_is_too_large_is_refused_before_anything_is_read():
    with pytest.raises(HttpError) as caught:
        read([], [(b"content-length", b"1001")])
    assert caught.value.status == 413
    with pytest.raises(HttpError) as caught:
        read([gzip.compress(bytes(60_000)) * 2], [(b"content-encoding", b"gzip")], limit=100_000)
    assert caught.value.status == 413


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.binary(min_size=1, max_size=40))
def test_all_members_of_gzip_are_read_and_what_follows_them_is_not_ignored(members, rest):
    body = b"".join(map(gzip.compress, members))
    encoding = [(b"content-encoding", b"gzip")]
    assert read([body], encoding, limit=2000) == b"".join(members)
    with pytest.raises(HttpError) as caught:
        read([body + rest], encoding, limit=2000)
    assert caught.value.status == 400


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])
@pytest.mark.parametrize("rest", [b"\0", b"garbage", zlib.compress(b"more"), b"x" * 100_000])
def test_something_after_a_compressed_body_is_said(compress, rest):
    with pytest.raises(HttpError, match="follows the end of the compressed body") as caught:
        read([compress(b"x" * 50_000) + rest], [(b"content-encoding", b"gzip")], limit=10**6)
    assert caught.value.status == 400


def test_a_great_many_tiny_members_cost_little():
    began = time.process_time()
    with pytest.raises(HttpError):
        read([gzip.compress(b"") * 400_000], [(b"content-encoding", b"gzip")], limit=10**7)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        (b"gzip", gzip.compress),
        (b"GZIP", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", lambda data: zlib.compress(data)[2:-4]),
        # members one after the other, as of parallel compressors (RFC 1952, 2.2)
        (b"gzip", lambda data: gzip.compress(data[:400]) + gzip.compress(b"") + gzip.compress(data[400:])),
        (b"identity", bytes),
        (b"", bytes),
    ],
)
def test_compressed_bodies_are_read(encoding, compress):
    assert read([compress(b"x" * 900)], [(b"content-encoding", encoding)]) == b"x" * 900


def test_a_compressed_body_is_measured_by_what_it_holds():
    with pytest.raises(HttpError) as caught:
        read([gzip.compress(bytes(50_000_000))], [(b"content-encoding", b"gzip")], limit=100_000)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"plain", b"gzip", 400),
        (gzip.compress(b"x" * 100)[:-9], b"gzip", 400),
        (b"", b"gzip", 400),
        (b"x", b"br", 415),
        (b"x", b"gzip, gzip", 415),
    ],
)
def test_what_cannot_be_decompressed_is_refused(body, encoding, status):
    with pytest.raises(HttpError) as caught:
        read([body], [(b"content-encoding", encoding)])
    assert caught.value.status == status


def test_a_body_that_comes_too_slowly_or_not_at_all_ends():
    with pytest.raises(HttpError) as caught:
        read([b"a", b"b", b"c", b"d"], seconds=0.1, pause=0.06)
    assert caught.value.status == 408
    with pytest.raises(HttpError) as caught:
        # not even its first byte
        read([b"a"], seconds=0.1, pause=5)
    assert caught.value.status == 408
    # what is left of the body is not read
    assert caught.value.headers == [(b"connection", b"close")]
    with pytest.raises(HttpError) as caught:
        read([b"a", None])
    assert caught.value.status == 400


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def test_several_tokens_and_comments_in_a_file(tmp_path):
    check = TokenCheck(write(tmp_path / "tokens", "# of the web shop", GOOD, "", OTHER))
    assert check.allows(b"Bearer " + GOOD.encode())
    assert check.allows(b"bearer  " + OTHER.encode())
    for wrong in (None, b"", b"Bearer", b"Bearer ", GOOD.encode(), b"Basic " + GOOD.encode(), b"Bearer " + b"c" * 32):
        assert not check.allows(wrong)


@given(st.binary(max_size=60))
def test_no_other_bytes_are_a_token(tmp_path_factory, value):
    check = TokenCheck(write(tmp_path_factory.mktemp("auth") / "tokens", GOOD))
    assert not check.allows(value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no token"),
        ("# only a comment\n", "there is no token"),
        (f"{GOOD}\nshort\n", "line 2: a token must have at least 16"),
        ("two words and more\n", "line 1"),
        ("é" * 20, "line 1"),
    ],
)
def test_a_file_without_good_tokens_is_named(tmp_path, content, message):
    path = write(tmp_path / "tokens", content)
    with pytest.raises(UsageError, match=message) as caught:
        read_tokens(path)
    assert str(path) in str(caught.value)
    with pytest.raises(UsageError, match="no such file"):
        read_tokens(tmp_path / "missing")


def test_a_file_of_another_editor_is_read_and_what_is_no_ordinary_file_is_refused_at_once(tmp_path):
    path = write(tmp_path / "tokens", "x")
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n" + OTHER.encode())
    assert len(read_tokens(path)) == 2
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="no ordinary file"):
        read_tokens(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"cannot be read \(Is a directory\)"):
        read_tokens(tmp_path)


def test_a_file_that_changes_without_looking_changed_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(auth, "CHECK_SECONDS", 0.0)
    path = write(tmp_path / "tokens", GOOD)
    check = TokenCheck(path)
    status = path.stat()
    monkeypatch.setattr(auth.os, "stat", lambda _path: status)
    write(path, OTHER)
    assert not check.allows(b"Bearer " + GOOD.encode())
    assert check.allows(b"Bearer " + OTHER.encode())


def test_a_file_that_changes_while_it_is_read_the_first_time_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(auth, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(auth, "SETTLED_SECONDS", 0.0)
    path = write(tmp_path / "tokens", GOOD)

    def read_then_change(path, read=read_tokens):
        found = read(path)
        monkeypatch.undo()
        monkeypatch.setattr(auth, "CHECK_SECONDS", 0.0)
        write(path, OTHER, "# changed")
        return found

    monkeypatch.setattr(auth, "read_tokens", read_then_change)
    check = TokenCheck(path)
    assert not check.allows(b"Bearer " + GOOD.encode())


def test_the_number_of_tokens_does_not_matter(tmp_path):
    check = TokenCheck(write(tmp_path / "tokens", *(f"{number:032}" for number in range(10_000))))
    began = time.process_time()
    for _ in range(1000):
        assert check.allows(b"Bearer " + b"0" * 31 + b"7")
    # one after the other takes a second
    assert time.process_time() - began < 0.3


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_may_open_is_refused_with_the_command_to_use(tmp_path, mode):
    path = write(tmp_path / "the tokens", GOOD)
    path.chmod(mode)
    with pytest.raises(UsageError, match=f"mode {mode:04o}") as caught:
        read_tokens(path)
    assert str(caught.value).endswith(f"close it with: chmod 600 '{path}'")
    path.chmod(0o400)
    assert len(read_tokens(path)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_secret_that_kubernetes_has_mounted_for_the_group_of_this_process_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "tokens", GOOD)
    path.chmod(0o440)
    os.chown(path, 0, 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    assert len(read_tokens(path)) == 1
    for mode, group in ((0o444, 1000), (0o460, 1000), (0o440, 1001)):
        path.chmod(mode)
        os.chown(path, 0, group)
        with pytest.raises(UsageError, match="other users"):
            read_tokens(path)
    # one's own file needs no group
    path.chmod(0o440)
    os.chown(path, 1000, 1000)
    with pytest.raises(UsageError, match="other users"):
        read_tokens(path)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda path: path.write_text(""), "there is no token in it"),
        (lambda path: path.write_text(f"{GOOD}\nshort\n"), "line 2: a token must have"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.chmod(0o644), "chmod 600"),
    ],
)
def test_a_changed_file_counts_without_a_restart_and_one_without_good_tokens_lets_nobody_in(
    tmp_path, monkeypatch, logged, harm, sentence
):
    monkeypatch.setattr(auth, "CHECK_SECONDS", 0.0)
    path = write(tmp_path / "tokens", GOOD)
    check = TokenCheck(path)
    write(path, OTHER, "# changed")
    assert check.allows(b"Bearer " + OTHER.encode())
    assert not check.allows(b"Bearer " + GOOD.encode())
    harm(path)
    for _ in range(3):
        assert not check.allows(b"Bearer " + OTHER.encode())
    assert check.closed
    assert check.problem.startswith("nobody is let in: ")
    assert sentence in check.problem
    assert [record.getMessage() for record in logged] == [check.problem]
    write(path, GOOD)
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert check.allows(b"Bearer " + GOOD.encode())
    assert (check.problem, check.closed) == (None, False)


# -- uvicorn, as it runs in the replicas -------------------------------------------------------------------------------


async def _exchange(sent, *, half_close=False, pause=0.05):
    """What comes back for some bytes, and the headers of each request that was answered."""
    seen = []

    async def app(scope, receive, send):
        message, body = {"more_body": True}, b"answered"
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect":
                return
        # what comes behind the body is here now
        await asyncio.sleep(pause)
        seen.append(scope["headers"])
        await respond(send, 200, body, [])

    with socket.socket() as listener, pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
        middlewares()
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=1))
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(sent)
        if half_close:
            writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        server.should_exit = True
        await task
    return answer, seen


def test_fields_behind_a_body_are_no_headers():
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer, seen = asyncio.run(_exchange(head + b"1\r\nx\r\n0\r\nHost: b\r\nAuthorization: Bearer c\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [name for name, _ in seen[0]] == [b"host", b"transfer-encoding", b"connection"]


@pytest.mark.parametrize("requests", [1, 3])
def test_who_closes_one_half_behind_a_whole_request_is_answered(requests):
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    answer, seen = asyncio.run(_exchange(request * requests, half_close=True))
    assert answer.count(b"answered") == len(seen) == requests


def test_who_closes_one_half_within_a_request_has_gone():
    answer, seen = asyncio.run(_exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx", half_close=True))
    assert (answer, seen) == (b"", [])


UPGRADE = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 7\r\n\r\na body.", b"Transfer-Encoding: chunked\r\n\r\n7\r\na body.\r\n0\r\nHost: b\r\n\r\n"],
)
@pytest.mark.parametrize("count", [1, 300])
def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(body, count):
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, seen = asyncio.run(_exchange((UPGRADE + body) * count + last, pause=0.0))
    assert answer.count(b"HTTP/1.1 200 ") == len(seen) == count + 1
    assert answer.count(b"a body.") == count
    assert [value for headers in seen for name, value in headers if name == b"host"] == [b"a"] * (count + 1)


def test_a_request_that_asks_for_another_protocol_and_for_the_end_of_the_connection_is_answered():
    request = UPGRADE + b"Connection: close\r\nContent-Length: 7\r\n\r\na body."
    answer, seen = asyncio.run(_exchange(request))
    assert answer.count(b"HTTP/1.1 200 ") == len(seen) == answer.count(b"a body.") == 1
