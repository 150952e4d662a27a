"""The classes of a classifier, and the labels that stand for them in the table of a sweep and in its bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.values import is_missing

if TYPE_CHECKING:
    from orchestrator.bundle import ModelBundle


def labels_of(classes: NDArray[Any]) -> NDArray[Any]:
    """A label for each class: itself, or its number where a reader of tables would take two of them for one.

    Args:
        classes: sorted, [classes].
    """
    if classes.dtype.kind in "biu":
        return classes
    if classes.dtype.kind == "f" and (classes == np.floor(classes)).all():
        return classes.astype(np.int64)
    texts = [str(label) for label in classes]
    read = {" ".join(text.split()).casefold() for text in texts}
    if len(read) < len(texts) or any(map(is_missing, texts)) or any(map(_is_number, texts)):
        return np.arange(len(classes))
    return np.array(texts, dtype=object)


def places_of(labels: NDArray[Any], bundle: ModelBundle) -> NDArray[np.int64]:
    """Where the bundle has each of the labels among its own: int64 [classes]."""
    places: NDArray[np.int64] = bundle.schema.target.task.encode(bundle.target_encoder, pd.Series(labels)).astype(
        np.int64
    )
    return places


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
