"""Which endpoints run on this machine: one JSON file each, and the process that it names."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from orchestrator.environment import home
from orchestrator.errors import NoSuchEndpointError, ServingError, did_you_mean
from orchestrator.temporary import socket_folder

STOP_SECONDS = 60.0
ASK_SECONDS = 2.0
PLACE_PREFIX = "orch-"
# no process number: on a cluster such a folder lies on every node that listens, and its process on one of them
CLUSTER_MARK = "c"
# the longest path of a socket below the folder for temporary files: HAProxy's are in a folder of its node's id
PLACE_SOCKET = f"/{PLACE_PREFIX}{CLUSTER_MARK}0000000-00000000/{'0' * 56}/double0000000"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """An endpoint; as a context manager, it is stopped at the end.

    Attributes:
        name: its own, or the first model's.
        version: of its only model when it was deployed; None for several models or a bundle's folder.
        url: where it answers.
        pid, created: the process that runs it, and when that was started (seconds since 1970): numbers are reused.
        models: names of what it serves.
        control: path of the socket on which it answers `orchestrator status`.
        place: folder with its files.
    """

    name: str
    version: str | None
    url: str
    pid: int
    created: float
    models: tuple[str, ...] = ()
    control: str | None = None
    place: str | None = None

    @property
    def process(self) -> psutil.Process | None:
        """The process, or None if it is gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    @property
    def on_cluster(self) -> bool:
        """Whether it is on a cluster, where it may outlive its process."""
        return self.place is not None and Path(self.place).name.startswith(f"{PLACE_PREFIX}{CLUSTER_MARK}")

    def stop(self) -> None:
        """Stops it and everything that its process has started; nothing is done if it has been stopped before."""
        process = self.process
        if process is not None:
            stop_process(process)
        known = {(other.name, other.pid, other.created) for other in list_deployments()}
        if (self.name, self.pid, self.created) in known:
            forget(self)
            log_file(self.name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def state(self) -> str:
        """`answering`, `starting` (the process lives but does not answer) or `dead`."""
        if self.process is None:
            return "dead"
        return "answering" if answers(self.url) else "starting"


def folder() -> Path:
    """Where deployments are recorded."""
    path = home() / "deployments"
    path.mkdir(parents=True, exist_ok=True)
    return path


def record_file(name: str) -> Path:
    """The file of a deployment."""
    return folder() / f"{name}.json"


def log_file(name: str) -> Path:
    """What a deployment in the background has printed."""
    return folder() / f"{name}.log"


@contextmanager
def private_place(*, cluster: bool = False) -> Iterator[Path]:
    """A folder for the files of this process's endpoint, while the context is open; only its user can enter it.

    Args:
        cluster: whether the endpoint is on a cluster, where it may outlive this process.
    """
    prefix = f"{PLACE_PREFIX}{CLUSTER_MARK if cluster else ''}{os.getpid()}-"
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=socket_folder(PLACE_SOCKET).path))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def abandoned_places() -> Iterator[Path]:
    """Folders of this user's endpoints on this machine whose process is gone without having cleaned up."""
    for place in socket_folder(PLACE_SOCKET).path.glob(f"{PLACE_PREFIX}*"):
        pid = place.name.removeprefix(PLACE_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if place.stat().st_uid == os.getuid() and pid.isdigit() and not psutil.pid_exists(int(pid)):
                yield place


def record_again(deployment: Deployment) -> None:
    """Writes something else down of an endpoint of this process that is recorded."""
    temporary = folder() / f".{os.getpid()}.writing"
    temporary.write_text(json.dumps(asdict(deployment), indent=2))
    temporary.replace(record_file(deployment.name))


@contextmanager
def recorded(deployment: Deployment) -> Iterator[None]:
    """Notes that this process runs an endpoint, while the context is open.

    Raises:
        ServingError: another process has the name.
    """
    name = deployment.name
    check_not_deployed(name)
    temporary = folder() / f".{os.getpid()}.writing"
    temporary.write_text(json.dumps(asdict(deployment), indent=2))
    try:
        # a link, unlike a rename, does not replace what another process has written just now
        record_file(name).hardlink_to(temporary)
    except FileExistsError:
        raise ServingError(f"'{name}' is being deployed by another process; see `orchestrator status`") from None
    finally:
        temporary.unlink()
    try:
        yield
    finally:
        record_file(name).unlink(missing_ok=True)


def forget(deployment: Deployment) -> None:
    """Removes what a process that is gone has left behind; on a cluster HAProxy may still need the files."""
    record_file(deployment.name).unlink(missing_ok=True)
    if deployment.place is not None and not deployment.on_cluster:
        shutil.rmtree(deployment.place, ignore_errors=True)


def list_deployments() -> list[Deployment]:
    """All that are recorded, by name."""
    found: list[Deployment] = []
    for path in sorted(folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(path.read_text())
            found.append(Deployment(**{**content, "models": tuple(content.get("models") or (content["name"],))}))
    return found


def find_deployment(name: str) -> Deployment:
    """The deployment of that name.

    Raises:
        ServingError: there is none.
    """
    deployments = {deployment.name: deployment for deployment in list_deployments()}
    if name not in deployments:
        listed = ", ".join(deployments) or "none"
        raise NoSuchEndpointError(
            f"there is no deployment '{name}' (deployed: {listed}){did_you_mean(name, deployments)}"
        )
    return deployments[name]


def check_not_deployed(name: str) -> None:
    """Raises ServingError when the name is in use; a record that was left behind by a dead process is removed."""
    for deployment in list_deployments():
        if deployment.name == name:
            if deployment.process is not None:
                raise ServingError(
                    f"'{name}' is deployed already, on {deployment.url}; stop it with `orchestrator undeploy {name}`, "
                    "or give another --name"
                )
            forget(deployment)


def undeploy(name: str) -> Deployment:
    """Stops an endpoint and everything that its process has started.

    Returns:
        What was stopped. On a cluster, Ray Serve goes on if the process was gone before.

    Raises:
        ServingError: there is no deployment of that name.
    """
    deployment = find_deployment(name)
    deployment.stop()
    return deployment


def stop_process(process: psutil.Process) -> None:
    """Asks a process to end; it and the processes that it has started are killed if they do not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs([process], timeout=STOP_SECONDS)
        for left in [*alive, *(child for child in children if child.is_running())]:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def answers(url: str) -> bool:
    """Whether `url`/healthz says ok."""
    import requests

    with requests.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # a proxy from the environment does not know this machine's own ports
        session.trust_env = False
        try:
            # whether the certificate is trusted is for clients to say
            return bool(session.get(f"{url}/healthz", timeout=ASK_SECONDS, verify=False).ok)
        except requests.RequestException:
            return False


def wait_until_answering(
    addresses: Callable[[], Iterable[str]], seconds: float, process: psutil.Popen | None = None
) -> str | None:
    """Waits for an endpoint.

    Args:
        addresses: where it may answer; asked again and again.
        seconds: how long.
        process: that runs it.

    Returns:
        Where it answers; None when time is up or its process has ended.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for url in addresses():
            if answers(url):
                return url
        if process is not None and process.poll() is not None:
            return None
        time.sleep(0.1)
    return None
