"""What networks say about the rows of a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from orchestrator.data import Dataset, Examples
from orchestrator.networks import inputs_taken
from orchestrator.training import EVALUATION_BATCH, Batch, network_answers


@dataclass(frozen=True)
class Answers:
    """What a network says about the rows of a part, beside what is true.

    Attributes:
        outputs: of the network, float32 [rows, outputs].
        target: class numbers or standardised values, [rows].
        weight: what each row counts, float64 [rows]; None if all count the same.
    """

    outputs: NDArray[np.float32]
    target: NDArray[Any]
    weight: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, network: nn.Module, rows: Iterable[Examples]) -> Answers:
        """Of all chunks of rows, on the CPU."""

        def batches() -> Iterator[Batch]:
            for part in rows:
                names = inputs_taken(network, part.inputs.arrays.keys())
                yield from Batch.of(part, names, "cpu").split(EVALUATION_BATCH)

        return cls(*network_answers(network, batches()))


def validation_answers(network: nn.Module, dataset: Dataset, rows: Iterable[Examples]) -> Answers:
    """What the network of a trial says about the rows that are validated on.

    With folds each row is answered by the network of its fold, which has not seen it.

    Args:
        network: see `trial_network`.
        dataset: of the trial.
        rows: the validation part in chunks.
    """
    if not dataset.folds:
        return Answers.of(network, rows)
    validated, first = Examples.joined(list(rows)), dataset.folds[0].validation[0]
    members: list[nn.Module] = list(network.members)  # type: ignore[arg-type]
    outputs = [
        Answers.of(member, [validated.between(fold.validation[0] - first, fold.validation[1] - first)]).outputs
        for member, fold in zip(members, dataset.folds, strict=True)
    ]
    return Answers(np.concatenate(outputs), validated.target, validated.weight)
