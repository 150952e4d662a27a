"""Who may ask: bearer tokens from a file that is read again when it changes."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import stat
import time
from pathlib import Path

from orchestrator.environment import no_such_file
from orchestrator.errors import UsageError

logger = logging.getLogger(__name__)
MIN_CHARACTERS = 16
OTHERS = stat.S_IRWXG | stat.S_IRWXO
ROOT = 0
CHECK_SECONDS = 1.0
# file systems tell times by so much or less: a file that is younger may change once more and look the same
SETTLED_SECONDS = 2.0
SCHEME = b"bearer "


def read_tokens(path: Path) -> tuple[bytes, ...]:
    """The SHA-256 digests of the tokens in a file: one a line, lines that begin with # are comments.

    Raises:
        UsageError: it cannot be read, is no ordinary file, others than its owner may read it, it has no token, or one
            that is short enough to guess.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            mode = status.st_mode
            if not stat.S_ISREG(mode):
                raise UsageError(
                    f"{path}: this is no ordinary file, and could not be read again in each replica; "
                    "write the tokens into a file"
                )
            lines = file.read().decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UsageError(no_such_file(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{path}: the tokens cannot be read ({reason})") from None
    if mode & _not_for(status):
        raise UsageError(
            f"{path}: other users of this machine may open the file with the tokens (mode {stat.S_IMODE(mode):04o}); "
            f"close it with: chmod 600 {shlex.quote(str(path))}"
        )
    tokens = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#"]
    for number, token in tokens:
        if len(token) < MIN_CHARACTERS or not token.isascii() or " " in token:
            raise UsageError(
                f"{path}, line {number}: a token must have at least {MIN_CHARACTERS} ASCII characters without spaces; "
                "make one with: openssl rand -hex 32"
            )
    if not tokens:
        raise UsageError(f"{path}: there is no token in it; write one a line, made with: openssl rand -hex 32")
    return tuple(hashlib.sha256(token.encode()).digest() for _, token in tokens)


def _not_for(status: os.stat_result) -> int:
    """The bits of a mode that let others in.

    Kubernetes mounts a secret as root's file, and lets a process that is not root's read it through its group.
    """
    through_group = status.st_uid == ROOT != os.geteuid() and status.st_gid in {os.getegid(), *os.getgroups()}
    return OTHERS & ~stat.S_IRGRP if through_group else OTHERS


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; a pipe, of which nobody may be at the other end, too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class TokenCheck:
    """Looks for the tokens of requests among those of a file.

    They are compared by their SHA-256 digests: the time that it takes tells nothing of a token, and does not grow with
    their number.

    A file that `read_tokens` would refuse lets nobody in, until there is a good one: who takes a token back by emptying
    or deleting the file must not find it valid.
    """

    def __init__(self, path: Path) -> None:
        """Reads the file; raises UsageError as `read_tokens`."""
        self._path = path
        self._stamp = self._stat()
        self._digests = frozenset(read_tokens(path))
        self._looked = time.monotonic()
        self.problem: str | None = None

    @property
    def closed(self) -> bool:
        """Whether nobody is let in."""
        self._reload()
        return not self._digests

    def allows(self, authorization: bytes | None) -> bool:
        """Whether the value of an Authorization header is `Bearer TOKEN` with a token of the file."""
        self._reload()
        if authorization is None or authorization[: len(SCHEME)].lower() != SCHEME:
            return False
        return hashlib.sha256(authorization[len(SCHEME) :].strip()).digest() in self._digests

    def _reload(self) -> None:
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        stamp = self._stat()
        if stamp is not None and stamp == self._stamp and self.problem is None:
            return
        self._stamp = stamp
        try:
            self._digests = frozenset(read_tokens(self._path))
            self.problem = None
        except UsageError as error:
            self._digests = frozenset()
            problem = f"nobody is let in: {error}"
            if problem != self.problem:
                logger.error("%s", problem)  # noqa: TRY400  the sentence says all
            self.problem = problem

    def _stat(self) -> tuple[int, int, int, int] | None:
        """What changes with the file; None when it is not there, or may change yet without being seen to."""
        try:
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        if time.time() - status.st_ctime < SETTLED_SECONDS:
            return None
        # a change of the mode changes only ctime
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
