"""The Ray Serve deployment: one process that holds all models, and what Serve asks of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import OrchestratorError, ServingError
from orchestrator.serving.control.allocator import Trimming, give_back, prefer_small
from orchestrator.serving.control.coordinator import COORDINATOR, NAMESPACE
from orchestrator.serving.control.haproxy import MESSAGES
from orchestrator.serving.control.haproxy_double import ENDPOINT_VARIABLE
from orchestrator.serving.control.scaling import BUSY, MOST_BUSY
from orchestrator.serving.http.asgi import CLOSE, JSON_TYPE, HttpError, header, respond, to_json
from orchestrator.serving.http.endpoint import Endpoint
from orchestrator.serving.messages import Assignment, ReplicaReport
from orchestrator.serving.settings import EndpointSettings

logger = logging.getLogger(__name__)
PUSH_SECONDS = 1.0
# an endpoint that stops waits for its replicas
FINISH_SECONDS = 0.2
ASSIGNMENT_SECONDS = 60.0
# of a first model, which may be large and far away
MODEL_SECONDS = 600.0
# a batch that takes so many times the time limit of a request will not end
STUCK_FACTOR = 3.0
# of the replicas, rounded up
SURGE_PERCENT = 25

# where Serve answers HAProxy's questions, and all that is left of its own pages
HEALTH_PATH = "/-/healthz"

# the endpoint of this process: Serve's own HTTP server asks for a middleware by an import path
_endpoint: Endpoint | None = None


class DirectAnswers:
    """A middleware of Serve's HTTP servers; in a replica it answers with the endpoint.

    Ray Serve's own way from that server to the application costs about as much as a model's answer: request ids, two
    tasks, routes, metrics and log records. All that it gives (limits, metrics, time limits) the
    endpoint has. Of Serve's own pages only `/-/healthz` is left, in proxies, too.
    """

    def __init__(self, app: Any) -> None:  # noqa: ANN401
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on (ASGI 3)."""
        if scope["type"] != "http" or scope["path"] == HEALTH_PATH:
            await self._app(scope, receive, send)
        elif _endpoint is not None:
            await _endpoint(scope, receive, send)
        elif is_internal(scope["path"]):
            await _refuse(send, 404)
        elif not scope["path"].startswith("/"):
            # such as GET *
            await _refuse(send, 400)
        else:
            await self._app(scope, receive, send)


class ProxiedAnswers:
    """The endpoint behind a proxy of Ray Serve's, which writes the id of each request on its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers without the id that the proxy writes (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = b"x-request-id"
        named = (name, header(scope, name))

        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [found for found in message["headers"] if found != named]}
            await send(message)

        await self._app(scope, receive, send_without)


async def _refuse(send: Send, status: int) -> None:
    """As HAProxy does."""
    await respond(send, status, to_json(HttpError(status, MESSAGES[status]).content), [JSON_TYPE, CLOSE])


def is_internal(path: str) -> bool:
    """Whether a path, decoded as ASGI has it, could be taken for one of Serve's own pages."""
    return re.sub(r"(/\.)*/+", "/", path).startswith("/-")


def middlewares() -> list[Any]:
    """For `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`; called before a replica or a proxy starts its HTTP server."""
    from starlette.middleware import Middleware

    from orchestrator.serving.http.connections import correct_uvicorn

    correct_uvicorn()
    if os.environ.get(ENDPOINT_VARIABLE):
        _grpc_stays_on_loopback()
    return [Middleware(DirectAnswers)]


def add_grpc_service(_servicer: Any, server: Any) -> None:  # noqa: ANN401
    """For Serve's `grpc_servicer_functions`: in a replica the endpoint answers calls directly, as it does over HTTP."""
    from orchestrator.serving.grpc import SERVICE
    from orchestrator.serving.grpc.service import InferenceService

    server.add_passthrough_service(SERVICE)
    server.add_generic_rpc_handlers((InferenceService(lambda: _endpoint).handler(),))


class Replica:
    """A replica of an endpoint.

    What it serves comes from the coordinator, every second, and changes without a restart: Ray Serve's own way,
    `user_config`, starts all replicas anew with each `serve.run`.
    """

    def __init__(self, settings: EndpointSettings, registry: Any = None) -> None:  # noqa: ANN401
        """Loads what is to be served.

        Args:
            settings: of the endpoint.
            registry: the deployment that says what is served, where one does; it is part of the application by that.

        Raises:
            UsageError: the token file cannot be used on this node.
            BundleError: a model cannot be loaded.
            ServingError: nobody says what is to be served.
        """
        from ray import serve

        del registry

        global _endpoint  # noqa: PLW0603
        if settings.local:
            _stay_on_loopback()
        _limit_messages(settings.limits.body)
        prefer_small()
        self._name = serve.get_replica_context().replica_id.unique_id
        self._coordinator, assignment = first_assignment()
        self._endpoint = Endpoint(settings, self._name)
        self._endpoint.metrics = self._metrics
        self._place: Path | None = None
        self._finished = False
        self._number = assignment.number
        self._endpoint.configure(assignment.models or {}, self._fetch)
        self._endpoint.draining = assignment.draining
        self._clock = self._read_clock()
        self._pushing = asyncio.get_running_loop().create_task(self._push())
        _endpoint = self._endpoint

    def __serve_build_asgi_app__(self) -> ProxiedAnswers:
        """For `serve.ingress`."""
        return ProxiedAnswers(self._endpoint)

    def check_health(self) -> None:
        """Raises when the model does not come back, so that Serve starts another replica."""
        stuck = self._endpoint.stuck_for()
        if stuck > STUCK_FACTOR * self._endpoint.settings.limits.timeout:
            raise ServingError(f"the model has been computing one batch for {stuck:.0f} s")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """How busy this replica was since it was asked last, for `scaling.desired_replicas`.

        The share of one core that it used; or, where other programs take the cores, the mean number of requests that it
        was answering at once. A replica cannot be seen to be more than twice as busy as it can be.
        """
        before_wall, before_cpu, before_seconds = self._clock
        self._clock = self._read_clock()
        elapsed = max(1e-3, self._clock[0] - before_wall)
        used, at_once = (self._clock[1] - before_cpu) / elapsed, (self._clock[2] - before_seconds) / elapsed
        return {BUSY: min(MOST_BUSY, max(used, at_once))}

    def _read_clock(self) -> tuple[float, float, float]:
        return time.monotonic(), time.process_time(), self._endpoint.predictor.seconds

    async def __del__(self) -> None:
        self._endpoint.close()
        self._pushing.cancel()
        with contextlib.suppress(Exception):
            await self._coordinator.push.remote(self._report())
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)

    def _fetch(self, key: str, folder: Path) -> Path:
        """The prepared model on this machine: where the endpoint's process put it, or brought from there."""
        import ray

        if folder.is_dir():
            return folder
        if self._place is None:
            # a name that others can guess, they could have made before
            self._place = Path(tempfile.mkdtemp(prefix=f"orchestrator-models-{os.getpid()}-"))
        place = self._place / key
        if not place.is_dir():
            content = ray.get(self._coordinator.files.remote(key), timeout=60)
            temporary = place.with_name(f".{key}")
            temporary.mkdir(exist_ok=True)
            for name, data in content.items():
                (temporary / name).write_bytes(data)
            temporary.rename(place)
        return place

    def _report(self) -> ReplicaReport:
        endpoint = self._endpoint
        for name, length in endpoint.queue().items():
            endpoint.telemetry.set_queue(name, length)
        return ReplicaReport(
            replica=self._name,
            counts=endpoint.telemetry.snapshot(),
            serving={name: hosted.serving() for name, hosted in endpoint.hosted.items()},
            notes=tuple(endpoint.notes),
            closed=endpoint.closed,
            in_flight=endpoint.in_flight,
            draining=endpoint.draining,
            finished=self._finished,
            pid=os.getpid(),
            memory=_resident_bytes(),
        )

    async def _push(self) -> None:
        trimming = Trimming(2 * self._endpoint.settings.limits.timeout)
        while True:
            if trimming.is_due(self._endpoint.predictor.large):
                await asyncio.to_thread(give_back)
            with contextlib.suppress(Exception):
                # the coordinator may be starting anew; the next report has everything
                number = await self._coordinator.push.remote(await asyncio.to_thread(self._report))
                if number != self._number:
                    await self._take_over()
            if self._endpoint.draining and not self._endpoint.in_flight and not self._finished:
                await self._finish()
            await asyncio.sleep(FINISH_SECONDS if self._endpoint.draining else PUSH_SECONDS)

    async def _finish(self) -> None:
        """Nothing is asked any more: writes down what is not written yet, so that this process can be ended at once."""
        await asyncio.to_thread(self._endpoint.close)
        self._finished = True
        with contextlib.suppress(Exception):
            await self._coordinator.push.remote(await asyncio.to_thread(self._report))

    async def _take_over(self) -> None:
        """Loads what is assigned now; what fails leaves the replica as it was."""
        assignment: Assignment = await self._coordinator.assignment.remote()
        self._endpoint.draining = assignment.draining
        if assignment.models is None:
            return
        try:
            await asyncio.to_thread(self._endpoint.configure, assignment.models, self._fetch)
            self._endpoint.problem = None
        except OrchestratorError as error:
            self._endpoint.problem = f"the new configuration was not taken: {error}"
            logger.warning("%s", self._endpoint.problem)
        self._number = assignment.number
        await self._coordinator.push.remote(await asyncio.to_thread(self._report))

    async def _metrics(self) -> bytes:
        await self._coordinator.push.remote(self._report())
        text: bytes = await self._coordinator.metrics.remote()
        return text


def first_assignment() -> tuple[Any, Assignment]:
    """The coordinator's handle, and what it says as soon as it is there and knows what is to be served.

    Raises:
        ServingError: that takes too long.
    """
    import ray

    deadline = time.monotonic() + MODEL_SECONDS
    while time.monotonic() < deadline:
        # ValueError: there is none yet; it is started at the same time as the replicas, or anew
        with contextlib.suppress(ValueError, ray.exceptions.RayError):
            coordinator = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
            assignment: Assignment = ray.get(coordinator.assignment.remote(), timeout=ASSIGNMENT_SECONDS)
            if assignment.models is not None:
                return coordinator, assignment
        time.sleep(FINISH_SECONDS)
    raise ServingError(f"nobody has said within {MODEL_SECONDS:.0f} s what is to be served")


def _stay_on_loopback() -> None:
    """Serve lets replicas listen on all interfaces for calls between deployments, whatever the address of the node."""
    from ray.serve._private import replica

    before = replica.add_port_to_grpc_server

    def add_port(server: Any, address: str) -> int:  # noqa: ANN401
        return int(before(server, address.replace("[::]:", "127.0.0.1:")))

    replica.add_port_to_grpc_server = add_port


def _grpc_stays_on_loopback() -> None:
    """The same for Serve's gRPC servers, in replicas and in its proxy; HAProxy is on this machine."""
    from ray.serve._private import default_impl

    def add_address(server: Any, address: str) -> None:  # noqa: ANN401
        server.add_insecure_port(address.replace("[::]:", "127.0.0.1:"))

    default_impl.add_grpc_address = add_address


def _limit_messages(body: int) -> None:
    """A message of gRPC is refused before it is read when it is larger than a body may be; answers have any size."""
    from ray.serve._private import grpc_util

    grpc_util.DEFAULT_GRPC_SERVER_OPTIONS = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", body),
    ]


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def serve_application(
    settings: EndpointSettings,
    replicas: tuple[int, int],
    downscale_delay: float = 60.0,
    registry: Any = None,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """The Ray Serve application; it needs a `Coordinator` with an assignment.

    Args:
        settings: of the endpoint.
        replicas: least and most.
        downscale_delay: seconds for which there are too many before one is stopped.
        registry: an application that says what is served, where no process of ours does.
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
                look_back_period_s=15.0,
                upscale_delay_s=5.0,
                downscale_delay_s=downscale_delay,
                policy=AutoscalingPolicy(policy_function="orchestrator.serving.control.scaling:desired_replicas"),
            )
        }
    deployment = serve.deployment(serve.ingress()(Replica), name="endpoint")
    return deployment.options(
        # without HAProxy Serve counts requests: twice what the endpoint queues, which says 503 itself
        max_ongoing_requests=2 * settings.limits.queue,
        max_queued_requests=2 * settings.limits.queue,
        graceful_shutdown_timeout_s=settings.limits.timeout + 10,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=5,
        health_check_timeout_s=max(30.0, settings.limits.timeout),
        # when the configuration changes: those of the new one start before others stop
        max_surge_percent=SURGE_PERCENT,
        ray_actor_options={"num_cpus": 1},
        **scaling,
    ).bind(settings, *([] if registry is None else [registry]))
