"""From the name of a model to its bundle on disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from orchestrator.errors import BundleError, NoSuchModelError, UsageError
from orchestrator.tracking.store import client_for, known_models, tracked, unknown_model

MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))?")
DATA_FOLDER = "data"


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

    Raises:
        UsageError: the URI has another form, or the folder does not exist.
        NoSuchModelError: there is no such model, version or alias.
        TrackingError: the store cannot be used.
        BundleError: it is no model of ours.
    """
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        if urlparse(uri).scheme in ("", "file") and Path(uri.removeprefix("file://")).is_dir():
            path = Path(uri.removeprefix("file://")).resolve()
            return ModelSource(path.name, None, _bundle_folder(path))
        raise UsageError(
            f"{uri}: not a model; give models:/NAME@champion, models:/NAME/VERSION or the folder of a model bundle"
        )
    name, version = match["name"], match["version"]
    client = client_for(tracking_uri)
    with tracked(tracking_uri):
        if version is None:
            version = _version_of_alias(client, name, match["alias"] or "champion")
        source = _download_uri(client, name, version)
        from mlflow.artifacts import download_artifacts

        local = download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=client.tracking_uri)
    return ModelSource(name, version, _bundle_folder(Path(local)))


def name_of(uri: str) -> str:
    """The name that `fetch_model` would give, without looking whether there is such a model."""
    match = MODEL_URI.fullmatch(uri)
    return match["name"] if match is not None else Path(uri.removeprefix("file://")).resolve().name


def _version_of_alias(client, name: str, alias: str) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        known = known_models(client)
        if name not in known:
            raise unknown_model(name, known) from None
        raise NoSuchModelError(f"model '{name}' has no alias '{alias}'; give a version: models:/{name}/1") from None


def _download_uri(client, name: str, version: str) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_download_uri(name, version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise NoSuchModelError(f"there is no version {version} of a registered model '{name}'") from None


def _bundle_folder(path: Path) -> Path:
    """The bundle inside of an MLflow model's folder, or the folder itself."""
    if (path / "MLmodel").is_file():
        bundles = [entry for entry in (path / DATA_FOLDER).glob("*") if (entry / "schema.json").is_file()]
        if len(bundles) == 1:
            return bundles[0]
        raise BundleError(f"{path}: an MLflow model, but not one of this orchestrator; it holds no model bundle")
    return path
