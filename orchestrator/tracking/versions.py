"""From a bundle's folder to a version in MLflow's registry, in steps of which each may be the last.

Tried again, it goes on where it was cut off: what is there already is found by the digest of the model.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.bundle.content import read_content
from orchestrator.bundle.files import CARD_FILE, read_folder
from orchestrator.data import Schema
from orchestrator.tracking import tags
from orchestrator.tracking.store import TRACKING_VARIABLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

MODEL_NAME = "model"
LOGGED_MODEL = "models:/"
VERSIONS_TAG = "mlflow.modelVersions"
PATIENCE_SECONDS = 60
REQUIRED_PACKAGES = (
    "mlflow",
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "safetensors",
    "orchestrator-automl",
)


def find_version(client: MlflowClient, name: str, model_digest: str) -> ModelVersion | None:
    """The version of a registered model that holds this model, None if there is none; the oldest of several."""
    found = client.search_model_versions(f"tag.`{tags.MODEL_DIGEST}` = '{model_digest}'")
    return min((item for item in found if item.name == name), key=lambda item: int(item.version), default=None)


def make_version(
    client: MlflowClient, run_id: str, *, name: str, folder: Path, model_digest: str, labels: Mapping[str, str]
) -> ModelVersion:
    """Uploads a bundle as a model of a run, and makes a version of it; what is there of both is used.

    The version comes into being with all of its tags, and when all of its files are there.

    Args:
        client: of the store.
        run_id: the winning trial's run.
        name: of the registered model.
        folder: what `ModelBundle.save` wrote.
        model_digest: of what makes the model, see `Winner.digest`.
        labels: tags of the version.
    """
    with fluent_store(client.tracking_uri), contextlib.redirect_stderr(io.StringIO()):
        # MLflow's bars and hints are about what we say ourselves
        model = _find_logged(client, run_id, model_digest) or _create_logged(client, run_id, model_digest)
        _fill(client, run_id, model, folder)
        _create_registered(client, name)
        return client.create_model_version(
            name,
            f"{LOGGED_MODEL}{model.model_id}",
            run_id,
            tags={**labels, tags.MODEL_DIGEST: model_digest},
            await_creation_for=PATIENCE_SECONDS,
            model_id=model.model_id,
        )


def link_version(client: MlflowClient, version: ModelVersion) -> None:
    """Notes the version with its model, from which MLflow's pages find the way to it."""
    model_id = logged_model_of(version)
    if model_id is not None:
        link = [{"name": version.name, "version": int(version.version)}]
        client.set_logged_model_tags(model_id, {VERSIONS_TAG: json.dumps(link)})


def logged_model_of(version: ModelVersion) -> str | None:
    """The model of a run that a version was made of; stores in databases do not fill in `model_id`."""
    source = str(version.source)
    return source.removeprefix(LOGGED_MODEL) if source.startswith(LOGGED_MODEL) else None


def _find_logged(client: MlflowClient, run_id: str, model_digest: str) -> LoggedModel | None:
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment], f"tags.`{tags.MODEL_DIGEST}` = '{model_digest}'")
    return next((model for model in found if model.source_run_id == run_id), None)


def _create_logged(client: MlflowClient, run_id: str, model_digest: str) -> LoggedModel:
    run = client.get_run(run_id)
    return client.create_logged_model(
        run.info.experiment_id, MODEL_NAME, run_id, {tags.MODEL_DIGEST: model_digest}, dict(run.data.params)
    )


def _fill(client: MlflowClient, run_id: str, model: LoggedModel, folder: Path) -> None:
    """The model has its files, and the run says that it has made it."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    outputs = client.get_run(run_id).outputs
    known = [output.model_id for output in outputs.model_outputs] if outputs is not None else []
    if model.model_id not in known:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    if model.status == LoggedModelStatus.READY and _has_files(client, model):
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
        path = Path(temporary) / MODEL_NAME
        _save_model(path, model, run_id, folder)
        if (folder / CARD_FILE).is_file():
            # where people look first
            shutil.copyfile(folder / CARD_FILE, path / CARD_FILE)
        client.log_model_artifacts(model.model_id, str(path))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _has_files(client: MlflowClient, model: LoggedModel) -> bool:
    return any(file.path == "MLmodel" for file in client.list_logged_model_artifacts(model.model_id))


def _save_model(path: Path, model: LoggedModel, run_id: str, folder: Path) -> None:
    import mlflow
    from mlflow.models import Model

    # its network was read back when it was written
    bundle = read_content(read_folder(folder), folder)
    columns = [column.name for column in bundle.schema.columns]
    with _requirements_as_they_are():
        mlflow.pyfunc.save_model(
            path,
            mlflow_model=Model(
                artifact_path=model.artifact_location, run_id=run_id, model_uuid=model.model_id, model_id=model.model_id
            ),
            loader_module="orchestrator.bundle.pyfunc",
            data_path=str(folder),
            signature=signature_of(bundle.schema),
            input_example=pd.DataFrame(bundle.example["rows"], columns=columns),
            pip_requirements=[f"{package}=={installed_version(package)}" for package in REQUIRED_PACKAGES],
            metadata={"metrics": dict(bundle.metrics), "columns": kinds_of(bundle.schema)},
        )


@contextmanager
def _requirements_as_they_are() -> Iterator[None]:
    """MLflow compares what a model requires with what is installed, and lists the files of all packages for it.

    That takes a second, and what our models require is what is installed.
    """
    from mlflow.utils import requirements_utils

    before = requirements_utils._MODULES_TO_PACKAGES
    requirements_utils._MODULES_TO_PACKAGES = {}
    try:
        yield
    finally:
        requirements_utils._MODULES_TO_PACKAGES = before


def _create_registered(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise


@contextmanager
def fluent_store(tracking_uri: str) -> Iterator[None]:
    """MLflow looks up the files of a new version in the process-wide store: points that to ours for a moment.

    MLflow also writes it to the environment, which processes started later would inherit: both are put back.
    """
    import mlflow

    # what the variable says is not MLflow's own setting, which would stay when the variable changes
    variable = os.environ.pop(TRACKING_VARIABLE, None)
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop(TRACKING_VARIABLE, None)
        if variable is not None:
            os.environ[TRACKING_VARIABLE] = variable


def kinds_of(schema: Schema) -> dict[str, str]:
    """What each column holds, in our words: number, category, boolean or date."""
    return {column.name: column.kind.value for column in schema.columns}


def signature_of(schema: Schema) -> ModelSignature:
    """The model's inputs and outputs in MLflow's types.

    Inputs are `any`, because each of MLflow's types refuses data frames that the bundle accepts: `double` a column of
    64-bit integers, and `string`, `boolean` and `datetime` one in which all values are missing (pandas then holds
    floats). The bundle itself checks the values. What the columns hold is in the model's metadata, see `kinds_of`.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType
    from mlflow.types import Schema as MlflowSchema
    from mlflow.types.schema import AnyType

    inputs = [ColSpec(AnyType(), column.name) for column in schema.columns]
    kinds = {bool: DataType.boolean, int: DataType.long, str: DataType.string, float: DataType.double}
    outputs = [ColSpec(kinds[column.type], name) for column in schema.target.task.answers for name in column.flat_names]
    return ModelSignature(MlflowSchema(inputs), MlflowSchema(outputs))
