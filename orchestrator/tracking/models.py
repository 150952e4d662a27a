"""From the name of a model to its bundle on disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from orchestrator.bundle.files import LIMITS, read_present, write_folder
from orchestrator.errors import BundleError, UsageError
from orchestrator.roles import Role
from orchestrator.tracking.lookups import ABSENT, model_reader, unknown_alias
from orchestrator.tracking.rollout import existing_version
from orchestrator.tracking.sqlite_registry import find_source
from orchestrator.tracking.store import tracked

if TYPE_CHECKING:
    from mlflow.entities import FileInfo

MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))?")
MODEL_FILE, DATA_FOLDER = "MLmodel", "data"


@dataclass(frozen=True)
class ModelSource:
    """A model bundle on the local disk.

    Attributes:
        name: registered name, or the folder's name.
        version: registered version, or None for a folder.
        path: folder to give to `ModelBundle.load`.
    """

    name: str
    version: str | None
    path: Path


def fetch_model(uri: str, tracking_uri: str | None, folder: Path) -> ModelSource:
    """Brings a model's bundle to the local disk.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME` (the alias champion) or a bundle's folder.
        tracking_uri: MLflow store, or None for MLflow's default.
        folder: where to put downloaded files; it must exist.

    What MLflow itself would load or install of a version (its MLmodel file, `code/`, requirements) is not looked at:
    only the files of a bundle are taken, each up to its size.

    Raises:
        UsageError: the URI has another form, or the folder does not exist.
        NoSuchModelError: there is no such model, version or alias.
        TrackingError: the store cannot be used.
        BundleError: it is no model of ours, or holds links, too large files, or what does not belong in a bundle.
    """
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        if urlparse(uri).scheme in ("", "file") and Path(uri.removeprefix("file://")).is_dir():
            path = Path(uri.removeprefix("file://")).resolve()
            return ModelSource(path.name, None, _bundle_folder(path))
        raise UsageError(
            f"{uri}: not a model; give models:/NAME@champion, models:/NAME/VERSION or the folder of a model bundle"
        )
    name, version, alias = match["name"], match["version"], match["alias"] or Role.CHAMPION.value
    known = _fetch_known(name, version, alias, tracking_uri, folder)
    if known is not None:
        return known
    client = model_reader(name, tracking_uri)
    with tracked(tracking_uri):
        if version is None:
            version = _version_of_alias(client, name, alias)
        source = _download_uri(client, name, version)
        local = _local_path(source)
        if local is not None:
            path = _copied(_bundle_folder(local), folder)
        else:
            path = _downloaded(source, client.tracking_uri, folder)
    return ModelSource(name, version, path)


def registered_version(uri: str, tracking_uri: str | None) -> str:
    """The version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` means; its files are not looked at.

    Raises:
        UsageError: the URI has another form.
        NoSuchModelError: there is no such model, version or alias.
        TrackingError: the store cannot be used.
    """
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        raise UsageError(f"{uri}: not a registered model; give models:/NAME@champion or models:/NAME/VERSION")
    name = match["name"]
    client = model_reader(name, tracking_uri)
    if match["version"] is not None:
        return existing_version(client, name, match["version"])
    with tracked(tracking_uri):
        return _version_of_alias(client, name, match["alias"] or Role.CHAMPION.value)


def fetch_local(name: str, version: str, tracking_uri: str | None, folder: Path) -> ModelSource | None:
    """A registered version as `fetch_model` gives it, None if store and model are not both on this machine."""
    return _fetch_known(name, version, Role.CHAMPION.value, tracking_uri, folder)


def name_of(uri: str) -> str:
    """The name that `fetch_model` would give, without looking whether there is such a model."""
    match = MODEL_URI.fullmatch(uri)
    return match["name"] if match is not None else Path(uri.removeprefix("file://")).resolve().name


def _fetch_known(
    name: str, version: str | None, alias: str, tracking_uri: str | None, folder: Path
) -> ModelSource | None:
    """What is found without MLflow; `find_source` says when."""
    found = find_source(name, version, alias, tracking_uri)
    if found is not None and (local := _local_path(found[1])) is not None:
        return ModelSource(name, found[0], _copied(_bundle_folder(local), folder))
    return None


def _local_path(source: str) -> Path | None:
    """The folder that a URI means, None if it is not on this machine."""
    parsed = urlparse(source)
    return Path(unquote(parsed.path if parsed.scheme else source)) if parsed.scheme in ("", "file") else None


def _version_of_alias(client, name: str, alias: str) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        raise unknown_alias(client, name, alias) from None


def _download_uri(client, name: str, version: str) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_download_uri(name, version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        # says whether it is the model or the version
        existing_version(client, name, version)
        raise


def _bundle_folder(path: Path) -> Path:
    """The bundle inside of an MLflow model's folder, or the folder itself."""
    if not (path / MODEL_FILE).is_file():
        return path
    bundles = [entry for entry in (path / DATA_FOLDER).glob("*") if (entry / "schema.json").is_file()]
    if len(bundles) != 1:
        raise _no_bundle(str(path))
    if bundles[0].resolve() != path.resolve() / DATA_FOLDER / bundles[0].name:
        raise BundleError(f"{bundles[0]}: is a link, which a model may not hold; it was not loaded")
    return bundles[0]


def _copied(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle's files; MLflow's own would follow links."""
    files = read_present(bundle)
    target = folder / bundle.name
    target.mkdir()
    write_folder(files, target)
    return target


def _downloaded(source: str, tracking_uri: str, folder: Path) -> Path:
    """A bundle from a store that is not a folder; names and sizes are looked at first."""
    from mlflow.artifacts import download_artifacts, list_artifacts

    def names(uri: str) -> dict[str, FileInfo]:
        found = list_artifacts(artifact_uri=uri, tracking_uri=tracking_uri)
        return {PurePosixPath(entry.path).name: entry for entry in found}

    uri = source
    if MODEL_FILE in names(source):
        bundles = [name for name, entry in names(_below(source, DATA_FOLDER)).items() if entry.is_dir]
        if len(bundles) != 1:
            raise _no_bundle(source)
        uri = _below(source, f"{DATA_FOLDER}/{bundles[0]}")
    for name, entry in names(uri).items():
        if entry.is_dir or name not in LIMITS:
            raise BundleError(f"{name} does not belong in a model bundle; it was not loaded")
        if (entry.file_size or 0) > LIMITS[name]:
            raise BundleError(f"{name} is larger than {LIMITS[name]:,} bytes; it was not loaded")
    return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri))


def _below(uri: str, path: str) -> str:
    parsed = urlparse(uri)
    return parsed._replace(path=f"{parsed.path.rstrip('/')}/{path}").geturl()


def _no_bundle(place: str) -> BundleError:
    return BundleError(f"{place}: an MLflow model, but not one of this orchestrator; it holds no model bundle")
