"""A model as replicas use it: a bundle prepared once by the endpoint's process, loaded without torch if possible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.bundle.content import read_content, specs_of
from orchestrator.bundle.engines import TORCH_FILE, Execution, Network, choose, load
from orchestrator.bundle.explaining import Explaining
from orchestrator.bundle.files import LIMITS, MIB, parse_json, read_file, write_folder
from orchestrator.data import Background, FeatureEncoder, Schema
from orchestrator.data.columnar import ColumnarEncoder, Columns
from orchestrator.data.distribution import Distribution
from orchestrator.errors import BundleError, InvalidRequestError, UnansweredError
from orchestrator.inputs import Inputs
from orchestrator.tasks import Predictions, TargetEncoder

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.bundle import ReadBundle
    from orchestrator.explanations import ExplainedModel

PREPARED_FILE = "prepared.json"
MAX_PREPARED = 64 * MIB


@dataclass(frozen=True, kw_only=True)
class PreparedModel(Explaining):
    """A model ready to answer requests.

    Attributes:
        schema, target_encoder, metrics, example: of its bundle.
        description: JSON for those who want to call it, see `ModelBundle.description`.
        encoder: columns of JSON values to the network's inputs.
        features: what they were fitted to.
        distribution: of the training rows, or None for a bundle that has none.
        execution: how it is computed.
        network: inputs -> float32 [rows, outputs].
        background: some training rows, or None for a bundle that has none.
    """

    schema: Schema
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    example: Mapping[str, Any]
    description: Mapping[str, Any]
    encoder: ColumnarEncoder
    features: FeatureEncoder
    distribution: Distribution | None
    execution: Execution
    network: Network
    background: Background | None = None

    @property
    def explained(self) -> ExplainedModel:
        """See `Explaining`."""
        from orchestrator.explanations import ExplainedModel

        return ExplainedModel(
            schema=self.schema,
            encoder=self.features,
            target_encoder=self.target_encoder,
            network=self.network,
            background=self.background,
            metric=self.metrics.get("metric"),
        )

    def encode(self, columns: Columns, rows: int) -> Inputs:
        """The network's inputs; raises InvalidValueError for a value that does not fit its column."""
        return self.encoder.encode(columns, rows)

    def answer(self, frame: pd.DataFrame) -> Predictions:
        """Answers to the rows of a table, as `ModelBundle.answer` gives them.

        Raises:
            DataError: the table lacks a column, or a value does not fit its column.
            UnansweredError: an output is not a number.
        """
        outputs = self.network(self.encoder.transform(frame))
        answers = self.schema.target.task.predictions(self.target_encoder, outputs)
        answers.check_finite()
        return answers

    def answers(self, outputs: NDArray[np.float32]) -> Predictions:
        """What the outputs of a request's rows say.

        Raises:
            InvalidRequestError: an output is not a number, because inputs were too large.
        """
        answers = self.schema.target.task.predictions(self.target_encoder, outputs)
        try:
            answers.check_finite()
        except UnansweredError as error:
            raise InvalidRequestError(str(error), error.row) from None
        return answers


def prepare(read: ReadBundle, folder: Path, execution: str = "auto") -> Execution:
    """Writes a bundle's files again and decides how its network is computed.

    Args:
        read: the bundle. What is written are the bytes that were checked, for its folder may have changed.
        folder: where replicas find it; it must not exist. It is made for this user alone.
        execution: `auto`, `torch` or `onnxruntime`.

    Raises:
        BundleError: its network gives no answers.
        ServingError: the execution is not possible.
    """
    folder.mkdir(mode=0o700)
    write_folder(read.files, folder)
    bundle = read.bundle
    chosen = choose(read.program, folder, specs_of(bundle.encoder, bundle.inputs), bundle.schema.outputs, execution)
    if chosen.name != "torch":
        (folder / TORCH_FILE).unlink()
    content = {"execution": chosen.to_json(), "description": bundle.description()}
    (folder / PREPARED_FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return chosen


def load_prepared(folder: Path) -> PreparedModel:
    """Reads what `prepare` wrote. The network is checked again; network.onnx, which `prepare` made of a checked network
    in a folder that is private, is trusted.

    Raises:
        BundleError: it is not there or damaged.
    """
    try:
        names = [name for name in LIMITS if name.endswith(".json") and (folder / name).exists()]
        files = {name: read_file(folder / name, LIMITS[name]) for name in names}
        content = read_content(files, folder)
        prepared = parse_json(read_file(folder / PREPARED_FILE, MAX_PREPARED), PREPARED_FILE)
        execution = Execution(**prepared["execution"])
        return PreparedModel(
            schema=content.schema,
            target_encoder=content.target_encoder,
            metrics=content.metrics,
            example=content.example,
            description=prepared["description"],
            encoder=ColumnarEncoder(content.schema, content.encoder),
            features=content.encoder,
            background=content.background,
            distribution=content.distribution,
            execution=execution,
            network=load(folder, execution, content.inputs, content.schema.outputs),
        )
    except Exception as error:  # onnxruntime has kinds of its own, which are not even RuntimeErrors
        reason = str(error) if isinstance(error, BundleError) else repr(error)
        raise BundleError(f"{folder.name}: the prepared model cannot be read ({reason})") from error


def description_of(name: str, version: str, model: PreparedModel) -> dict[str, Any]:
    """What `GET /schema` gives."""
    shown = {"name": name, "version": version or None}
    return {**model.description, "model": shown, "execution": model.execution.to_json()}
