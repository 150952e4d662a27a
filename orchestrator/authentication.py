"""Ray's token authentication: invisible with a Ray of our own, one clear sentence with a cluster that refuses.

A cluster can be asked at two places: its control service (`host:6379`) and its job server (`http://host:8265`).

Ray reads `RAY_AUTH_TOKEN`, then the file `RAY_AUTH_TOKEN_PATH`, then `~/.ray/auth_token`; and only if `RAY_AUTH_MODE`
says so before it is imported.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from orchestrator.environment import user_folder
from orchestrator.errors import ExecutionError

PROBE_SECONDS = 10.0
# Ray's own question whether a cluster's control service is alive; its request has no content
PROBE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
# Ray's question for the version of a job server, and its answers without a token and with a wrong one
VERSION_PATH = "/api/version"
UNAUTHORIZED = (401, 403)
HINT = "put it into ~/.ray/auth_token, or name its file in RAY_AUTH_TOKEN_PATH"


def token_file() -> Path:
    """Where Ray keeps the token of this user."""
    return user_folder() / ".ray" / "auth_token"


def find_token() -> tuple[str, str] | None:
    """The token and where it comes from, None if there is none.

    Raises:
        ExecutionError: the file that `RAY_AUTH_TOKEN_PATH` names cannot be read.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token, "RAY_AUTH_TOKEN"
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named).expanduser() if named else token_file()
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        if named:
            raise ExecutionError(f"RAY_AUTH_TOKEN_PATH: {path} cannot be read ({error.strerror})") from None
        return None
    return (token, str(path)) if token else None


def provide_token(*, kept: bool) -> None:
    """For a Ray of our own: the token is in its environment where Ray would not find one in the user's home.

    Args:
        kept: Ray can keep one there.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    found = find_token()
    # Ray's C++ part knows a home by this variable only
    known = bool(os.environ.get("HOME")) and (kept or found is not None)
    if not known and not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32) if found is None else found[0]


def protect_token() -> None:
    """Makes the token file readable by its owner only; Ray writes it readable by everybody."""
    path = token_file()
    if path.is_file() and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def prepare_connection(address: str) -> None:
    """Asks a cluster whether it is there and wants a token, and prepares the environment for `ray.init`.

    Args:
        address: `host:port`; other forms (`auto`, `ray://...`) are left to Ray.

    Raises:
        ExecutionError: nobody answers there, or the cluster refuses the token; before Ray has waited for long.
    """
    protect_token()
    host, _, port = address.rpartition(":")
    if not host or "://" in address or not port.isdecimal():
        if find_token() is not None and "RAY_AUTH_MODE" not in os.environ:
            _use_tokens()
        return
    if not _refuses(address, None):
        # an open cluster, whatever token this user has for others
        return
    token, origin = _wanted_token(f"the Ray cluster at {address}")
    if _refuses(address, token):
        raise _wrong_token(f"the Ray cluster at {address}", origin)
    _use_tokens()


def _use_tokens() -> None:
    """Ray asks with its token from now on, also one that was imported before: only what it starts would know else."""
    os.environ["RAY_AUTH_MODE"] = "token"
    if "ray" in sys.modules:
        from ray._private.authentication.authentication_token_setup import _enable_token_auth

        _enable_token_auth()


def prepare_job_server(address: str) -> dict[str, str]:
    """Asks a job server whether it is there and wants a token.

    Args:
        address: `http://host:8265`.

    Returns:
        The HTTP headers that it wants; an open server is not told a token that this user has for others.

    Raises:
        ExecutionError: nobody answers there, it is no job server, or it refuses the token.
    """
    protect_token()
    if _status_of(address, {}) not in UNAUTHORIZED:
        return {}
    token, origin = _wanted_token(f"the job server at {address}")
    headers = {"Authorization": f"Bearer {token}"}
    if _status_of(address, headers) in UNAUTHORIZED:
        raise _wrong_token(f"the job server at {address}", origin)
    return headers


def _wanted_token(who: str) -> tuple[str, str]:
    """The token and where it comes from.

    Raises:
        ExecutionError: there is none.
    """
    found = find_token()
    if found is None:
        raise ExecutionError(f"{who} wants its authentication token: {HINT}")
    return found


def _wrong_token(who: str, origin: str) -> ExecutionError:
    return ExecutionError(f"{who} refused the authentication token from {origin}: it is another cluster's; {HINT}")


def _status_of(address: str, headers: dict[str, str]) -> int:
    """The HTTP status of a job server's answer.

    Raises:
        ExecutionError: nobody answers, or something else does.
    """
    import requests

    try:
        answer = requests.get(address + VERSION_PATH, headers=headers, timeout=PROBE_SECONDS, allow_redirects=False)
    except requests.Timeout:
        raise ExecutionError(f"no job server answers at {address} within {PROBE_SECONDS:.0f} s") from None
    except requests.exceptions.SSLError:
        raise ExecutionError(
            f"the certificate of {address} is not trusted here; name the file of its authority in REQUESTS_CA_BUNDLE"
        ) from None
    except requests.RequestException:
        raise ExecutionError(f"no job server answers at {address}") from None
    if answer.status_code not in UNAUTHORIZED and '"ray_version"' not in answer.text:
        raise ExecutionError(f"what answers at {address} is not a job server (status {answer.status_code})")
    return answer.status_code


def _refuses(address: str, token: str | None) -> bool:
    """Whether the cluster does not let us in with this token.

    Raises:
        ExecutionError: nobody answers.
    """
    import grpc

    metadata = [("authorization", f"Bearer {token}")] if token else None
    # as Ray itself asks: not through a proxy that the environment names for web pages
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(PROBE)(b"", timeout=PROBE_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return True
            raise ExecutionError(
                f"what listens at {address} does not answer as a Ray cluster does "
                f"({' '.join(str(error.details()).split())[:200]}); is it another program's port?"
            ) from None
    return False
