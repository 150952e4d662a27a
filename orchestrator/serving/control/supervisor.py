"""An endpoint while it runs: Ray Serve with its replicas, the collector of their figures, and the registry followed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import psutil

from orchestrator.cluster import is_own_ray, ray_session, silence
from orchestrator.config import ServeConfig
from orchestrator.environment import debugging, step_aside
from orchestrator.errors import ServingError
from orchestrator.roles import Role
from orchestrator.serving.control.application import settings_of
from orchestrator.serving.control.control_socket import (
    SOCKET_NAME,
    Answer,
    FollowAnswer,
    Question,
    StatusAnswer,
    StatusQuestion,
    answer_questions,
)
from orchestrator.serving.control.deployments import Deployment, record_again, recorded
from orchestrator.serving.control.haproxy import FAILURE_STATUS, GRPC_SERVICE, check_ray
from orchestrator.serving.control.ingress import Ingress, ingress_problems, stop_listening
from orchestrator.serving.control.publishing import QUESTION_SECONDS, Publisher
from orchestrator.serving.control.registry_watcher import RegistryWatcher
from orchestrator.serving.status import EndpointSummary

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 0.2


def start_reason(error: BaseException) -> str:
    """Why Ray Serve does not start, in one line: an actor's error is told as the traceback of its process."""
    cause = error
    while isinstance(found := getattr(cause, "cause", None), BaseException):
        cause = found
    return " ".join(str(cause).split())[:300]


class EndpointSupervisor:
    """Context of a running endpoint."""

    def __init__(self, config: ServeConfig, place: Path, ingress: Ingress, watcher: RegistryWatcher, url: str) -> None:
        """Nothing is started before the context is entered."""
        self._config = config
        self._place = place
        self._ingress = ingress
        self._watcher = watcher
        self._url = url
        self._stack = ExitStack()
        self._settings: Any = None
        self._coordinator: Any = None
        self._publisher: Publisher | None = None
        self._phase = "starting"
        self._finished = False
        self._record: Deployment | None = None

    def __enter__(self) -> EndpointSupervisor:
        config, models = self._config, self._watcher.models
        name = config.name or next(iter(models))
        version = next(iter(models.values())).roles[Role.CHAMPION].version if len(models) == 1 else None
        control = str(self._place / SOCKET_NAME)
        process = psutil.Process()
        record = Deployment(
            name=name,
            version=version,
            url=self._url,
            pid=process.pid,
            created=process.create_time(),
            models=tuple(models),
            control=control,
            place=str(self._place),
        )
        with ExitStack() as stack:
            stack.enter_context(answer_questions(self._place, self._answer_question))
            stack.enter_context(recorded(record))
            self._record = record
            cores = max(os.cpu_count() or 1, config.replicas[1]) if config.address is None else None
            stack.enter_context(ray_session(config.address, num_cpus=cores, environment=self._ingress.environment))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def deploy(self, stop: threading.Event) -> None:
        """Starts Serve and the replicas; they are stopped with the context.

        Raises:
            ServingError: it does not start, or Serve runs on the cluster already.
        """
        import ray
        from ray import serve

        from orchestrator.serving.control.coordinator import COORDINATOR, NAMESPACE, Coordinator
        from orchestrator.serving.control.replica import serve_application

        config = self._config
        _quiet_serve()
        _check_no_serve(config.address)
        if self._ingress.name == "haproxy":
            check_ray(self._place, grpc=config.grpc_port is not None)
        actor = ray.remote(Coordinator).options(name=COORDINATOR, namespace=NAMESPACE, num_cpus=0, max_restarts=-1)
        self._coordinator = actor.remote()
        failure = FAILURE_STATUS if self._ingress.name == "haproxy" else 500
        self._settings = settings_of(config, local=config.address is None, failure_status=failure)
        self._stack.callback(self._shut_down)
        self._stack.callback(self._drain)
        options: dict[str, Any] = {"host": self._ingress.host, "port": config.port}
        if config.tls_cert and self._ingress.name == "python":
            options |= {"ssl_certfile": config.tls_cert, "ssl_keyfile": config.tls_key}
        calls = None
        if config.grpc_port is not None:
            calls = {"port": config.grpc_port, "grpc_servicer_functions": [GRPC_SERVICE], "enable_reflection": False}
        self._publisher = Publisher(self._watcher, self._coordinator, files=config.address is not None)
        self._publisher.apply(self._watcher.assigned())
        level = "INFO" if debugging() else "ERROR"
        try:
            serve.start(http_options=options, grpc_options=calls, logging_config={"log_level": level})
            if stop.is_set():
                return
            delay = config.downscale_delay.total_seconds()
            serve.run(serve_application(self._settings, config.replicas, delay), name="endpoint", route_prefix="/")
        except (RuntimeError, ray.exceptions.RayError) as error:
            raise ServingError(f"Ray Serve could not start the models: {start_reason(error)}") from error

    def note_address(self, url: str) -> None:
        """Writes down where it answers: on a cluster that may be another machine than this one."""
        if self._record is not None and self._record.url != url:
            self._record = replace(self._record, url=url)
            record_again(self._record)

    def follow_until(self, stop: threading.Event, notify: Callable[[str], None]) -> None:
        """Serves what the registry says, until told to stop; after `deploy`."""
        assert self._publisher is not None  # noqa: S101
        self._phase = "answering"
        self._publisher.follow_in_background(stop, notify, self._notes)
        stop.wait()

    def _drain(self) -> None:
        """Refuses what arrives from now on, waits for the answers to what has arrived, and then listens no more."""
        import ray

        self._phase = "stopping"
        with contextlib.suppress(Exception):  # Ray raises many kinds
            ray.get(self._coordinator.drain.remote(), timeout=QUESTION_SECONDS)
        deadline = time.monotonic() + self._config.timeout.total_seconds()
        while time.monotonic() < deadline:
            with contextlib.suppress(ServingError):
                if all(replica.finished for replica in self._summary().processes):
                    self._finished = True
                    break
            time.sleep(DRAIN_SECONDS)
        stop_listening(self._place)

    def _shut_down(self) -> None:
        """Ends Serve, which takes seconds. Where nothing is left to do, it may just end with a Ray of our own."""
        from ray import serve

        if self._finished and is_own_ray():
            return
        with silence():
            serve.shutdown()
            if not is_own_ray():
                # its last messages come from another process, a moment later
                time.sleep(0.5)

    def _answer_question(self, question: Question) -> Answer:
        """What `orchestrator status` and `orchestrator promote` ask."""
        if self._publisher is None:
            raise ServingError("it is starting")
        if isinstance(question, StatusQuestion):
            return self._status()
        step_aside()
        model = self._watcher.models[question.model]
        if model.follows:
            self._publisher.follow(question.model)
        problem = model.problem or self._wait_for_replicas(question.seconds)
        return FollowAnswer(model.follows, model.serving(), problem)

    def _status(self) -> StatusAnswer:
        answer = StatusAnswer(phase=self._phase, ingress=self._ingress.name, problems=tuple(self._problems()))
        try:
            return replace(answer, summary=self._summary())
        except ServingError as error:
            return replace(answer, unknown=str(error))

    def _summary(self) -> EndpointSummary:
        import ray

        try:
            summary: EndpointSummary = ray.get(self._coordinator.summary.remote(), timeout=QUESTION_SECONDS)
        except Exception as error:  # Ray raises many kinds
            raise ServingError(f"its replicas cannot be asked ({type(error).__name__})") from error
        return summary

    def _notes(self) -> frozenset[str]:
        """What replicas say that does not work as it should, though they run."""
        try:
            replicas = self._summary().processes
        except ServingError:
            return frozenset()
        return frozenset(note for replica in replicas for note in replica.notes)

    def _problems(self) -> list[str]:
        found = [f"{name}: {model.problem}" for name, model in self._watcher.models.items() if model.problem]
        # on a cluster it may run elsewhere
        if self._ingress.name == "haproxy" and self._phase == "answering" and self._config.address is None:
            found += ingress_problems(self._place)
        return found

    def _wait_for_replicas(self, seconds: float) -> str | None:
        """Until all replicas say that they serve what they should; a sentence when they do not."""
        wanted = {name: model.serving() for name, model in self._watcher.models.items()}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            serving = self._summary().serving
            if serving and all(one == wanted for one in serving.values()):
                return None
            time.sleep(0.2)
        return f"not all replicas had taken it over after {seconds:.0f} s; see `orchestrator status`"


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt while things are being started, so that they are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal interrupts. Open it after Ray: that takes SIGTERM."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        del number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_no_serve(address: str | None) -> None:
    """Raises ServingError when Serve runs already: it would keep its port, and stopping ours would stop it for all."""
    import ray

    with contextlib.suppress(ValueError):
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
        raise ServingError(
            f"Ray Serve runs on the cluster at {address or 'this machine'} already; "
            "leave out --address to serve beside it, or stop it with `serve shutdown`"
        )


def _quiet_serve() -> None:
    if not debugging():
        for logger in ("ray.serve", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
