"""The folder for temporary files: whether it can be used, and where sockets are when its path is not for them."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ExecutionError

VARIABLE = "TMPDIR"
RAY_VARIABLE = "RAY_TMPDIR"
# bytes of the path of a Unix socket, without the zero at its end
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
# the longest path of Ray's sockets below its folder
RAY_SOCKET = "/ray/session_2000-01-01_00-00-00_000000_0000000/sockets/plasma_store"
# `/var/tmp` where `/tmp` cannot be used
SHORT_FOLDERS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108


@dataclass(frozen=True)
class SocketFolder:
    """Where sockets are; `avoided` is the folder of the user's that is not for them, and `why` a part of a sentence."""

    path: Path
    avoided: Path | None = None
    why: str = ""

    @property
    def ray(self) -> Path:
        """Where Ray has its sessions, as it would choose itself."""
        return self.path / "ray"


def socket_folder(longest: str = RAY_SOCKET) -> SocketFolder:
    """The folder for temporary files if sockets can be below it, one of the system otherwise.

    Args:
        longest: path of a socket below it.

    Raises:
        ExecutionError: TMPDIR names a folder that cannot be used, or there is no short one.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return SocketFolder(_short_folder(SHORT_FOLDERS, "TMPDIR is not set, and"))
    folder = Path(os.path.abspath(named))  # noqa: PTH100  a path with `..` may be short
    problem = writing_problem(folder)
    if problem is not None:
        raise ExecutionError(
            f"{VARIABLE} is {named}, {problem}: `export {VARIABLE}=/tmp`, or name another folder for temporary files"
        )
    why = unfit_for_sockets(folder, longest)
    if why is None:
        return SocketFolder(folder)
    return SocketFolder(_short_folder(SHORT_FOLDERS, f"{VARIABLE} is {named}, {why}, and"), folder, why)


def ray_folder() -> SocketFolder:
    """Where a Ray that is started has its files: below RAY_TMPDIR if that is set.

    Raises:
        ExecutionError: RAY_TMPDIR or TMPDIR names a folder that cannot be used.
    """
    named = os.environ.get(RAY_VARIABLE)
    if not named:
        return socket_folder()
    folder = Path(os.path.abspath(named))  # noqa: PTH100
    problem = writing_problem(folder)
    problem = unfit_for_sockets(folder) if problem is None else problem
    if problem is not None:
        raise ExecutionError(f"{RAY_VARIABLE} is {named}, {problem}: `unset {RAY_VARIABLE}`, or name another folder")
    return SocketFolder(folder)


def limit(longest: str = RAY_SOCKET) -> int:
    """How many bytes the path of a folder may have, so that sockets fit below it."""
    return MAX_SOCKET_PATH - len(longest)


def unfit_for_sockets(folder: Path, longest: str = RAY_SOCKET) -> str | None:
    """Half a sentence on why sockets cannot be below a folder, None if they can."""
    if len(os.fsencode(folder)) > limit(longest):
        return f"which is too long for sockets ({limit(longest)} bytes at most)"
    if not str(folder).isascii():
        # Ray 2.60 encodes the paths of its files as ASCII
        return "which Ray cannot use: it takes paths of ASCII characters only"
    return None


def writing_problem(folder: Path) -> str | None:
    """Half a sentence on why no files can be made in a folder, None if they can."""
    if not folder.exists():
        return "which does not exist"
    if not folder.is_dir():
        return "which is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"where no files can be made ({error.strerror})"


def _short_folder(folders: tuple[Path, ...], why: str) -> Path:
    for folder in folders:
        if writing_problem(folder) is None:
            return folder
    tried = " and ".join(str(folder) for folder in folders)
    raise ExecutionError(f"{why} {tried} cannot be written to: set {RAY_VARIABLE} and {VARIABLE} to a short folder")
