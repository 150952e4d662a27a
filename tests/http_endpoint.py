"""An endpoint on a real HTTP server in a thread of this process: what `deploy` serves, without its Ray."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import grpc
import uvicorn
from support import free_port, prepare_bundle

from orchestrator.serving.grpc.service import InferenceService
from orchestrator.serving.http.endpoint import Endpoint
from orchestrator.serving.messages import AssignedModel, AssignedVersion
from orchestrator.serving.settings import EndpointSettings


class HttpEndpoint:
    """Serves one version of each model while it is open, over gRPC, too."""

    def __init__(
        self,
        folder: Path,
        bundles: Mapping[str, Path],
        settings: EndpointSettings | None = None,
        version: str | None = None,
    ) -> None:
        content = {}
        for name, bundle in bundles.items():
            place = folder / f"{name}-prepared"
            prepare_bundle(bundle, place)
            content[name] = AssignedModel(champion=AssignedVersion(version, name, place))
        endpoint = Endpoint(settings or EndpointSettings(), "r0")
        endpoint.configure(content, lambda _key, path: path)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(endpoint, host="127.0.0.1", port=self.port, log_level="error", access_log=False)
        self._server = uvicorn.Server(config)
        self._handler = InferenceService(lambda: endpoint).handler()
        self.grpc_port = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> HttpEndpoint:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    async def _serve(self) -> None:
        # both in one event loop, as in a replica
        calls = grpc.aio.server()
        calls.add_generic_rpc_handlers((self._handler,))
        self.grpc_port = calls.add_insecure_port("127.0.0.1:0")
        await calls.start()
        await self._server.serve()
        await calls.stop(None)

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
