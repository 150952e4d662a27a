"""What manifests are made for: a registered model to be served, or a sweep to be run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.errors import UsageError

# of names that need no quoting of their own in any manifest
PLAIN = re.compile(r"[\w.:/@ +-]+")


@dataclass(frozen=True)
class PackedSweep:
    """A sweep that runs where its files are put.

    Attributes:
        name: of the sweep.
        files: `sweep.yaml`, the search space and modules of the user's, by their place in its folder.
        folders: of this machine, that hold its data; the sweep reads them under the same names.
    """

    name: str
    files: Mapping[PurePosixPath, str]
    folders: tuple[str, ...]


def registered_model(uri: str) -> str:
    """The URI itself, if it is one of the registry.

    Raises:
        UsageError: it has another form; the folder of a bundle would not be where the endpoint is.
    """
    from orchestrator.tracking.models import MODEL_URI

    if MODEL_URI.fullmatch(uri) is None or PLAIN.fullmatch(uri) is None or "\n" in uri:
        raise UsageError(
            f"--model {uri!r}: give the name of a registered model, models:/NAME@champion or models:/NAME/VERSION, of "
            "letters, digits, blanks and . : + - _"
        )
    return uri


def packed(config_file: Path, *, tracking_uri: str, storage: str) -> PackedSweep:
    """Reads a sweep's YAML and puts together what it needs elsewhere, but for its data.

    Args:
        config_file: with the options of a sweep; paths in it are relative to the current folder.
        tracking_uri: of the MLflow server there, instead of the file's; Ray's address is left out.
        storage: where its record and checkpoints are kept there, unless the file says it.

    Raises:
        ConfigError, SearchSpaceError, ArchitectureError: the file, the search space or a network is not valid.
        UsageError: its data is not there.
    """
    from orchestrator.config import SweepConfig
    from orchestrator.jobs import packed_sweep

    config = SweepConfig.load(config_file, {"tracking_uri": tracking_uri})
    places = {name: _place(getattr(config, name)) for name in ("data", "validation", "test") if getattr(config, name)}
    config = config.model_copy(update={**places, "storage": config.storage or storage})
    folders = {str(Path(place).parent) for place in places.values() if place.startswith("/")}
    with packed_sweep(config, upload=False) as package:
        found = sorted(path for path in package.folder.rglob("*") if path.is_file())
        texts = {PurePosixPath(path.relative_to(package.folder).as_posix()): path.read_bytes() for path in found}
    files = {}
    for path, content in texts.items():
        try:
            files[path] = content.decode()
        except UnicodeDecodeError:
            raise UsageError(f"{path}: it is not text; install this module where the sweep runs") from None
    return PackedSweep(package.name, files, tuple(sorted(folders)))


def _place(data: str) -> str:
    """The absolute path of data that is in a file, or the name of what is in none."""
    from orchestrator.naming import SKLEARN_PREFIX

    if data.startswith(SKLEARN_PREFIX) or Path(data).is_absolute():
        return data
    if not Path(data).exists():
        raise UsageError(f"{data}: no such file; paths of a sweep are relative to the current folder")
    return str(Path(data).resolve())
