"""What manifests are made for: a registered model to be served, or a sweep to be run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from orchestrator.environment import no_such_file
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig

# of names that need no quoting of their own in any manifest
PLAIN = re.compile(r"[\w.:/@ +-]+")
SWEEP_FILE = PurePosixPath("sweep.yaml")


@dataclass(frozen=True)
class PackedSweep:
    """A sweep that runs where its files are put.

    Attributes:
        config: of the sweep, as it is in `sweep.yaml`.
        files: `sweep.yaml`, the search space and modules of the user's, by their place in its folder.
        folders: of this machine, that hold its data; the sweep reads them under the same names.
    """

    config: SweepConfig
    files: Mapping[PurePosixPath, str]
    folders: tuple[str, ...]


def registered_model(uri: str) -> str:
    """The URI itself, if it is one of the registry.

    Raises:
        UsageError: it has another form; the folder of a bundle would not be where the endpoint is.
    """
    from orchestrator.tracking.models import MODEL_URI

    if MODEL_URI.fullmatch(uri) is None or PLAIN.fullmatch(uri) is None:
        raise UsageError(
            f"--model {uri!r}: give the name of a registered model, models:/NAME@champion or models:/NAME/VERSION, of "
            "letters, digits, blanks and . : + - _"
        )
    return uri


def packed(config: SweepConfig) -> PackedSweep:
    """Puts together what a sweep needs elsewhere, but for its data.

    Args:
        config: of the sweep; paths in it are relative to the current folder. Its address of a cluster is left out.

    Raises:
        SearchSpaceError, ArchitectureError: the search space or a network is not valid.
        UsageError: its data is not there, or its MLflow or its storage would not be.
    """
    import yaml

    from orchestrator.config import SweepConfig
    from orchestrator.jobs import packed_sweep

    places = {name: _place(getattr(config, name)) for name in ("data", "validation", "test") if getattr(config, name)}
    folders = {str(Path(place).parent) for place in places.values() if place.startswith("/")}
    with packed_sweep(config.model_copy(update=places), upload=False) as package:
        found = sorted(path for path in package.folder.rglob("*") if path.is_file())
        contents = {PurePosixPath(path.relative_to(package.folder).as_posix()): path.read_bytes() for path in found}
    files = {}
    for path, content in contents.items():
        try:
            files[path] = content.decode()
        except UnicodeDecodeError:
            raise UsageError(f"{path}: it is not text; install this module where the sweep runs") from None
    # its files stay where they are put, so none need be kept beside its record
    sent = SweepConfig.create(**yaml.safe_load(files[SWEEP_FILE]) | {"keep_package": False})
    # what the user has said, and no more
    said = sent.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    files[SWEEP_FILE] = yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
    return PackedSweep(sent, files, tuple(sorted(folders)))


def _place(data: str) -> str:
    """The absolute path of data that is in a file, or the name of what is in none."""
    from orchestrator.naming import SKLEARN_PREFIX

    if data.startswith(SKLEARN_PREFIX) or Path(data).is_absolute():
        return data
    if not Path(data).exists():
        raise UsageError(f"{no_such_file(Path(data))} (paths of a sweep are relative to the current folder)")
    return str(Path(data).resolve())
