"""Who may ask through a browser: no page of another origin, and none whose name was made to point here (DNS rebinding).

A program says what it likes in its headers, so that none of this keeps a program out: that is what tokens are for. A
browser says truly where a page comes from, and lets no page say otherwise.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import psutil
from starlette.types import Scope

from orchestrator.config import ServeConfig
from orchestrator.serving.http.asgi import Headers, HttpError, header

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
# what a page may send to any address without being asked first; see "simple request" in the Fetch standard
SIMPLE_TYPES = frozenset({b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"})
OTHER_SITES = frozenset({b"cross-site", b"same-site"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
ANY = "*"
# an address cannot be pointed elsewhere, as a name can
ANY_ADDRESS = "*address"
KNOWN_HEADERS = 256


def allowed_hosts(config: ServeConfig) -> tuple[str, ...] | None:
    """What the `Host` header of a request may name.

    Returns:
        Names and addresses in lower case, `ANY_ADDRESS` for all addresses; None when it does not matter, as a page that
        a browser was lured to has no token.
    """
    if ANY in config.allowed_hosts or (config.auth_token_file and not config.allowed_hosts):
        return None
    names = {*LOOPBACK_HOSTS, config.host, *config.allowed_hosts}
    if config.host not in LOOPBACK_HOSTS:
        names |= {socket.gethostname(), socket.gethostname().partition(".")[0], ANY_ADDRESS}
        names |= {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}
    return tuple(sorted(name.lower().strip("[]") for name in names))


class BrowserCheck:
    """Refuses what a browser sends for a page that has no business here."""

    def __init__(self, hosts: Iterable[str] | None, origins: Iterable[str]) -> None:
        """Makes a check.

        Args:
            hosts: see `allowed_hosts`.
            origins: of other web pages that may ask, as `https://shop.example`.
        """
        self._hosts = frozenset(hosts) if hosts is not None else None
        self.origins = frozenset(origin.encode() for origin in origins)
        self._known: set[bytes] = set()

    def check(self, scope: Scope) -> None:
        """Raises HttpError: 421 for another host, 403 for another origin, 415 for what a form or a plain page sends."""
        origin = site = None
        content_type = b""
        for name, value in scope["headers"]:
            if name == b"host":
                if value not in self._known:
                    self._check_host(value)
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"content-type":
                content_type = value
        if origin is not None or site is not None:
            self._check_page(scope, origin, site, content_type)

    def cors(self, scope: Scope) -> Headers:
        """Headers that let a page of a listed origin read the answer."""
        origin = header(scope, b"origin")
        if origin is None or origin not in self.origins:
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-headers", b"authorization, content-type, inference-header-content-length"),
            (b"access-control-allow-methods", b"GET, POST"),
            (b"vary", b"Origin"),
        ]

    def _check_host(self, value: bytes) -> None:
        host = _name_in(value.decode("latin-1"))
        if self._hosts is not None and host not in self._hosts and not (ANY_ADDRESS in self._hosts and _address(host)):
            raise HttpError(
                421,
                f"this endpoint does not answer as '{host[:100]}'; if that is its name, start it with "
                "--allowed-host NAME",
                reason="host",
            )
        if len(self._known) < KNOWN_HEADERS:
            self._known.add(value)

    def _check_page(self, scope: Scope, origin: bytes | None, site: bytes | None, content_type: bytes) -> None:
        changes = scope["method"] not in SAFE_METHODS
        if origin not in self.origins and site != b"same-origin":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            if not _same(origin, host) if origin is not None else changes and site in OTHER_SITES:
                raise HttpError(
                    403,
                    "web pages of other origins may not ask; those that may are named with --cors-origin ORIGIN",
                    reason="origin",
                )
        if changes and content_type.partition(b";")[0].strip().lower() in SIMPLE_TYPES:
            raise HttpError(
                415,
                "a web page must say that it sends JSON: Content-Type: application/json",
                reason="content_type",
            )


def _same(origin: bytes, host: bytes) -> bool:
    """Whether a page comes from where it asks; the scheme may be another one, of a proxy before this endpoint."""
    try:
        page = urlsplit(origin.decode("latin-1"))
        port = page.port or DEFAULT_PORTS.get(page.scheme)
        asked = urlsplit(f"//{host.decode('latin-1')}")
        return bool(page.hostname) and (page.hostname, port) == (
            asked.hostname,
            asked.port or DEFAULT_PORTS.get(page.scheme),
        )
    except ValueError:
        return False


def _name_in(host: str) -> str:
    """Without the port, in lower case."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name.removesuffix(".")


def _address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
