"""The Ray Serve deployment: one process that holds all models, and what Serve asks of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError, ServingError
from orchestrator.serving.endpoint import Endpoint
from orchestrator.serving.hosting import Settings
from orchestrator.serving.http import Receive, Scope, Send
from orchestrator.serving.scaling import BUSY

logger = logging.getLogger(__name__)
COLLECTOR = "orchestrator-collector"
NAMESPACE = "orchestrator-serving"
PUSH_SECONDS = 1.0
# a batch that takes so many times the time limit of a request will not end
STUCK_FACTOR = 3.0

# the endpoint of this process: Serve's own HTTP server asks for a middleware by an import path
_endpoint: Endpoint | None = None


class DirectAnswers:
    """A middleware of the HTTP server in a replica that answers with the endpoint.

    Ray Serve's own way from that server to the application costs about as much as a model's answer: request ids, two
    tasks, routes, metrics and log records. All that it gives (limits, metrics, time limits) the
    endpoint has. Serve's own paths (`/-/healthz`) stay with Serve.
    """

    def __init__(self, app: Any) -> None:  # noqa: ANN401
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on (ASGI 3)."""
        if _endpoint is not None and scope["type"] == "http" and not scope["path"].startswith("/-/"):
            await _endpoint(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def middlewares() -> list[Any]:
    """For `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`."""
    from starlette.middleware import Middleware

    return [Middleware(DirectAnswers)]


class Replica:
    """A replica of an endpoint. Its configuration (`user_config`) changes in place, without a restart."""

    def __init__(self, settings: Settings) -> None:
        """Makes the endpoint; models come with the first configuration.

        Raises:
            UsageError: the token file cannot be used on this node.
        """
        import ray
        from ray import serve

        global _endpoint  # noqa: PLW0603
        self._name = serve.get_replica_context().replica_id.unique_id
        self._collector = ray.get_actor(COLLECTOR, namespace=NAMESPACE)
        self._endpoint = Endpoint(settings, self._name)
        self._endpoint.metrics = self._metrics
        self._configured = False
        self._pushing: asyncio.Task[None] | None = None
        self._clock = (time.monotonic(), time.process_time())
        _endpoint = self._endpoint

    def __serve_build_asgi_app__(self) -> Endpoint:
        """For `serve.ingress`."""
        return self._endpoint

    async def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Takes over other models, versions or weights; what is loaded already is kept.

        Raises:
            OrchestratorError: the first configuration cannot be loaded. A later one leaves the replica as it was.
        """
        try:
            await asyncio.to_thread(self._endpoint.configure, config["models"], self._fetch)
            self._endpoint.problem = None
            self._configured = True
        except OrchestratorError as error:
            if not self._configured:
                raise
            # raising would make Serve end this replica, which still answers with what it has
            self._endpoint.problem = f"the new configuration was not taken: {error}"
            logger.warning("%s", self._endpoint.problem)
        if self._pushing is None:
            self._pushing = asyncio.create_task(self._push())

    def check_health(self) -> None:
        """Raises when the model does not come back, so that Serve starts another replica."""
        stuck = self._endpoint.stuck_for()
        if stuck > STUCK_FACTOR * self._endpoint.settings.limits.timeout:
            raise ServingError(f"the model has been computing one batch for {stuck:.0f} s")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The share of one core that this process has used since it was asked last."""
        before_wall, before_cpu = self._clock
        self._clock = time.monotonic(), time.process_time()
        elapsed = max(1e-3, self._clock[0] - before_wall)
        return {BUSY: (self._clock[1] - before_cpu) / elapsed}

    async def __del__(self) -> None:
        self._endpoint.close()
        if self._pushing is not None:
            self._pushing.cancel()
            with contextlib.suppress(Exception):
                await self._collector.push.remote(self._name, self._snapshot())

    def _fetch(self, key: str, folder: Path) -> Path:
        """The prepared model on this machine: where the endpoint's process put it, or brought from there."""
        import ray

        if folder.is_dir():
            return folder
        place = Path(tempfile.gettempdir()) / f"orchestrator-models-{os.getpid()}" / key
        if not place.is_dir():
            content = ray.get(self._collector.files.remote(key), timeout=60)
            temporary = place.with_name(f".{key}")
            temporary.mkdir(parents=True, exist_ok=True)
            for name, data in content.items():
                (temporary / name).write_bytes(data)
            temporary.rename(place)
        return place

    def _snapshot(self) -> dict[str, Any]:
        for name, length in self._endpoint.queue().items():
            self._endpoint.telemetry.set_queue(name, length)
        return {
            **self._endpoint.telemetry.snapshot(),
            "serving": {name: hosted.to_json() for name, hosted in self._endpoint.hosted.items()},
            "notes": self._endpoint.notes,
            "pid": os.getpid(),
            "memory": _resident_bytes(),
        }

    async def _push(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                # the collector may be starting anew; the next snapshot has everything
                await self._collector.push.remote(self._name, await asyncio.to_thread(self._snapshot))
            await asyncio.sleep(PUSH_SECONDS)

    async def _metrics(self) -> bytes:
        await self._collector.push.remote(self._name, self._snapshot())
        text: bytes = await self._collector.metrics.remote()
        return text


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def serve_application(settings: Settings, user_config: Mapping[str, Any], replicas: tuple[int, int]) -> Any:  # noqa: ANN401
    """The Ray Serve application.

    Args:
        settings: of the endpoint; other ones need new replicas.
        user_config: models, as `Replica.reconfigure` takes them; changed in place.
        replicas: least and most.
    """
    from ray import serve
    from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

    least, most = replicas
    scaling: dict[str, Any] = {"num_replicas": least}
    if most > least:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=least,
                max_replicas=most,
                look_back_period_s=10.0,
                upscale_delay_s=5.0,
                downscale_delay_s=60.0,
                policy=AutoscalingPolicy(policy_function="orchestrator.serving.scaling:desired_replicas"),
            )
        }
    deployment = serve.deployment(serve.ingress()(Replica), name="endpoint")
    return deployment.options(
        user_config=dict(user_config),
        # without HAProxy Serve counts requests: twice what the endpoint queues, which says 503 itself
        max_ongoing_requests=2 * settings.limits.queue,
        max_queued_requests=2 * settings.limits.queue,
        max_surge_percent=100,
        graceful_shutdown_timeout_s=settings.limits.timeout + 10,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=5,
        health_check_timeout_s=max(30.0, settings.limits.timeout),
        ray_actor_options={"num_cpus": 1},
        **scaling,
    ).bind(settings)
