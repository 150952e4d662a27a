"""ModelBundle: a trained network with all that is needed to use it, as plain data in a folder.

schema.json    columns, target, classes
encoder.json   what was fitted on training rows
metrics.json   how good it is, and on which data
example.json   a few input rows and the answers to them
network.pt2    the network, exported by torch.export with a dynamic batch size
distribution.json   the training rows in bins, to see later whether requests look like them; older bundles lack it
notes.json     what was guessed about the data, if anything was
background.json   some training rows that explanations compare others with, unless the user keeps them back
model_card.md     what people should know of it, of the winner of a sweep
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from orchestrator.bundle.archive import computed, export_network, load_program, module_of
from orchestrator.bundle.content import BundleContent, read_content, specs_of
from orchestrator.bundle.cores import on_all_cores
from orchestrator.bundle.explaining import Explaining
from orchestrator.bundle.files import NETWORK_FILE, read_folder, write_folder
from orchestrator.columns.notes import Note
from orchestrator.data import (
    Background,
    Dataset,
    Distribution,
    FeatureEncoder,
    Schema,
)
from orchestrator.data.given_rows import Rows, given_rows
from orchestrator.errors import BundleError
from orchestrator.networks import inputs_taken
from orchestrator.tasks import Predictions, TargetEncoder

if TYPE_CHECKING:
    from orchestrator.explanations import ExplainedModel

DISTRIBUTION_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class ModelBundle(Explaining):
    """A model ready to answer.

    Attributes:
        schema, encoder, target_encoder: see `orchestrator.data`.
        metrics: JSON about its quality: metric name, validation and test figures, data digest, trial.
        example: JSON rows and the answers to them.
        inputs: names of those that the network takes, in the order of its arguments.
        network: inputs -> float32 [rows, outputs].
        distribution: of the training rows; None in bundles of older versions.
        notes: what was guessed about the data.
        background: some training rows; None in bundles of older versions, or if the user keeps them back.
        card: the model card, Markdown; empty of what no sweep has made, and in bundles of older versions.
    """

    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    example: Mapping[str, Any]
    inputs: tuple[str, ...]
    network: nn.Module
    distribution: Distribution | None = None
    notes: tuple[Note, ...] = ()
    background: Background | None = None
    card: str = ""

    def predict(self, frame: Rows) -> pd.DataFrame:
        """Answers as a data frame, with the index of the rows.

        Args:
            frame: a data frame, a list of dicts, a dict of lists, or an array of 2 dimensions, whose cells are those of
                the model's columns in their order.

        Returns:
            The task's columns, see `Task.answers`: `label` and one `probability_<class>` per class, or `value`.

        Raises:
            InvalidValueError: a column is missing or a value does not fit its column.
            UnansweredError: the network computes no number for a row.
            BundleError: the network fails or gives something else.
        """
        rows = given_rows(frame, self.schema.names)
        answers = self.answer(rows)
        answers.check_finite()
        return answers.frame(rows.index)

    def answer(self, frame: Rows) -> Predictions:
        """Answers as plain lists and arrays; see `predict`."""
        return self.schema.target.task.predictions(self.target_encoder, self.outputs(frame))

    def outputs(self, frame: Rows) -> NDArray[np.float32]:
        """What the network computes: logits, or the standardised value; float32 [rows, outputs].

        Raises:
            InvalidValueError: see `predict`.
            BundleError: the network fails or gives something else.
        """
        inputs = self.encoder.transform(self.schema, given_rows(frame, self.schema.names))
        return computed(self.network, [inputs[name] for name in self.inputs], self.schema.outputs)

    @property
    def explained(self) -> ExplainedModel:
        """See `Explaining`."""
        from orchestrator.explanations import ExplainedModel

        return ExplainedModel(
            schema=self.schema,
            encoder=self.encoder,
            target_encoder=self.target_encoder,
            network=lambda inputs: computed(self.network, [inputs[name] for name in self.inputs], self.schema.outputs),
            each=on_all_cores,
            background=self.background,
            metric=self.metrics.get("metric"),
        )

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
        return {"columns": columns, "target": self.schema.target.to_json(), "metrics": dict(self.metrics)}

    def save(self, path: Path | str) -> None:
        """Writes the bundle's folder; it is there complete or not at all.

        Raises:
            BundleError: the folder exists and is not empty, or a file would be larger than `load` reads.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BundleError(f"{path}: exists and is not an empty folder; choose another name or remove it")
        files = self.content.render()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            write_folder(files, temporary)
            export_network(self.network, specs_of(self.encoder, self.inputs), temporary / NETWORK_FILE)
            temporary.chmod(0o755)
            if path.exists():
                path.rmdir()
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @property
    def content(self) -> BundleContent:
        """All but the network."""
        return BundleContent(
            schema=self.schema,
            encoder=self.encoder,
            target_encoder=self.target_encoder,
            metrics=self.metrics,
            example=self.example,
            inputs=self.inputs,
            distribution=self.distribution,
            notes=self.notes,
            background=self.background,
            card=self.card,
        )

    @classmethod
    def load(cls, path: Path | str) -> ModelBundle:
        """Reads a bundle. Nothing in it is executed or unpickled; what would need that is refused.

        Raises:
            BundleError: not a bundle, damaged, of another format, or with content that is not plain data.
        """
        return cls.of_files(read_folder(Path(path)), Path(path))

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], folder: Path) -> ModelBundle:
        """A bundle whose files were read by `read_folder`; `folder` is named in the sentence of an error.

        Raises:
            BundleError: see `load`.
        """
        return ReadBundle.of(files, folder).bundle


@dataclass(frozen=True)
class ReadBundle:
    """A bundle as it was read, for those who go on with its parts: each is checked and parsed once.

    Attributes:
        files: by name, as `read_folder` gave them.
        program: its network, as it was exported.
        bundle: made of both.
    """

    files: Mapping[str, bytes]
    program: ExportedProgram
    bundle: ModelBundle

    @classmethod
    def of(cls, files: Mapping[str, bytes], folder: Path) -> ReadBundle:
        """See `ModelBundle.of_files`."""
        content = read_content(files, folder)
        where = f"{folder / NETWORK_FILE}"
        program = load_program(files[NETWORK_FILE], where)
        bundle = ModelBundle(
            schema=content.schema,
            encoder=content.encoder,
            target_encoder=content.target_encoder,
            metrics=content.metrics,
            example=content.example,
            inputs=content.inputs,
            network=module_of(program, where),
            distribution=content.distribution,
            notes=content.notes,
            background=content.background,
            card=content.card,
        )
        return cls(files, program, bundle)


def make_bundle(
    network: nn.Module, dataset: Dataset, metrics: Mapping[str, Any], target_encoder: TargetEncoder | None = None
) -> ModelBundle:
    """A bundle of a trained network (on the CPU), with its answers to the data set's example rows.

    Args:
        network: with its best weights.
        dataset: that it was trained on.
        metrics: see `ModelBundle`.
        target_encoder: with what was decided after training; that of the data set if left out.
    """
    network = network.cpu().eval()
    names = inputs_taken(network, [spec.name for spec in dataset.encoder.inputs])
    bare = ModelBundle(
        schema=dataset.schema,
        encoder=dataset.encoder,
        target_encoder=target_encoder or dataset.target_encoder,
        metrics=metrics,
        example={},
        inputs=names,
        network=network,
        notes=dataset.notes,
        background=dataset.background,
    )
    rows = list(dataset.example)
    example = {"rows": rows, "answers": bare.answer(pd.DataFrame(rows)).records()}
    seen = dataset.some_training_rows(DISTRIBUTION_ROWS)
    distribution = Distribution.of(dataset.schema, dataset.encoder, seen.inputs)
    return replace(bare, example=example, distribution=distribution)
