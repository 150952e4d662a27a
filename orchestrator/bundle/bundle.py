"""ModelBundle: a trained network with all that is needed to use it, as plain data in a folder.

schema.json    columns, target, classes
encoder.json   what was fitted on training rows
metrics.json   how good it is, and on which data
example.json   a few input rows and the answers to them
network.pt2    the network, exported by torch.export with a dynamic batch size
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from orchestrator.bundle.archive import export_network, load_network
from orchestrator.data import AnyDataset, FeatureEncoder, Label, Schema, TargetEncoder
from orchestrator.errors import BundleError
from orchestrator.training import probabilities, values

FORMAT = 1
FILES = ("schema.json", "encoder.json", "metrics.json", "example.json", "network.pt2")
LABEL_COLUMN = "label"
VALUE_COLUMN = "value"


@dataclass(frozen=True)
class Predictions:
    """Answers to some rows, in their order.

    Attributes:
        labels: one class label per row; empty for regression.
        probabilities: float64 [rows, classes]; [rows, 0] for regression.
        values: float64 [rows] in the target's unit; empty for classification.
    """

    labels: list[Label]
    probabilities: NDArray[np.float64]
    values: NDArray[np.float64]

    def frame(self, schema: Schema, index: pd.Index | None = None) -> pd.DataFrame:
        """`label` and one `probability_<class>` column per class, or `value`; one row per row."""
        if not schema.target.task.is_classification:
            return pd.DataFrame({VALUE_COLUMN: self.values}, index=index)
        columns: dict[str, Any] = {LABEL_COLUMN: pd.Series(self.labels, index=index)}
        for position, label in enumerate(schema.target.classes):
            columns[f"probability_{label}"] = self.probabilities[:, position]
        return pd.DataFrame(columns, index=index)

    def records(self, schema: Schema) -> list[dict[str, Any]]:
        """One JSON object per row: label and probabilities by class, or value."""
        if not schema.target.task.is_classification:
            return [{VALUE_COLUMN: value} for value in self.values.tolist()]
        names = [str(label) for label in schema.target.classes]
        return [
            {LABEL_COLUMN: label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in zip(self.labels, self.probabilities.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class ModelBundle:
    """A model ready to answer.

    Attributes:
        schema, encoder, target_encoder: see `orchestrator.data`.
        metrics: JSON about its quality: metric name, validation and test figures, data digest, trial.
        example: JSON rows and the answers to them.
        network: (numeric float32 [batch, width], categorical int64 [batch, columns]) -> float32 [batch, outputs].
    """

    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    example: Mapping[str, Any]
    network: nn.Module

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answers as a data frame with the index of `frame`.

        Returns:
            Classification: `label` and one `probability_<class>` column per class. Regression: `value`.

        Raises:
            InvalidValueError: a column is missing or a value does not fit its column.
        """
        return self.answer(frame).frame(self.schema, frame.index)

    def answer(self, frame: pd.DataFrame) -> Predictions:
        """Answers as plain lists and arrays; see `predict`."""
        outputs = self.outputs(frame)
        task = self.schema.target.task
        if not task.is_classification:
            return Predictions([], np.empty((len(frame), 0)), values(self.target_encoder, outputs))
        shares = probabilities(task, outputs)
        classes = self.schema.target.classes
        return Predictions([classes[code] for code in shares.argmax(axis=1)], shares, np.empty(0))

    def outputs(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """What the network computes: logits, or the standardised value; float32 [rows, outputs]."""
        numeric, categorical = self.encoder.transform(self.schema, frame)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = self.network(
                torch.from_numpy(numeric), torch.from_numpy(categorical)
            ).numpy()
        return outputs

    def description(self) -> dict[str, Any]:
        """JSON for people and programs that want to call the model: columns, kinds, categories, target, example."""
        categories = {feature.column: feature.categories for feature in self.encoder.categorical}
        example = self.example["rows"][0] if self.example.get("rows") else {}
        columns = [
            {
                "name": column.name,
                "kind": column.kind.value,
                "example": example.get(column.name),
                **({"categories": list(categories[column.name])} if column.name in categories else {}),
            }
            for column in self.schema.columns
        ]
        target = {
            "name": self.schema.target.name,
            "task": self.schema.target.task.value,
            "classes": list(self.schema.target.classes),
        }
        return {"columns": columns, "target": target, "metrics": dict(self.metrics)}

    def save(self, path: Path) -> None:
        """Writes the bundle's folder; it is there complete or not at all.

        Raises:
            BundleError: the folder exists and is not empty.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BundleError(f"{path}: exists and is not an empty folder; choose another name or remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            encoder = {"features": self.encoder.to_json(), "target": asdict(self.target_encoder)}
            _write_json(temporary / "schema.json", {"format": FORMAT, **self.schema.to_json()})
            _write_json(temporary / "encoder.json", encoder)
            _write_json(temporary / "metrics.json", self.metrics)
            _write_json(temporary / "example.json", self.example)
            export_network(
                self.network, self.encoder.numeric_width, len(self.encoder.cardinalities), temporary / "network.pt2"
            )
            temporary.chmod(0o755)
            if path.exists():
                path.rmdir()
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def load(cls, path: Path | str) -> ModelBundle:
        """Reads a bundle. Nothing in it is executed or unpickled; what would need that is refused.

        Raises:
            BundleError: not a bundle, damaged, of another format, or with content that is not plain data.
        """
        folder = Path(path)
        for name in FILES:
            if not (folder / name).is_file():
                raise BundleError(f"{folder}: not a model bundle, {name} is missing")
        strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in FILES)
        if strangers:
            raise BundleError(f"{folder}: {strangers[0]} does not belong in a model bundle; it was not loaded")
        content = {name: _read_json(folder / name) for name in FILES if name.endswith(".json")}
        if content["schema.json"].get("format") != FORMAT:
            found = content["schema.json"].get("format")
            raise BundleError(f"{folder}: the bundle's format is {found!r}, this version reads {FORMAT}")
        try:
            schema = Schema.from_json(content["schema.json"])
            encoder = FeatureEncoder.from_json(content["encoder.json"]["features"])
            target_encoder = TargetEncoder(**content["encoder.json"]["target"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{folder}: schema.json or encoder.json is damaged ({error!r})") from error
        network = load_network(folder / "network.pt2")
        return cls(schema, encoder, target_encoder, content["metrics.json"], content["example.json"], network)


def make_bundle(network: nn.Module, dataset: AnyDataset, metrics: Mapping[str, Any]) -> ModelBundle:
    """A bundle of a trained network (on the CPU), with its answers to the data set's example rows."""
    network = network.cpu().eval()
    bare = ModelBundle(dataset.schema, dataset.encoder, dataset.target_encoder, metrics, {}, network)
    rows = list(dataset.example)
    example = {"rows": rows, "answers": bare.answer(pd.DataFrame(rows)).records(dataset.schema)}
    return ModelBundle(dataset.schema, dataset.encoder, dataset.target_encoder, metrics, example, network)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path}: must hold a JSON object")
    return content
