"""Starting Ray on this machine, or connecting to a cluster; and always leaving it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import socket
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from orchestrator.addresses import AUTO, check_address, check_found_address, unreachable
from orchestrator.authentication import prepare_connection, protect_token, provide_token
from orchestrator.environment import (
    debugging,
    given_by,
    is_current_folder_gone,
    low_limits,
    no_loopback,
    no_ports,
    small_shared_memory,
    user_folder,
)
from orchestrator.errors import ExecutionError
from orchestrator.patience import ENDED, TIMED_OUT, busy, children, end_leftovers, start_patiently
from orchestrator.replacing import replaced
from orchestrator.temporary import ray_folder, writing_problem

# must be there before Ray is imported
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    # Ray's own 15 leaves them a thirtieth of what other programs have, so that trials never begin on a busy machine;
    # replicas of endpoints, which have none, still come before them
    "RAY_worker_niceness": "5",
    # a busy machine takes its time
    "RAY_gcs_server_port_wait_time_s": "180",
    # of one question whether the node is there; `patience` asks again
    "RAY_raylet_start_wait_time_s": "5",
    "RAY_agent_register_timeout_ms": "180000",
    "RAY_worker_register_timeout_seconds": "180",
    # a trial's placement group takes the cores before its process is asked for: after the one second that is Ray's own,
    # workers that wait would be ended in between, with all that they have imported
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}


# where a job's package has its data
DATA_FOLDER = "uploaded"
# without these processes nothing of Ray works any more
VITAL = ("raylet", "gcs_server")
# what Ray and the system say of one
PORT_TAKEN = re.compile(
    r"address already in use|errno 98|\bports?\b.{0,60}\b(in use|occupied|taken|not available)", re.IGNORECASE
)
# Ray's variable for modules that workers import when they start
PRELOADED = "RAY_preload_python_modules"
WORKER_PROCESS = "orchestrator.worker_process"


@contextmanager
def ray_session(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    working_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    preload: Sequence[str] = (),
    notify: Callable[[str], None] = lambda _sentence: None,
) -> Iterator[bool]:
    """Ray, for as long as the context is open. If Ray is running in this process already, it is used and left running.

    Yields:
        Whether the connection ends with the context, and everything that it started in Ray with it.

    Args:
        address: of a cluster (`host:6379`, `ray://...`, `auto`); None starts Ray on this machine.
        num_cpus: cores of a Ray that is started; all if left out.
        working_dir: folder with modules that all workers shall have, if there is one.
        environment: variables for all processes of Ray; on a cluster, for those that this process has started there.
        preload: modules that the workers of a Ray that is started import at once, one worker for each core.
        notify: is told that Ray takes its time to start.

    Raises:
        ExecutionError: Ray cannot be started or reached.
    """
    environment = environment or {}
    os.environ.update(environment)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    check_surroundings(address)
    if address is not None:
        try:
            prepare_connection(address)
        except ExecutionError as error:
            raise ExecutionError(f"{error}{given_by('RAY_ADDRESS', address, '--address')}") from error
    import ray

    if ray.is_initialized():
        yield False
        return
    try:
        with _own_signals():
            _connect(
                address,
                num_cpus,
                working_dir=working_dir,
                environment=environment,
                preload=preload,
                notify=notify,
            )
    except ExecutionError:
        raise
    except Exception as error:  # Ray raises many kinds here
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise ExecutionError(_explain(address, error)) from error
    try:
        yield True
    finally:
        lost = children() if address is None and lost_ray() is not None else set()
        with silence():
            ray.shutdown()
        end_leftovers(lost)


def check_surroundings(address: str | None) -> None:
    """Says at once, before anything is begun, what would keep `ray_session` from starting or reaching Ray.

    Raises:
        ExecutionError: nobody listens at the address, or a folder that is wanted cannot be used.
    """
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return
    if is_current_folder_gone():
        raise ExecutionError("the current folder was deleted; go to another one (`cd`)")
    if address is None:
        ray_folder()
    else:
        check_address(address)


@contextmanager
def _own_signals() -> Iterator[None]:
    """While Ray starts, whoever has handlers for SIGINT and SIGTERM keeps them: Ray would exit with codes of its own.

    Raises:
        KeyboardInterrupt: a signal has come, and what its handler raised was lost in some callback, as of an import.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    kept = {number: handler for number, handler in handlers.items() if callable(handler)}
    if signal.SIGTERM not in kept or threading.current_thread() is not threading.main_thread():
        yield
        return
    from ray._private import utils

    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # while Ray connects, a handler of its C++ part comes first, which would abort this process 3 seconds later
        signal.alarm(0)
        kept[signal.Signals(number)](number, frame)

    for number in kept:
        signal.signal(number, handle)
    try:
        with replaced(utils, set_sigterm_handler=lambda _handler: None):
            yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


@contextmanager
def silence() -> Iterator[None]:
    """Keeps what Ray's threads print while it is taken down (of actors that are gone, say) off the terminal."""
    if debugging():
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _keep_quiet() -> None:
    """Keeps Ray's notices of what its processes came to off the terminal: they print log files to stdout.

    Nothing that can be set holds for them (ray 2.60, `listen_error_messages`). What matters of them is said by us.
    """
    from ray._private import worker

    logger = logging.getLogger(__name__)
    worker.print_to_stdstream = lambda data, ignore_prefix: logger.debug("%s", data.get("lines"))


def lost_ray() -> str | None:
    """What has become of the Ray that this process is connected to, None if it is there; costs next to nothing."""
    import ray
    from ray._private import worker

    node = worker._global_node
    if node is None or not ray.is_initialized():
        return None
    if node.head:
        # a Ray of our own: its processes are children of this one
        for name, started in node.all_processes.items():
            code = started[0].process.poll() if name in VITAL and started else None
            if code is not None:
                return f"Ray on this machine has ended: its process {name} {how_ended(code)}"
        return None
    if not _listens(node.raylet_socket_name):
        return "Ray's process on this machine (raylet) has ended"
    return None


def is_own_ray() -> bool:
    """Whether this process has started the Ray that it is connected to."""
    from ray._private import worker

    return worker._global_node is not None and bool(worker._global_node.head)


def ray_logs() -> Path | None:
    """Where Ray's processes on this machine write what they have to say, None without a connection."""
    from ray._private import worker

    node = worker._global_node
    return None if node is None else Path(node.get_logs_dir_path())


def how_ended(code: int) -> str:
    """Half a sentence about the exit status of a process, a negative one is a signal's."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"was killed by signal {-code}{name}"


def _listens(path: str) -> bool:
    """Whether a process listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            # too many wait: it is busy
            return True
    return True


def _connect(
    address: str | None,
    num_cpus: int | None,
    *,
    working_dir: Path | None,
    environment: Mapping[str, str],
    preload: Sequence[str],
    notify: Callable[[str], None],
) -> None:
    import ray

    if not debugging():
        _keep_quiet()
    level = logging.INFO if debugging() else logging.ERROR
    options: dict[str, Any] = {"log_to_driver": debugging(), "logging_level": level, "configure_logging": True}
    if working_dir is not None:
        # data is read by this process only
        options["runtime_env"] = {"working_dir": str(working_dir), "excludes": [f"/{DATA_FOLDER}"]}
    if address == AUTO:
        check_found_address()
    if address is not None:
        if environment:
            options.setdefault("runtime_env", {})["env_vars"] = dict(environment)
        with warnings.catch_warnings():
            # is raised as well
            warnings.filterwarnings("ignore", "Ray Client connection timed out")
            ray.init(address=address, **options)
        return
    if (problem := no_loopback()) is not None:
        # Ray would wait for its own processes for minutes
        raise ExecutionError(f"Ray could not be started on this machine: {problem}")
    # Ray would take a folder that is too long for its sockets
    folder = str(ray_folder().ray)
    provide_token(kept=writing_problem(user_folder()) is None)
    with _as_we_want_it(preload):
        # "local": a cluster that happens to run on this machine is not ours to use
        start_patiently(
            lambda: ray.init(
                address="local",
                num_cpus=usable_cores() if num_cpus is None else num_cpus,
                include_dashboard=False,
                _temp_dir=folder,
                **options,
            ),
            notify,
        )
    protect_token()


def usable_cores() -> int | None:
    """How many cores a Ray of this process may use, if these are fewer than the machine's; None if not.

    Ray counts all cores but for some limits of containers: not those of `taskset`, of Slurm, and of a container's set
    of cores (cgroup v2).
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = len(os.sched_getaffinity(0))
    if cores >= (os.cpu_count() or 1):
        return None
    from ray._private.utils import get_num_cpus

    return min(cores, max(1, int(get_num_cpus(override_docker_cpu_warning=True))))


@contextmanager
def _as_we_want_it(preload: Sequence[str]) -> Iterator[None]:
    """Has a Ray that is started meanwhile listen on the loopback address only, and start only what is used of it.

    Each of those that are left out costs seconds. The dashboard without its pages only sends statistics of use to Ray's
    makers, its agent reports to it, the autoscaler's monitor asks a cloud for machines, and the log monitor hands what
    workers print to the terminal. Nothing that can be set leaves them out (ray 2.60).

    Args:
        preload: modules that its workers import while they wait for work.
    """
    from ray._private import ray_constants, services
    from ray._private.node import Node

    command = services._build_python_executable_command_memory_profileable

    def command_of(component: str, *arguments: Any) -> list[str]:  # noqa: ANN401
        if component == ray_constants.PROCESS_TYPE_DASHBOARD_AGENT and not debugging():
            return [sys.executable, "-I", "-S", str(Path(__file__).with_name("silent_agent.py"))]
        found: list[str] = command(component, *arguments)
        return found

    names = ["start_monitor", "start_api_server"]
    if not debugging():
        names.append("start_log_monitor")
    with (
        # Ray makes another address of `_node_ip_address="127.0.0.1"`, unless it thinks that there are no clusters
        replaced(ray_constants, ENABLE_RAY_CLUSTER=False),
        replaced(Node, **dict.fromkeys(names, lambda _node, **_options: None)),
        replaced(services, _build_python_executable_command_memory_profileable=command_of),
        replaced(os.environ, **{PRELOADED: ",".join((WORKER_PROCESS, *preload))}),
    ):
        yield


def _explain(address: str | None, error: Exception) -> str:
    reason = textwrap.shorten(" ".join(str(error).split()), 300, placeholder=" ...")
    low = [*low_limits(), *filter(None, (small_shared_memory(), no_ports()))]
    if address is None and low:
        return f"Ray could not be started on this machine: {'; '.join(low)} ({reason})"
    if address is None and PORT_TAKEN.search(reason):
        remedy = "end what listens there (an older Ray: `ray stop`) and try again"
        return f"Ray could not be started on this machine: a port that it wants is in use; {remedy} ({reason})"
    if address is None and TIMED_OUT.search(reason):
        why = f"{ENDED}, as it does when what it needs takes too long to start; {busy()}" if ENDED in reason else busy()
        return (
            f"Ray could not be started on this machine in time: {why}; try again when less is running; if that does "
            "not help, `orchestrator doctor` checks what it needs"
        )
    if address is None:
        return f"Ray could not be started on this machine: {reason}; `orchestrator doctor` checks what it needs"
    return str(unreachable(address, reason))
