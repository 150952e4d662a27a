"""What MLflow is told of a sweep as a whole. It is kept in the sweep's folder: a store that was lost is told again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.data import Dataset
from orchestrator.errors import StorageError
from orchestrator.journal.sealed import seal, unseal
from orchestrator.storage import Storage
from orchestrator.tasks import Metric
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import MAX_PARAMETER_LENGTH, shortened
from orchestrator.tracking.notes import notes_tag

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

FILE = "tracking.json"
MLFLOW_DIGEST_LENGTH = 36
MAX_PROFILE_COLUMNS = 500


@dataclass(frozen=True, kw_only=True)
class Description:
    """The parent run of a sweep; plain JSON.

    Attributes:
        name: of the sweep and its experiment.
        labels: its tags.
        parameters: how the sweep was called.
        dataset: the data set as MLflow shows it: name, digest, source_type, source, schema, profile.
        notes: what was guessed about the data, see `Note.to_json`.
    """

    name: str
    labels: Mapping[str, str]
    parameters: Mapping[str, str]
    dataset: Mapping[str, str]
    notes: Sequence[Mapping[str, str | None]] = ()

    @classmethod
    def of(
        cls, name: str, dataset: Dataset, metric: Metric, parameters: Mapping[str, Any], labels: Mapping[str, str]
    ) -> Description:
        """Of a sweep that is planned.

        Args:
            name: of the sweep.
            dataset: what is trained on.
            metric: what is optimised.
            parameters: how the sweep was called.
            labels: more tags.
        """
        known = {
            tags.KIND: tags.SWEEP_KIND,
            tags.SWEEP_NAME: name,
            tags.DIGEST: dataset.digest,
            tags.MAXIMIZE: str(metric.maximize).lower(),
            **notes_tag(dataset.notes),
        }
        values = {"metric": metric.name, **parameters}
        return cls(
            name=name,
            labels=known | dict(labels),
            # what is empty says nothing, on pages where each parameter is a column
            parameters={
                key: shortened(str(value), MAX_PARAMETER_LENGTH) for key, value in values.items() if value != []
            },
            dataset=_facts(dataset),
            notes=[note.to_json() for note in dataset.notes],
        )

    @property
    def input(self) -> DatasetInput:
        """The data set as an input of runs."""
        return _input(self.dataset)

    def save(self, storage: Storage) -> None:
        """Writes it into the folder of the sweep.

        Raises:
            StorageError: it could not be written.
        """
        storage.write(FILE, seal(asdict(self)))

    @classmethod
    def read(cls, storage: Storage) -> Description | None:
        """What `save` wrote; None if it is not there (older versions wrote none) or damaged."""
        try:
            return cls(**unseal(storage.read(FILE)))
        except (StorageError, ValueError, TypeError):
            return None


def dataset_input(dataset: Dataset) -> DatasetInput:
    """The data set as MLflow shows it."""
    return _input(_facts(dataset))


def _input(facts: Mapping[str, str]) -> DatasetInput:
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    return DatasetInput(MlflowDataset(**facts), [InputTag("mlflow.data.context", "training")])


def _facts(dataset: Dataset) -> dict[str, str]:
    columns = [
        {"type": column.kind.value, "name": column.name, "required": True}
        for column in dataset.schema.columns[:MAX_PROFILE_COLUMNS]
    ]
    facts = plain_facts(dataset.name, dataset.digest, dataset.origin)
    rows = dict(zip(("train", "validation", "test"), dataset.counts, strict=True))
    return facts | {
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps({"num_rows": sum(rows.values()), **rows}),
    }


def plain_facts(name: str, digest: str, origin: str) -> dict[str, str]:
    """A data set of which no more is known."""
    return {
        "name": name,
        "digest": digest[:MLFLOW_DIGEST_LENGTH],
        "source_type": "local",
        "source": json.dumps({"uri": origin}),
    }
