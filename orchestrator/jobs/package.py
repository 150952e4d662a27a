"""What a sweep takes along to a cluster: a folder with its options, data, search space and the user's networks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cluster import DATA_FOLDER
from orchestrator.environment import no_such_file
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig

CONFIG_FILE = "sweep.yaml"
SPACE_FILE = "space.yaml"
# what Ray's dashboard accepts in one request, and what an archive needs for the name of a file
SIZE_LIMIT = 100 * 2**20
NAME_BYTES = 1024


@dataclass(frozen=True)
class Package:
    """A sweep that can be run where this machine's files are not.

    Attributes:
        name: of the sweep.
        data: as the user wrote it.
        folder: what the job finds in its current folder; `sweep.yaml` there holds all options.
        missing: modules of networks that are not in the folder, so that the cluster must have them.
    """

    name: str
    data: str
    folder: Path
    missing: tuple[str, ...]


@contextmanager
def packed_sweep(config: SweepConfig, *, upload: bool = True) -> Iterator[Package]:
    """Puts together what a sweep needs, for as long as the context is open.

    Args:
        config: of the sweep; paths in it are relative to the current folder. Its address of a cluster is left out.
        upload: whether the data goes along; if not, its absolute path is sent as it is.

    Raises:
        UsageError: a file is missing or too large, the data's path means nothing on a cluster, or results would be lost
            with the job's folder.
        SearchSpaceError, ArchitectureError: see `load_space` and `known_architecture`.
    """
    _check_store(config.tracking_uri)
    _check_storage(config.storage)
    data, files = _data(config.data, upload=upload)
    space, space_files = _space(config.space)
    modules, missing = _networks(config)
    given = {part: _data(path, upload=upload, part=part) for part, path in config.rows.files.items()}
    beside = {str(getattr(config, part)): found for part, (_, found) in given.items()}
    _check_size(
        {config.data: files} | beside | {f"{name} (a module of yours)": found for name, found in modules.items()}
    )
    # the cluster keeps what is sent, so that it can go on with the sweep in another job
    changes: dict[str, object] = {"address": None, "data": data, "space": space, "keep_package": True}
    changes |= {part: place for part, (place, _) in given.items()}
    with tempfile.TemporaryDirectory(prefix="orchestrator-job-") as name:
        folder = Path(name)
        for content in (files, *beside.values(), space_files, *modules.values()):
            _copy(content, folder)
        config.model_copy(update=changes).save(folder / CONFIG_FILE)
        yield Package(config.sweep_name, config.data, folder, missing)


def _check_store(uri: str | None) -> None:
    """Refuses a tracking store that is gone with the job.

    Raises:
        UsageError: there is none, or it is in the job's own folder.
    """
    if not uri:
        raise UsageError(
            "a job needs an MLflow store that outlives it: give --tracking-uri or MLFLOW_TRACKING_URI, such as "
            "http://HOST:5000 or postgresql://..."
        )
    scheme, _, place = uri.partition(":")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        # three slashes are the scheme's, the fourth is the path's
        lasts = place.startswith("////")
    elif kind == "file":
        lasts = place.startswith("/")
    else:
        lasts = "://" in uri or uri == "databricks" or uri.startswith("/")
    if not lasts:
        raise UsageError(
            f"--tracking-uri {uri} is in the job's folder, which is deleted when the job ends: give a server or an "
            "absolute path that the cluster's head node keeps"
        )


def _check_storage(storage: str | None) -> None:
    if storage is not None and "://" not in storage and not storage.startswith("/"):
        raise UsageError(
            f"--storage {storage} would be in the job's folder, which is deleted when the job ends: give an absolute "
            "path that all nodes share, s3://... or gs://..."
        )


def _data(data: str, *, upload: bool, part: str | None = None) -> tuple[str, dict[str, Path]]:
    """What the job calls the data, and the files to send: place in the package -> file here."""
    from orchestrator.data.sources import load_table
    from orchestrator.naming import SKLEARN_PREFIX

    if data.startswith(SKLEARN_PREFIX):
        load_table(data)
        return data, {}
    path = Path(data)
    if not upload:
        if not path.is_absolute():
            raise UsageError(f"{data}: with --no-upload the data's path must be absolute, the same on every node")
        return data, {}
    if not path.exists():
        hint = "; for a file that only the cluster has, add --no-upload" if path.is_absolute() else ""
        raise UsageError(f"{no_such_file(path)}{hint}")
    # files of the same name from two folders stay two
    inner = "" if part is None else f"{part}/"
    place = f"{DATA_FOLDER}/{inner}{path.resolve().name if path.is_dir() else path.name}"
    return place, _files(path, place)


def _space(space: str) -> tuple[str, dict[str, Path]]:
    from orchestrator.search import list_spaces

    return (space, {}) if space in list_spaces() else (SPACE_FILE, {SPACE_FILE: Path(space)})


def _networks(config: SweepConfig) -> tuple[dict[str, dict[str, Path]], tuple[str, ...]]:
    """The user's modules in the current folder with their files, and the modules that are not there."""
    from orchestrator.networks import is_custom, known_architecture
    from orchestrator.search import load_space
    from orchestrator.tasks.own_metric import is_own

    space = load_space(config.space)
    names = [config.architecture] if config.architecture else list(space.architectures)
    found: dict[str, dict[str, Path]] = {}
    missing: dict[str, None] = {}
    own = [config.metric] if config.metric is not None and is_own(config.metric) else []
    for name in (*names, *own):
        if name not in own and not is_custom(name):
            known_architecture(name)
            continue
        module = name.partition(":")[0].partition(".")[0]
        files = _module(module)
        if files:
            found[module] = files
        else:
            missing[module] = None
    return found, tuple(missing)


def _module(name: str) -> dict[str, Path]:
    """The files of a module in the current folder, none if it is not there; a package counts more than a file."""
    folder, file = Path.cwd() / name, Path.cwd() / f"{name}.py"
    if not name:
        return {}
    if (folder / "__init__.py").is_file() or (not file.is_file() and any(folder.glob("**/*.py"))):
        return _files(folder, name)
    return {file.name: file} if file.is_file() else {}


def _files(source: Path, place: str) -> dict[str, Path]:
    """A file, or all files of a folder but the hidden ones; Ray would obey a .gitignore among them."""
    if not source.is_dir():
        return {place: source}
    found = {}
    for file in sorted(source.rglob("*")):
        inner = file.relative_to(source)
        if file.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
            found[f"{place}/{inner.as_posix()}"] = file
    return found


def _check_size(sources: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuses what a job server would refuse after it was sent.

    Raises:
        UsageError: it is too large; says which source is the largest.
    """
    sizes = {name: sum(file.stat().st_size + NAME_BYTES for file in files.values()) for name, files in sources.items()}
    if sum(sizes.values()) <= SIZE_LIMIT:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    data = next(iter(sources))
    advice = (
        "put it where every node can read it and give that absolute path with --no-upload"
        if largest == data
        else "install it on the cluster, or move what is no code elsewhere"
    )
    size = f"{sizes[largest] / 2**20:.0f} MiB"
    raise UsageError(f"{largest}: {size}, but a job server takes {SIZE_LIMIT // 2**20} MiB in all; {advice}")


def _copy(files: Mapping[str, Path], folder: Path) -> None:
    for place, file in files.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, target)
        except OSError as error:
            raise UsageError(f"{file}: cannot be read ({error.strerror or error})") from None
