"""Numbers that JSON knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def known(value: Any) -> Any:  # noqa: ANN401
    """The same value, with null for numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): known(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [known(entry) for entry in value]
    return value
