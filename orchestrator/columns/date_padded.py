"""Dates of a plain format that have all of their digits: read without a look at each alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_texts import DateOrder, read_texts
from orchestrator.columns.digit_layouts import normalised

ISO = "ISO8601"
# in the place of a moment, as numpy has it
MISSING = np.iinfo(np.int64).min
# so written, every reader of dates means the same
DIRECTIVES = {
    "%Y": "[12][0-9]{3}",
    "%m": "(?:0[1-9]|1[0-2])",
    "%d": "(?:0[1-9]|[12][0-9]|3[01])",
    "%H": "(?:[01][0-9]|2[0-3])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
}
ORDERS = {"%d": DateOrder.DAY, "%m": DateOrder.MONTH}


def padded_moments(texts: pa.Array, datetime_format: str) -> NDArray[np.int64] | None:
    """Microseconds since 1970 of texts, `MISSING` of those without a letter; None if one is written otherwise.

    Args:
        texts: distinct ones.
        datetime_format: of `strptime`, or `ISO8601`.
    """
    pattern = "%Y-%m-%d(?:[ T]%H:%M:%S)?" if datetime_format == ISO else datetime_format.replace(".", "[.]")
    for directive, digits in DIRECTIVES.items():
        pattern = pattern.replace(directive, digits)
    if "%" in pattern or not len(texts) or not pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})?$")).as_py():
        return None
    moments = read_texts(normalised(texts), ORDERS.get(datetime_format[:2]))
    empty = np.asarray(pc.equal(texts, "").to_numpy(zero_copy_only=False), bool)
    return np.where(empty, MISSING, moments.utc) if (moments.read | empty).all() else None
