"""Where the processes of a sweep get rows from: from memory, or from files that the cluster reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.data import Dataset, Examples, Part
from orchestrator.training import Ranks


def rows_on_cluster(dataset: Dataset, part: Part) -> Iterable[Examples]:
    """All rows of a part in chunks; what has to be read is read by the cluster's processes.

    Raises:
        OrchestratorError: a piece could not be read.
    """
    if dataset.pieces is None:
        return dataset.rows(part)
    from orchestrator.runtime.streaming.tasks import encoded_part, fetch

    return fetch(encoded_part(dataset.pieces, part))


def validation_references(dataset: Dataset) -> tuple[Any, ...]:
    """References to the validation rows, if they have to be read: all trials use the same."""
    if dataset.pieces is None:
        return ()
    from orchestrator.runtime.streaming.tasks import encoded_part

    return tuple(encoded_part(dataset.pieces, Part.VALIDATION))


def open_stream(dataset: Dataset, readers: int, validation: Sequence[Any], ranks: Ranks) -> dict[str, Any]:
    """What the training function gets besides, if rows have to be read: `stream`.

    Of several workers, the first one starts the stream for all.
    """
    pieces = dataset.pieces
    if pieces is None:
        return {}
    from orchestrator.runtime.streaming.ray_data import RayStream, split_training_rows

    splits = ranks.on_first(lambda: split_training_rows(dataset, pieces, ranks.size, readers))
    return {"stream": RayStream(dataset, splits[ranks.rank], validation, ranks.rank, ranks.size)}
