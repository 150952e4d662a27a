"""Registering a winner: the bundle as an MLflow model, how good it is, and whether it becomes the champion."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from orchestrator.bundle import ModelBundle
from orchestrator.data import Schema
from orchestrator.tracking import tags
from orchestrator.tracking.rollout import CHAMPION, promote, read_rollout
from orchestrator.tracking.store import tracked
from orchestrator.training import Metric
from orchestrator.training.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
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


@dataclass(frozen=True)
class Registration:
    """A registered version.

    Attributes:
        name, version: `models:/NAME/VERSION`.
        champion: whether it got the alias `champion`.
        reason: why, or why not, as a sentence.
    """

    name: str
    version: str
    champion: bool
    reason: str

    @property
    def uri(self) -> str:
        """For `orchestrator deploy` and `mlflow.pyfunc.load_model`."""
        return f"models:/{self.name}@{CHAMPION}" if self.champion else f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Figure:
    """How good a version is.

    Attributes:
        metric: by which it was chosen.
        value: of the metric on the test rows.
        digest: of the data set that these are a part of.
    """

    metric: Metric
    value: float
    digest: str


@dataclass(frozen=True)
class Comparison:
    """A figure beside that of the champion.

    Attributes:
        verdict: `incomparable` when they were not measured alike.
        sentence: why it cannot be compared, or both values.
    """

    verdict: Literal["better", "equal", "worse", "incomparable"]
    sentence: str


def register_bundle(
    client: MlflowClient, run_id: str, name: str, folder: Path, metric: Metric, test_value: float, digest: str
) -> Registration:
    """Logs a bundle's folder as a model of a run, registers it, and moves the alias `champion` if it is better.

    Args:
        client: of the store.
        run_id: the winning trial's run.
        name: of the registered model.
        folder: what `ModelBundle.save` wrote.
        metric, test_value, digest: by which it is compared with the present champion.

    Raises:
        TrackingError: the store cannot be used.
    """
    with tracked(client.tracking_uri), _fluent_store(client.tracking_uri):
        version = _log_and_register(run_id, name, folder)
        labels = {tags.METRIC: metric.name, tags.TEST_VALUE: repr(test_value), tags.DIGEST: digest}
        for key, value in labels.items():
            client.set_model_version_tag(name, version, key, value)
        champion, reason = _compare(client, name, version, Figure(metric, test_value, digest))
        if champion:
            promote(client, name, version)
    return Registration(name, version, champion, reason)


def _log_and_register(run_id: str, name: str, folder: Path) -> str:
    import mlflow
    from mlflow.models import Model

    bundle = ModelBundle.load(folder)
    with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what we say ourselves
        info = Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow.pyfunc,
            run_id=run_id,
            registered_model_name=name,
            await_registration_for=60,
            loader_module="orchestrator.bundle.pyfunc",
            data_path=str(folder),
            signature=signature_of(bundle.schema),
            input_example=pd.DataFrame(
                bundle.example["rows"], columns=[column.name for column in bundle.schema.columns]
            ),
            pip_requirements=[f"{package}=={installed_version(package)}" for package in REQUIRED_PACKAGES],
            metadata={"metrics": dict(bundle.metrics)},
        )
    return str(info.registered_model_version)


def read_figure(client: MlflowClient, name: str, version: str) -> Figure | None:
    """What `register_bundle` has noted about a version, None where it was registered by other means."""
    labels = client.get_model_version(name, version).tags
    metric = (CLASSIFICATION_METRICS | REGRESSION_METRICS).get(labels.get(tags.METRIC, ""))
    with contextlib.suppress(ValueError, KeyError):
        value = float(labels[tags.TEST_VALUE])
        if metric is not None and not math.isnan(value):
            return Figure(metric, value, labels[tags.DIGEST])
    return None


def compare(figure: Figure, champion: Figure | None, version: str) -> Comparison:
    """A figure beside that of the champion, whose version is `version`."""
    if champion is None:
        return Comparison("incomparable", f"the present champion, version {version}, has no figure on test rows")
    if champion.digest != figure.digest:
        return Comparison("incomparable", f"the present champion, version {version}, was measured on other data")
    metric = figure.metric
    if champion.metric != metric:
        chosen = f"was chosen by {champion.metric.name}, not by {metric.name}"
        return Comparison("incomparable", f"the present champion, version {version}, {chosen}")
    figures = f"{metric.name} {figure.value:.6g} on the test rows against {champion.value:.6g} of version {version}"
    if figure.value == champion.value:
        return Comparison("equal", figures)
    return Comparison("better" if metric.better(figure.value, champion.value) else "worse", figures)


def _compare(client: MlflowClient, name: str, version: str, figure: Figure) -> tuple[bool, str]:
    """Whether a new version becomes the champion, and why or why not."""
    present = read_rollout(client, name).champion
    if present is None:
        return True, "it is the first champion"
    comparison = compare(figure, read_figure(client, name, present), present)
    if comparison.verdict == "incomparable":
        by_hand = f"to make it the champion: `orchestrator promote {name} {version} --force`"
        return False, f"{comparison.sentence}; {by_hand}"
    if comparison.verdict == "better":
        return True, f"it beats the champion before: {comparison.sentence}"
    return False, f"it does not beat the champion: {comparison.sentence}"


@contextmanager
def _fluent_store(tracking_uri: str) -> Iterator[None]:
    """MLflow's `Model.log` only knows the process-wide store: points that to ours for a moment.

    MLflow also writes it to the environment, which processes started later would inherit: both are put back.
    """
    import mlflow

    variable = os.environ.get(TRACKING_VARIABLE)
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop(TRACKING_VARIABLE, None)
        if variable is not None:
            os.environ[TRACKING_VARIABLE] = variable


def signature_of(schema: Schema) -> ModelSignature:
    """The model's inputs and outputs in MLflow's types.

    Inputs may come as several types (3, 3.0 and "3" are one category; whole numbers may stand in a column of floats),
    which MLflow calls `any`: it refuses to make a double from a 64-bit integer. The bundle itself checks the values.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType
    from mlflow.types import Schema as MlflowSchema
    from mlflow.types.schema import AnyType

    inputs = [ColSpec(AnyType(), column.name) for column in schema.columns]
    classes = schema.target.classes
    outputs: list[Any] = [ColSpec(DataType.double, "value")]
    if schema.target.task.is_classification:
        kinds: dict[type, Any] = {bool: DataType.boolean, int: DataType.long, str: DataType.string}
        outputs = [ColSpec(kinds[type(classes[0])], "label")]
        outputs += [ColSpec(DataType.double, f"probability_{label}") for label in classes]
    return ModelSignature(MlflowSchema(inputs), MlflowSchema(outputs))
