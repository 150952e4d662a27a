"""Entries of a search space that follow the size of the data: `{by: rows, from: {0: 32, 10000: 256}}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from orchestrator.yaml_lines import Place

BY, FROM = "by", "from"
ROWS, COLUMNS = "rows", "columns"


@dataclass(frozen=True)
class DataSize:
    """What entries may follow.

    Attributes:
        rows: for training.
        columns: that are features, without those that only say yes or no.
    """

    rows: int = 0
    columns: int = 0


class SizingError(ValueError):
    """An entry that should follow the size of the data does not say how.

    Attributes:
        place: of the entry.
    """

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def is_sized(content: Any) -> bool:  # noqa: ANN401
    """Whether an entry of a file follows the size of the data."""
    return isinstance(content, Mapping) and BY in content


def resolved(content: Any, size: DataSize, place: Place = ()) -> Any:  # noqa: ANN401
    """The content of a file, with each such entry as it is for data of this size.

    Args:
        content: of the file, or a part of it.
        size: of the data.
        place: of that part.

    Raises:
        SizingError: an entry is not as it should be.
    """
    if is_sized(content):
        known = _thresholds(content, place)
        have = size.rows if content[BY] == ROWS else size.columns
        start = max(threshold for threshold in known if threshold <= have)
        return resolved(known[start], size, (*place, FROM, start))
    if isinstance(content, Mapping):
        return {key: resolved(value, size, (*place, key)) for key, value in content.items()}
    if isinstance(content, list):
        return [resolved(value, size, (*place, index)) for index, value in enumerate(content)]
    return content


def chosen(content: Any, size: DataSize, place: Place = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The entries of a file that follow the size of the data: their names, and what they are for data of this size."""
    if is_sized(content):
        yield ".".join(map(str, place)), resolved(content, size)
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from chosen(value, size, (*place, key))


def all_sizes(content: Any) -> list[DataSize]:  # noqa: ANN401
    """A size for each combination of what the entries of a file begin with.

    Raises:
        SizingError: see `resolved`.
    """
    found: dict[str, set[int]] = {ROWS: {0}, COLUMNS: {0}}
    for what, threshold in _all_thresholds(content, ()):
        found[what].add(threshold)
    return [DataSize(rows, columns) for rows, columns in product(sorted(found[ROWS]), sorted(found[COLUMNS]))]


def _all_thresholds(content: Any, place: Place) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    if is_sized(content):
        for threshold, value in _thresholds(content, place).items():
            yield content[BY], threshold
            yield from _all_thresholds(value, (*place, FROM, threshold))
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _all_thresholds(value, (*place, key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _all_thresholds(value, (*place, index))


def _thresholds(content: Mapping[str, Any], place: Place) -> Mapping[int, Any]:
    known = content.get(FROM)
    if set(content) != {BY, FROM} or content[BY] not in (ROWS, COLUMNS) or not isinstance(known, Mapping):
        raise SizingError(
            place, "what follows the data is written {by: rows, from: {0: 32, 10000: 256}}; by is rows or columns"
        )
    for threshold in known:
        if isinstance(threshold, bool) or not isinstance(threshold, int) or threshold < 0:
            raise SizingError((*place, FROM), f"{threshold!r} is no number of {content[BY]}")
    if 0 not in known:
        raise SizingError((*place, FROM), f"say what holds from 0 {content[BY]} on")
    return known
