"""Whether what a network gave is what its bundle says. Imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BundleError


def check_outputs(found: object, rows: int, width: int) -> NDArray[np.float32]:
    """What a network gave for some rows.

    Raises:
        BundleError: it is not float32 [rows, width].
    """
    if not isinstance(found, np.ndarray) or found.dtype != np.float32 or found.shape != (rows, width):
        raise BundleError(
            f"the model's network does not give the {width} outputs for each row that its schema.json asks for"
        )
    return found
