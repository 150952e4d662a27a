"""An endpoint while it runs: Ray Serve with its replicas, the collector of their figures, and the registry followed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
from orchestrator.serving.control.control_socket import (
    SOCKET_NAME,
    Answer,
    FollowAnswer,
    Question,
    StatusAnswer,
    StatusQuestion,
    answer_questions,
    serving_sentence,
)
from orchestrator.serving.control.deployments import Deployment, recorded
from orchestrator.serving.control.haproxy import FAILURE_STATUS, GRPC_SERVICE, check_ray
from orchestrator.serving.control.ingress import Ingress, ingress_problems, stop_listening
from orchestrator.serving.control.registry_watcher import FollowedModel, RegistryWatcher
from orchestrator.serving.http.browsers import allowed_hosts
from orchestrator.serving.messages import AssignedModel, RoleVersions
from orchestrator.serving.status import EndpointSummary

logger = logging.getLogger(__name__)
FOLLOW_SECONDS = 2.0
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
QUESTION_SECONDS = 5.0
DRAIN_SECONDS = 0.2


class News:
    """What the user of an endpoint in the foreground has not been told yet about its models."""

    def __init__(self, models: Mapping[str, FollowedModel]) -> None:
        """The present state counts as told."""
        self._models = models
        self._told = {name: _state(model) for name, model in models.items()}

    def sentences(self) -> list[str]:
        """What has changed since the last call."""
        found = []
        for name, model in self._models.items():
            (serving, problem, away), self._told[name] = self._told[name], _state(model)
            if model.serving() != serving:
                found.append(f"{name} answers with {serving_sentence(model.serving())}")
            if away and not model.away:
                found.append(f"{name}: the registry is followed again")
            if model.problem not in (None, problem):
                found.append(f"{name}: {model.problem}")
            elif model.problem is None and problem is not None and not away:
                found.append(f"{name}: all that the registry names is served")
        return found


def _state(model: FollowedModel) -> tuple[RoleVersions, str | None, bool]:
    return model.serving(), model.problem, model.away


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
        # number and content in one, so that the thread that repeats it never gives a new number to an old one
        self._wanted: tuple[int, Mapping[str, AssignedModel]] = (0, {})
        self._phase = "starting"
        self._finished = False

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
        from orchestrator.serving.settings import EndpointSettings, RequestLimits

        config = self._config
        _quiet_serve()
        _check_no_serve(config.address)
        if self._ingress.name == "haproxy":
            check_ray(self._place, grpc=config.grpc_port is not None)
        actor = ray.remote(Coordinator).options(name=COORDINATOR, namespace=NAMESPACE, num_cpus=0, max_restarts=-1)
        self._coordinator = actor.remote()
        limits = RequestLimits(config.max_body, config.max_rows, config.max_queue, config.timeout.total_seconds())
        absolute = str(Path(config.auth_token_file).resolve()) if config.auth_token_file else None
        folder = str(Path(config.log_folder).resolve()) if config.log_folder else None
        failure = FAILURE_STATUS if self._ingress.name == "haproxy" else 500
        self._settings = EndpointSettings(
            limits=limits,
            token_file=absolute,
            cors_origins=config.cors_origins,
            hosts=allowed_hosts(config),
            local=config.address is None,
            log_folder=folder,
            log_share=config.log_share,
            log_keep=config.log_keep,
            log_drop=config.log_drop,
            explain=config.explain,
            failure_status=failure,
        )
        self._stack.callback(self._shut_down)
        self._stack.callback(self._drain)
        options: dict[str, Any] = {"host": self._ingress.host, "port": config.port}
        if config.tls_cert and self._ingress.name == "python":
            options |= {"ssl_certfile": config.tls_cert, "ssl_keyfile": config.tls_key}
        calls = None
        if config.grpc_port is not None:
            calls = {"port": config.grpc_port, "grpc_servicer_functions": [GRPC_SERVICE], "enable_reflection": False}
        self._apply(self._watcher.assigned())
        serve.start(
            http_options=options, grpc_options=calls, logging_config={"log_level": "INFO" if debugging() else "ERROR"}
        )
        if stop.is_set():
            return
        try:
            delay = config.downscale_delay.total_seconds()
            serve.run(serve_application(self._settings, config.replicas, delay), name="endpoint", route_prefix="/")
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ServingError(f"Ray Serve could not start the models: {reason}") from error

    def follow_until(self, stop: threading.Event, notify: Callable[[str], None]) -> None:
        """Serves what the registry says, until told to stop."""
        self._phase = "answering"
        # a look that fails is repeated soon anyway; MLflow would try for minutes, and say nothing meanwhile
        for name, value in IMPATIENT.items():
            os.environ.setdefault(name, value)
        # in a thread: a registry that does not answer must not keep the endpoint from stopping
        threading.Thread(target=self._follow_always, args=(stop, notify), daemon=True, name="follow").start()
        stop.wait()

    def _follow_always(self, stop: threading.Event, notify: Callable[[str], None]) -> None:
        step_aside()
        news = News(self._watcher.models)
        noted: frozenset[str] = frozenset()
        while not stop.wait(FOLLOW_SECONDS):
            try:
                self._follow(None)
                self._publish()
            except Exception as error:  # a full disk, say: the next look may find it better
                logger.exception("the registry could not be followed")
                self._watcher.give_up(error)
            notes = self._notes()
            # whoever has read this may be gone, the endpoint goes on
            with contextlib.suppress(OSError):
                for sentence in [*news.sentences(), *sorted(notes - noted)]:
                    notify(sentence)
            noted = notes

    def _follow(self, only: str | None) -> None:
        self._watcher.follow(self._apply, only)

    def _apply(self, models: Mapping[str, AssignedModel]) -> None:
        """Gives the coordinator what the replicas shall serve; they take it over within a second or two."""
        self._wanted = (self._wanted[0] + 1, models)
        self._publish()

    def _publish(self) -> None:
        """Again and again: a coordinator that was started anew knows nothing."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            if self._config.address is not None:
                folders = {served.key: served.folder for served in self._watcher.all_served()}
                for key in ray.get(self._coordinator.missing.remote(list(folders))):
                    files = {path.name: path.read_bytes() for path in folders[key].iterdir()}
                    ray.get(self._coordinator.put_files.remote(key, files))
                self._coordinator.drop_files.remote(list(folders))
            ray.get(self._coordinator.set_served.remote(self._watcher.served()), timeout=QUESTION_SECONDS)
            number, models = self._wanted
            ray.get(self._coordinator.publish.remote(number, dict(models)), timeout=QUESTION_SECONDS)

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
        if self._coordinator is None:
            raise ServingError("it is starting")
        if isinstance(question, StatusQuestion):
            return self._status()
        step_aside()
        model = self._watcher.models[question.model]
        if model.follows:
            self._follow(question.model)
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
