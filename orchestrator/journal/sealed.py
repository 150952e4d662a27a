"""JSON with a checksum in it: a bit that has changed on the disk is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CHECKSUM = "sha256"


def seal(values: Mapping[str, Any]) -> bytes:
    """The values as JSON, with their checksum."""
    return json.dumps({**values, CHECKSUM: _checksum(values)}, indent=1).encode()


def unseal(content: bytes) -> dict[str, Any]:
    """What `seal` was given; what an older version wrote without a checksum is taken as it is.

    Raises:
        ValueError: it is damaged.
    """
    try:
        values = json.loads(content)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(values, dict):
        raise ValueError("not an object of JSON")  # noqa: TRY004
    found = values.pop(CHECKSUM, None)
    if found is not None and found != _checksum(values):
        raise ValueError("its content does not fit its checksum")
    return values


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
