"""The little of HTTP that an endpoint needs on top of ASGI: bodies with limits, JSON answers, errors as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
# of zlib: gzip and zlib headers are told apart
AUTOMATIC_WINDOW = 47
INFLATE_PIECE = 1 << 20
COMPRESSED_PIECE = 1 << 14
GZIP_BEGINNING = b"\x1f\x8b"
# of gzip: tiny ones take a thousand times as long as one of the same size
MOST_MEMBERS = 1000
DISCARD_SECONDS = 2.0
# of a length in a header: longer numbers make Python's int() fail
MAX_DIGITS = 15
NO_CONTENT = 204


@dataclass(slots=True, kw_only=True)
class Request:
    """A request, and what becomes known of it while it is answered.

    Attributes:
        scope, receive: of ASGI.
        route: as the metrics call it.
        model, version, role: that were asked; empty when none was reached.
        rows: that were asked about.
        logged: its id in the log of requests; empty if it is not there.
    """

    scope: Scope
    receive: Receive
    route: str = "unknown"
    model: str = ""
    version: str = ""
    role: str = ""
    rows: int = 0
    logged: str = ""


Answer = tuple[int, bytes, Headers]
Handler = Callable[[Request], Awaitable[Answer]]


class HttpError(Exception):
    """An answer other than 200.

    Attributes:
        status: of HTTP.
        content: JSON.
        headers: besides the content type.
        reason: a word for the metrics.
    """

    def __init__(self, status: int, message: str, *, reason: str = "", headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = headers or []
        self.content = {"error": {"message": message, "row": None, "column": None}}


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header, by its lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The body of a request, decompressed.

    Args:
        scope, receive: of ASGI.
        limit: bytes, also of what a compressed body holds.
        seconds: that a client may take to send it.

    Raises:
        HttpError: 413 when it is too large, 408 when it comes too slowly, 415 for an encoding that is not known, 400
            when the client went away or what is compressed is damaged.
    """
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and (len(length) > MAX_DIGITS or int(length) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            body = await _received(receive, limit)
    except TimeoutError:
        raise HttpError(408, "the body came too slowly", reason="slow_body", headers=[CLOSE]) from None
    encoding = (header(scope, b"content-encoding") or b"").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"deflate"):
        raise HttpError(415, "the content encoding is not known; use gzip, deflate or none", reason="encoding")
    return _inflate(body, limit)


async def discard_body(receive: Receive, limit: int) -> None:
    """Reads what a client has begun to send, for a short time and up to so many bytes."""
    with contextlib.suppress(TimeoutError, HttpError):
        async with asyncio.timeout(DISCARD_SECONDS):
            await _received(receive, limit)


async def _received(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "the client closed the connection", reason="disconnected")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _inflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflated(body, limit, AUTOMATIC_WINDOW)
    except zlib.error:
        try:
            # what some call deflate has no header
            return _inflated(body, limit, -zlib.MAX_WBITS)
        except zlib.error:
            raise HttpError(400, "the compressed body is damaged", reason="encoding") from None


def _inflated(body: bytes, limit: int, window: int) -> bytes:
    """What is compressed; gzip may come in several members, one after the other (RFC 1952, 2.2)."""
    pieces: list[bytes] = []
    size = members = 0
    stream = zlib.decompressobj(window)
    source = memoryview(body)
    position = 0
    while position < len(source) or stream.unconsumed_tail:
        if stream.eof:
            members += 1
            beginnings = {bytes(source[:2]), bytes(source[position : position + 2])}
            if members >= MOST_MEMBERS or beginnings != {GZIP_BEGINNING}:
                raise HttpError(400, "something follows the end of the compressed body", reason="encoding")
            stream = zlib.decompressobj(window)
        # in pieces: a small body can hold gigabytes, and what is left over of a piece is copied
        fed = stream.unconsumed_tail
        if not fed:
            fed = bytes(source[position : position + COMPRESSED_PIECE])
            position += len(fed)
        piece = stream.decompress(fed, INFLATE_PIECE)
        position -= len(stream.unused_data)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    if not stream.eof:
        raise zlib.error("not complete")
    return b"".join(pieces)


def _too_large(limit: int) -> HttpError:
    shown = f"{limit / 2**20:.0f} MiB" if limit >= 2**20 else f"{limit} bytes"
    return HttpError(
        413, f"the body is larger than {shown}; send fewer rows in a request", reason="too_large", headers=[CLOSE]
    )


# what is left of the body is not read
CLOSE = (b"connection", b"close")


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Sends a whole answer; `headers` without the length."""
    # RFC 9110, 8.6: an answer without content has no length
    length = [] if status == NO_CONTENT else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


def to_json(content: Any) -> bytes:  # noqa: ANN401
    """JSON as bytes; NumPy arrays are lists."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


async def other_protocols(scope: Scope, receive: Receive, send: Send) -> None:
    """Declines WebSockets, and lets a server start and stop (ASGI 3)."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
        return
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
