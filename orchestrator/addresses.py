"""The address of a Ray cluster: what is wrong with one is said at once, where Ray would wait for a minute."""

from __future__ import annotations

import re
import socket

from orchestrator.environment import given_by
from orchestrator.errors import ExecutionError

CONNECT_SECONDS = 10.0
# of a cluster's control service, and of Ray's client server
PLACE = re.compile(r"(?:ray://)?(?P<host>\[[^\]\s]+\]|[^\s/:\[\]]+):(?P<port>[0-9]{1,5})")
CLIENT = "ray://"
AUTO = "auto"
# a word of Ray's own
LOCAL = "local"
LAST_PORT = 65535


def check_address(address: str | None) -> None:
    """Asks whether somebody listens where a cluster shall be; whether it is one is asked by Ray.

    Args:
        address: `host:6379`, `ray://host:10001`, `auto`; None for no cluster.

    Raises:
        ExecutionError: it is no address, or nobody listens there.
    """
    if address is None or address == AUTO:
        return
    problem = _problem(address)
    if problem is not None:
        raise unreachable(address, problem)


def check_found_address() -> None:
    """Asks whether somebody listens where Ray has found the cluster that `auto` stands for; imports Ray.

    Raises:
        ExecutionError: it has found none, or nobody listens there.
    """
    from ray._private import services

    try:
        found = services.canonicalize_bootstrap_address_or_die(AUTO)
    except ConnectionError as error:
        several = "several" if "multiple" in str(error) else "no"
        raise unreachable(AUTO, f"{several} Ray cluster was found on this machine; name one: HOST:6379") from None
    problem = _problem(found)
    if problem is not None:
        raise unreachable(AUTO, f"Ray has found one at {found}, but {problem}; is it of a cluster that has ended?")


def unreachable(address: str, reason: str) -> ExecutionError:
    """The error about a cluster; it says if a variable of the environment has named that."""
    return ExecutionError(
        f"no Ray cluster can be reached at {address}: {reason}{given_by('RAY_ADDRESS', address, '--address')}"
    )


def _problem(address: str) -> str | None:
    """Half a sentence on why nothing can be asked there, None if somebody listens."""
    if address.startswith(("http://", "https://")):
        return "that is the address of a job server or of a web page; a cluster's is HOST:6379"
    if address == LOCAL:
        return "Ray on this machine is what is used where no address is given"
    place = PLACE.fullmatch(address)
    if place is None or not 0 < int(place["port"]) <= LAST_PORT:
        return "that is no address of one; it is HOST:6379, ray://HOST:10001, or auto"
    return listening_problem(place["host"].strip("[]"), int(place["port"]), CONNECT_SECONDS)


def listening_problem(host: str, port: int, seconds: float) -> str | None:
    """Half a sentence on why no connection can be made there, None if somebody listens."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return None
    except socket.gaierror:
        return "there is no host of that name"
    except TimeoutError:
        return f"nobody answers there within {seconds:.0f} s"
    except ConnectionRefusedError:
        return "nobody listens there"
    except OSError as error:
        return f"it cannot be connected to ({error.strerror or error})"
