"""ModelBundle: a trained network with all that is needed to use it, as plain data in a folder.

schema.json    columns, target, classes
encoder.json   what was fitted on training rows
metrics.json   how good it is, and on which data
example.json   a few input rows and the answers to them
network.pt2    the network, exported by torch.export with a dynamic batch size
distribution.json   the training rows in bins, to see later whether requests look like them; older bundles lack it
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
from orchestrator.data import (
    AnyDataset,
    Dataset,
    Distribution,
    Examples,
    FeatureEncoder,
    PartName,
    Schema,
    TargetEncoder,
)
from orchestrator.data.answers import Predictions, predictions
from orchestrator.errors import BundleError

FORMAT = 1
FILES = ("schema.json", "encoder.json", "metrics.json", "example.json", "network.pt2")
DISTRIBUTION_FILE = "distribution.json"
DISTRIBUTION_ROWS = 100_000


@dataclass(frozen=True)
class ModelBundle:
    """A model ready to answer.

    Attributes:
        schema, encoder, target_encoder: see `orchestrator.data`.
        metrics: JSON about its quality: metric name, validation and test figures, data digest, trial.
        example: JSON rows and the answers to them.
        network: (numeric float32 [batch, width], categorical int64 [batch, columns]) -> float32 [batch, outputs].
        distribution: of the training rows; None in bundles of older versions.
    """

    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    example: Mapping[str, Any]
    network: nn.Module
    distribution: Distribution | None = None

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
        return predictions(self.schema, self.target_encoder, self.outputs(frame))

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
            if self.distribution is not None:
                _write_json(temporary / DISTRIBUTION_FILE, self.distribution.to_json())
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
        strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in (*FILES, DISTRIBUTION_FILE))
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
        distribution = _read_distribution(folder, encoder)
        network = load_network(folder / "network.pt2")
        return cls(
            schema, encoder, target_encoder, content["metrics.json"], content["example.json"], network, distribution
        )


def make_bundle(network: nn.Module, dataset: AnyDataset, metrics: Mapping[str, Any]) -> ModelBundle:
    """A bundle of a trained network (on the CPU), with its answers to the data set's example rows."""
    network = network.cpu().eval()
    bare = ModelBundle(dataset.schema, dataset.encoder, dataset.target_encoder, metrics, {}, network)
    rows = list(dataset.example)
    example = {"rows": rows, "answers": bare.answer(pd.DataFrame(rows)).records(dataset.schema)}
    seen = _training_rows(dataset)
    distribution = Distribution.of(dataset.schema, dataset.encoder, seen.numeric, seen.categorical)
    return ModelBundle(dataset.schema, dataset.encoder, dataset.target_encoder, metrics, example, network, distribution)


def _training_rows(dataset: AnyDataset) -> Examples:
    """All training rows; of a folder, pieces in random order until there are 100,000."""
    if isinstance(dataset, Dataset):
        return dataset.train
    parts = [dataset.no_rows()]
    # files are often sorted by date
    for number in np.random.default_rng(dataset.split_seed).permutation(len(dataset.folder.pieces)):
        if sum(map(len, parts)) >= DISTRIBUTION_ROWS:
            break
        parts.append(dataset.read(int(number), PartName.TRAIN))
    return Examples.joined(parts).between(0, DISTRIBUTION_ROWS)


def _read_distribution(folder: Path, encoder: FeatureEncoder) -> Distribution | None:
    path = folder / DISTRIBUTION_FILE
    if not path.exists():
        return None
    try:
        distribution = Distribution.from_json(_read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path}: damaged ({error!r})") from error
    if not distribution.fits(encoder):
        raise BundleError(f"{path}: is about other columns than encoder.json; it was not loaded")
    return distribution


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
