"""Days that Excel counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# of the years 1954 to 2064
SERIAL, SERIALS, SERIAL_EPOCH = r"^[0-9]{5}(?:\.[0-9]{1,12})?$", (20_000, 60_000), 25_569


def read_serials(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days that Excel counts, in microseconds since 1970, and which texts are such numbers."""
    like = pc.match_substring_regex(texts, SERIAL)
    numbers = pc.if_else(like, texts, "0").cast(pa.float64()).to_numpy(zero_copy_only=False)
    found = (numbers >= SERIALS[0]) & (numbers <= SERIALS[1])
    # they are rounded to seconds
    seconds = np.rint((np.where(found, numbers, SERIAL_EPOCH) - SERIAL_EPOCH) * 86_400)
    return seconds.astype(np.int64) * 1_000_000, found
