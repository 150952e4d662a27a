"""Handlers that need no model, and parts of answers."""

from __future__ import annotations

from orchestrator.columns.notes import Note
from orchestrator.serving.http.asgi import JSON_TYPE, NO_CONTENT, Answer, Handler, Request


def shown(notes: tuple[Note, ...]) -> dict[str, list[str]]:
    """What was passed over in a body, if anything."""
    return {"notes": [str(note) for note in notes]} if notes else {}


def reading(route: str, handler: Handler) -> dict[str, Handler]:
    """The methods of a path that is only read; `route` is what the metrics call it."""

    async def named(request: Request) -> Answer:
        request.route = route
        return await handler(request)

    return {"GET": named, "HEAD": named}


async def preflight(allowed: bytes, request: Request) -> Answer:
    """Before a web page of another origin asks."""
    request.route = "preflight"
    return NO_CONTENT, b"", [(b"allow", allowed)]


async def fixed(body: bytes, request: Request) -> Answer:
    """JSON that is always the same."""
    del request
    return 200, body, [JSON_TYPE]
