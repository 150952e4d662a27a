"""What surrounds the program: where state is kept, which ports are free, whether the libraries below may talk."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from orchestrator.errors import StorageError, nearest

if TYPE_CHECKING:
    import psutil

Result = TypeVar("Result")

NICENESS = 10
LOOPBACK_SECONDS = 5.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
MIN_SHARED_GB = 0.5
# Ray Serve lets so many clients at a time into HAProxy; each has two files open there, and there are some more
CLIENTS, FILES_OF_CLIENT, OTHER_FILES = 4096, 2, 2100
LEAST_CLIENTS = 100
# Ray's processes have hundreds of files and threads each
LIMITS = {
    "open files (ulimit -n)": (resource.RLIMIT_NOFILE, 1024),
    "processes (ulimit -u)": (resource.RLIMIT_NPROC, 2048),
}


def home_path() -> Path:
    """Where `home` is; nothing is made."""
    return Path(os.environ.get("ORCHESTRATOR_HOME", "").strip() or user_folder() / ".orchestrator")


def home() -> Path:
    """The folder for what must outlive a command: `$ORCHESTRATOR_HOME` or `~/.orchestrator`; made if it is missing."""
    given, path = os.environ.get("ORCHESTRATOR_HOME", "").strip(), home_path()
    if not given and not path.is_absolute():
        raise StorageError("this user has no home folder for what must be kept; name one: ORCHESTRATOR_HOME, or HOME")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if path.is_file() else f"the folder cannot be made: {error.strerror or error}"
        hint = (
            "`unset ORCHESTRATOR_HOME`, or name another folder" if given else "name another folder: ORCHESTRATOR_HOME"
        )
        raise StorageError(f"the state folder {path}: {reason}; {hint}") from None
    return path


def user_folder() -> Path:
    """The user's home, `~` for one who has none, as numbers without a name in a container have."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111  pathlib raises what is no error of ours


def is_current_folder_gone() -> bool:
    """Whether the folder in which the program was started has been deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def no_such_file(path: Path, what: str = "file") -> str:
    """A sentence about a path where nothing is, with the nearest name beside it."""
    try:
        near = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        near = None
    return f"{path}: no such {what}{'' if near is None else f'; did you mean {path.with_name(near)}?'}"


def given_by(variable: str, value: str | None, option: str) -> str:
    """What to add to an error about a value that an environment variable has given; empty if it has not."""
    if not value or os.environ.get(variable) != value:
        return ""
    return f"; that is the value of {variable}: `unset {variable}`, or give {option}"


def without_password(url: str) -> str:
    """An address as a sentence may show it."""
    scheme, sign, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    _, at, place = host.rpartition("@")
    return f"{scheme}{sign}***@{place}{slash}{path}" if sign and at else url


def proxy_asked(url: str) -> str:
    """What to add to an error about a server that was asked through a proxy of the environment; empty if it was not."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if proxy is None:
        return ""
    # it may have a password
    proxy, scheme, host = proxy.rpartition("@")[2], urlsplit(url).scheme, urlsplit(url).hostname or ""
    names = [name for kind in (scheme, "all") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())]
    # the system's own settings have no variable
    variable = next((f" ({name})" for name in names if os.environ.get(name)), "")
    hosts = "127.0.0.1,localhost" if host in ("127.0.0.1", "localhost") else host
    return f"; it was asked through the proxy {proxy}{variable}: `export NO_PROXY={hosts}` asks it directly"


def clients_for(files: int) -> int:
    """How many clients HAProxy can have at a time, if no more than so many files may be open (the hard limit)."""
    if files == resource.RLIM_INFINITY:
        return CLIENTS
    return max(0, min(CLIENTS, (files - OTHER_FILES) // FILES_OF_CLIENT))


def few_open_files() -> str | None:
    """That HAProxy may not open as many files as it needs, None if it may; it raises the soft limit by itself."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if clients_for(allowed) >= LEAST_CLIENTS:
        return None
    least = FILES_OF_CLIENT * LEAST_CLIENTS + OTHER_FILES
    return (
        f"HAProxy needs {least:,} open files, and the hard limit is {allowed:,} (ulimit -Hn; a container gets more "
        "with --ulimit nofile=65536)"
    )


def low_limits() -> list[str]:
    """Limits of this process that are low for Ray or HAProxy, with how many it should have."""
    few = few_open_files()
    found = [] if few is None else [few]
    for what, (number, wanted) in LIMITS.items():
        # Ray raises its soft limit of open files by itself
        allowed = resource.getrlimit(number)[number == resource.RLIMIT_NOFILE]
        if allowed != resource.RLIM_INFINITY and allowed < wanted:
            found.append(f"only {allowed} {what} are allowed, Ray wants {wanted}")
    return found


def small_shared_memory() -> str | None:
    """That there is too little of the memory in which Ray's processes share data, None if there is enough."""
    if not SHARED_MEMORY.is_dir():
        return None
    free = shutil.disk_usage(SHARED_MEMORY).free / 2**30
    if free >= MIN_SHARED_GB:
        return None
    return (
        f"only {free:.1f} GB are free in {SHARED_MEMORY}, Ray wants {MIN_SHARED_GB:g} GB (a container gets more with "
        "--shm-size=2g)"
    )


def no_ports() -> str | None:
    """That no program can listen on a port of its own, None if one can."""
    problem = port_problem("127.0.0.1", 0)
    return None if problem is None else f"no port is free on this machine ({problem})"


def no_loopback() -> str | None:
    """That programs of this machine cannot reach each other, None if they can."""
    with socket.socket() as listening:
        try:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            socket.create_connection(listening.getsockname(), timeout=LOOPBACK_SECONDS).close()
        except OSError as error:
            # what else there may be has sentences of its own
            if error.errno == errno.ENETUNREACH:
                reach = f"programs of this machine cannot reach each other on 127.0.0.1 ({error.strerror})"
                return f"{reach}; `ip link set lo up` mends it"
    return None


def port_problem(host: str, port: int) -> str | None:
    """Why nobody can listen there now, None if one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def holders_of(port: int) -> Iterator[psutil.Process]:
    """Who listens on a port, of whom that can be seen; there may be one for each address."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                yield psutil.Process(connection.pid)


def shown_holder(port: int) -> str:
    """` by NAME (process NUMBER)` to go on about a port that is in use; empty where that cannot be seen."""
    return next((f" by {holder.name()} (process {holder.pid})" for holder in holders_of(port)), "")


def other_place(host: str, option: str) -> str:
    """What to do when nobody can listen on a port: half a sentence that names the option that is at fault."""
    if port_problem(host, 0) is not None:
        return "give another --host: that is no address of this machine"
    return f"give another {option}, or stop what uses it"


def step_aside() -> None:
    """Lets other processes have the cores first, for what this thread does from now on."""
    if sys.platform == "linux":
        # on Linux each thread has a niceness of its own, which those that it starts inherit
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def aside(work: Callable[[], Result]) -> Result:
    """Does something in a thread that steps aside, and waits for it."""
    with ThreadPoolExecutor(1, initializer=step_aside) as executor:
        return executor.submit(work).result()


def debugging() -> bool:
    """Whether tracebacks and the libraries' own messages are wanted (`--debug` or `ORCHESTRATOR_DEBUG=1`)."""
    return os.environ.get("ORCHESTRATOR_DEBUG", "") not in ("", "0")
