"""What counts as a header, and as the end of a request, in the replicas' HTTP server: uvicorn, corrected.

Its parser tells of the fields behind a chunked body (trailers) as of headers, so that a `Host`, an `Authorization` or
a `Content-Encoding` there would count, which no proxy before the endpoint has looked at (RFC 9110, 6.5.1, forbids it).
Who says that nothing more will come, once a request is complete, would be taken for one who has gone. And of a request
with `Upgrade`, as Java's HttpClient sends it to see whether there is HTTP/2, the body would be lost.
"""

from __future__ import annotations

from typing import Any, cast

import httptools
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """One connection of a client, which is HTTP/1.1 for ever: `Upgrade` is not heard, as RFC 9110, 7.8, allows."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        """As uvicorn makes it."""
        super().__init__(*arguments, **options)
        self.parser = _Parser(self)

    def on_headers_complete(self) -> None:
        """Starts the request with the headers so far."""
        if _stops(self.parser):
            return
        # what comes later is added to the protocol's own list
        self.scope["headers"] = list(self.headers)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends the body."""
        if not _stops(self.parser):
            super().on_message_complete()

    def eof_received(self) -> None:
        """Goes on writing when the last request was complete; the connection is closed behind its answer."""
        cycle = self.cycle
        # TLS cannot be closed by halves in asyncio
        if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return None
        cycle.keep_alive = False
        # so asyncio wants it; uvicorn's type does not know
        return cast("None", True)

    def head_without_upgrade(self) -> bytes:
        """The head that was parsed last."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])


class _Parser(httptools.HttpRequestParser):
    """Stops nowhere: behind a head with `Upgrade` another one begins again with that head, without."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection
        # as uvicorn does
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: Any) -> None:  # noqa: ANN401
        parser = self
        while data:
            try:
                super(_Parser, parser).feed_data(data)
                data = b""
            except httptools.HttpParserUpgrade as stopped:
                if not _stops(parser):
                    raise
                data = self._connection.head_without_upgrade() + data[stopped.args[0] :]
                # one that has read `Connection: close` passes over all that comes
                parser = self._connection.parser = _Parser(self._connection)


def _stops(parser: httptools.HttpRequestParser) -> bool:
    """Whether it takes what follows for something else than HTTP/1.1; behind CONNECT it is right."""
    return bool(parser.should_upgrade()) and parser.get_method() != b"CONNECT"


def correct_uvicorn() -> None:
    """For all servers that this process starts from now on: Serve does not let one choose their class."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
