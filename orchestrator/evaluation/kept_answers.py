"""What the winner of a sweep says about test rows, in a small file in the sweep's folder, for its report."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import RowNumbers, Schema
from orchestrator.evaluation.kept_files import read_kept
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import ANSWERS_FILE
from orchestrator.tasks import Predictions, Target, TargetEncoder

# of more test rows so many, evenly spaced, are kept, and fewer with many outputs
MOST_ROWS, MOST_NUMBERS = 10_000, 1_000_000


@dataclass(frozen=True, kw_only=True)
class KeptAnswers:
    """A model's answers to test rows.

    Attributes:
        target: what is predicted.
        encoder: of the target, as it is in the bundle.
        total: how many test rows there are.
        rows: which of them these are, int64 [rows], from 0.
        outputs: of the network, float32 [rows, outputs].
        truth: encoded, [rows].
        weight: what each row counts, float64 [rows]; None if all count the same.
        numbers: where they are in the data; None if that is not known.
    """

    target: Target
    encoder: TargetEncoder
    total: int
    rows: NDArray[np.int64]
    outputs: NDArray[np.float32]
    truth: NDArray[Any]
    weight: NDArray[np.float64] | None = None
    numbers: RowNumbers | None = None

    @classmethod
    def of(
        cls,
        target: Target,
        encoder: TargetEncoder,
        outputs: NDArray[np.float32],
        truth: NDArray[Any],
        weight: NDArray[np.float64] | None,
        *,
        numbers: RowNumbers | None = None,
    ) -> KeptAnswers:
        """Of all test rows, at most as many as may be kept."""
        most = max(1, min(MOST_ROWS, MOST_NUMBERS // max(1, outputs.shape[1])))
        total = len(truth)
        rows = np.arange(total) if total <= most else np.linspace(0, total - 1, most).astype(np.int64)
        return cls(
            target=target,
            encoder=encoder,
            total=total,
            rows=rows,
            outputs=outputs[rows],
            truth=truth[rows],
            weight=None if weight is None else weight[rows],
            numbers=None if numbers is None else numbers.take(rows),
        )

    @property
    def predictions(self) -> Predictions:
        """The answers."""
        return self.target.task.predictions(self.encoder, self.outputs)

    def name_of(self, row: int) -> str:
        """What one of the rows is called."""
        return f"test row {self.rows[row]}" if self.numbers is None else self.numbers.name_of(row)

    def packed(self) -> bytes:
        """The content of the file, the inverse of `unpacked`."""
        about = {"schema": Schema((), self.target).to_json(), "encoder": self.encoder.to_json(), "total": self.total}
        arrays: dict[str, NDArray[Any]] = {"rows": self.rows, "outputs": self.outputs, "truth": self.truth}
        if self.weight is not None:
            arrays["weight"] = self.weight
        if self.numbers is not None:
            about["source"], arrays["numbers"] = self.numbers.source, self.numbers.numbers
        file = io.BytesIO()
        arrays["about"] = np.array(json.dumps(about))
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def unpacked(cls, content: bytes) -> KeptAnswers:
        """Reads what `packed` wrote; nothing in it is unpickled.

        Raises:
            ValueError: it was not written by it.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                return cls(
                    target=Schema.from_json(about["schema"]).target,
                    encoder=TargetEncoder.from_json(about["encoder"]),
                    total=int(about["total"]),
                    rows=file["rows"],
                    outputs=file["outputs"],
                    truth=file["truth"],
                    weight=file.get("weight"),
                    # those of before have none
                    numbers=RowNumbers(str(about["source"]), file["numbers"]) if "source" in about else None,
                )
        except (zipfile.BadZipFile, KeyError, TypeError, OSError, EOFError) as error:
            raise ValueError(str(error)) from None


def read_answers(storage: Storage) -> KeptAnswers | None:
    """The answers in the folder of a sweep; None if there are none, as in those of before.

    Raises:
        StorageError: the file is damaged.
    """
    return read_kept(storage, ANSWERS_FILE, KeptAnswers.unpacked)
