"""The service `inference.GRPCInferenceService`: each call asks the endpoint as a request over HTTP would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from google.protobuf.message import DecodeError

from orchestrator.errors import InvalidRequestError
from orchestrator.serving.grpc import SERVICE
from orchestrator.serving.grpc.messages import METHODS, PACKAGE, message_class
from orchestrator.serving.grpc.translation import HttpBody, from_http, to_http
from orchestrator.serving.http.asgi import Headers
from orchestrator.serving.http.endpoint import Endpoint

OK = 200
LENGTH = b"inference-header-content-length"
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto says which status of HTTP is which code
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# of the metadata of a call, as headers are called over HTTP
PASSED_ON = frozenset({"authorization", "traceparent", "tracestate"})

Context = Any


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


async def ask(
    endpoint: Endpoint, path: str, metadata: Iterable[tuple[str, str | bytes]], request: HttpBody | None = None
) -> _Answer:
    """What the endpoint answers to a request, with the metadata of a call."""
    body = b"" if request is None else request.content
    headers: Headers = []
    if request is not None:
        headers = [(b"content-type", b"application/octet-stream"), (LENGTH, b"%d" % request.header_length)]
    headers += [
        (key.encode(), value.encode() if isinstance(value, str) else value)
        for key, value in metadata
        if key in PASSED_ON
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "2",
        "scheme": "http",
        "method": "GET" if request is None else "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        # no browser asks in this way, so that no page can
        "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % len(body)), *headers],
    }
    status, found, pieces = 500, Headers(), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401
        nonlocal status, found
        if message["type"] == "http.response.start":
            status, found = message["status"], list(message["headers"])
        else:
            pieces.append(message.get("body", b""))

    await endpoint(scope, receive, send)
    return _Answer(status, found, b"".join(pieces))


class InferenceService:
    """Answers the calls of the protocol.

    Args:
        endpoint: gives the endpoint of this process, None where there is none.
    """

    def __init__(self, endpoint: Callable[[], Endpoint | None]) -> None:
        self._endpoint = endpoint

    def handler(self) -> grpc.GenericRpcHandler:
        """For a server of `grpc.aio`."""
        answers: dict[str, Callable[[Any, Context], Awaitable[Any]]] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    _reading(f"{name}Request", answers[name]),
                    response_serializer=lambda response: response.SerializeToString(),
                )
                for name in METHODS
            },
        )

    async def server_live(self, _request: Any, context: Context) -> Any:  # noqa: ANN401
        """Whether this process answers at all."""
        await self._ask(context, "/v2/health/live")
        return message_class("ServerLiveResponse")(live=True)

    async def server_ready(self, _request: Any, context: Context) -> Any:  # noqa: ANN401
        """Whether it answers requests for inference."""
        await self._ask(context, "/v2/health/ready")
        return message_class("ServerReadyResponse")(ready=True)

    async def model_ready(self, request: Any, context: Context) -> Any:  # noqa: ANN401
        """Whether a model, or a version of it, is served."""
        await self._ask(context, f"{_path(request.name, request.version)}/ready")
        return message_class("ModelReadyResponse")(ready=True)

    async def server_metadata(self, _request: Any, context: Context) -> Any:  # noqa: ANN401
        """Name, version, extensions."""
        return message_class("ServerMetadataResponse")(**orjson.loads((await self._ask(context, "/v2")).body))

    async def model_metadata(self, request: Any, context: Context) -> Any:  # noqa: ANN401
        """The tensors that a model takes and gives."""
        content = orjson.loads((await self._ask(context, _path(request.name, request.version))).body)
        response = message_class("ModelMetadataResponse")(
            name=content["name"], versions=content["versions"], platform=content["platform"]
        )
        for name in ("inputs", "outputs"):
            for tensor in content[name]:
                getattr(response, name).add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        return response

    async def model_infer(self, request: Any, context: Context) -> Any:  # noqa: ANN401
        """Predictions."""
        try:
            body = to_http(request)
        except InvalidRequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        path = f"{_path(request.model_name, request.model_version)}/infer"
        answer = await self._ask(context, path, body)
        length = answer.header(LENGTH)
        return from_http(answer.body, int(length) if length else None)

    async def _ask(self, context: Context, path: str, body: HttpBody | None = None) -> _Answer:
        """An answer; a refusal ends the call with its code and sentence."""
        endpoint = self._endpoint()
        if endpoint is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no replica answers at the moment; try again")
            raise AssertionError
        asked = ask(endpoint, path, context.invocation_metadata() or (), body)
        # a client that goes away must not stop what is counted and batched with others
        answer = await asyncio.shield(asyncio.ensure_future(asked))
        if answer.status != OK:
            code = CODES.get(answer.status, grpc.StatusCode.INTERNAL)
            await context.abort(code, orjson.loads(answer.body)["error"])
        return answer


def _reading(name: str, answer: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[bytes, Context], Awaitable[Any]]:
    """A method that reads its message itself: what is none would be the server's own error, `UNKNOWN`, otherwise."""
    read = message_class(name).FromString

    async def answered(content: bytes, context: Context) -> Any:  # noqa: ANN401
        try:
            request = read(content)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"what was sent is no {PACKAGE}.{name}")
            raise
        return await answer(request, context)

    return answered


def _path(name: str, version: str) -> str:
    return f"/v2/models/{name}/versions/{version}" if version else f"/v2/models/{name}"
