"""What counts as a header, and as the end of a request, in the replicas' HTTP server: uvicorn with two corrections.

Its parser tells of the fields behind a chunked body (trailers) as of headers, so that a `Host`, an `Authorization` or
a `Content-Encoding` there would count, which no proxy before the endpoint has looked at (RFC 9110, 6.5.1, forbids it).
And who says that nothing more will come, once a request is complete, would be taken for one who has gone.
"""

from __future__ import annotations

from typing import cast

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def on_headers_complete(self) -> None:
        """Starts the request with the headers so far."""
        # what comes later is added to the protocol's own list
        self.scope["headers"] = list(self.headers)
        super().on_headers_complete()

    def eof_received(self) -> None:
        """Goes on writing when the last request was complete; the connection is closed behind its answer."""
        cycle = self.cycle
        # TLS cannot be closed by halves in asyncio
        if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return None
        cycle.keep_alive = False
        # so asyncio wants it; uvicorn's type does not know
        return cast("None", True)


def correct_uvicorn() -> None:
    """For all servers that this process starts from now on: Serve does not let one choose their class."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
