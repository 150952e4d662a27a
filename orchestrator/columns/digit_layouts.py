"""Many texts that differ in little but their digits: each form is understood once, then only digits are read."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# a column of dates or durations has few layouts; of others, so many are looked at
MAX_UNREAD = 100
# what Python's `str.strip` takes away
AROUND = "".join(filter(str.isspace, map(chr, range(0x3001))))
# blanks that are not one plain one, as RE2 writes it
BLANKS, RUN_OF_BLANKS = r"[\t\x{a0}\x{202f}]|  ", r"[\t \x{a0}\x{202f}]+"
# as pandas writes a whole number where some are missing
WHOLE_NUMBER = r"^\s*([0-9]{8,14})\.0+\s*$"
Known = TypeVar("Known")


def normalised(texts: pa.Array) -> pa.Array:
    """Lower case, composed letters, no blanks around, one blank between."""
    texts = texts.cast(pa.string())
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        # pyarrow does not compose letters
        texts = pa.array([unicodedata.normalize("NFC", text) for text in texts.to_pylist()], pa.string())
    texts = pc.utf8_lower(pc.utf8_trim(texts, characters=AROUND))
    if pc.any(pc.match_substring_regex(texts, BLANKS)).as_py():
        texts = pc.replace_substring_regex(texts, pattern=RUN_OF_BLANKS, replacement=" ")
    return texts


def without_points(texts: pa.Array) -> pa.Array:
    """The same with 20240131 in the place of 20240131.0."""
    if not pc.any(pc.match_substring_regex(texts, WHOLE_NUMBER)).as_py():
        return texts
    return pc.replace_substring_regex(texts, pattern=WHOLE_NUMBER, replacement=r"\1")


def by_layout(
    texts: pa.Array, layout_of: Callable[[str], Known | None]
) -> Iterator[tuple[Known, Digits, NDArray[np.int64]]]:
    """Texts with the same layout together: what is known of it, their digits, and their positions.

    Args:
        texts: as `normalised` gives them.
        layout_of: what is known of texts, of which it gets one with 9 in the place of each digit; None leaves them out.
    """
    coded = pc.dictionary_encode(_signatures(texts))
    codes = coded.indices.to_numpy(zero_copy_only=False)
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
    groups = np.split(np.argsort(codes, kind="stable"), ends)
    unknown = 0
    for signature, rows in zip(coded.dictionary, groups, strict=False):
        layout = layout_of(signature.as_py())
        if layout is not None:
            yield layout, Digits(texts, rows), rows
        elif (unknown := unknown + 1) > MAX_UNREAD:
            return


def _signatures(texts: pa.Array) -> pa.Array:
    """The texts with 9 in the place of each digit."""
    _, offsets, content = texts.buffers()
    if content is None:
        return texts
    signs = np.frombuffer(content, np.uint8)
    masked = np.where(signs - np.uint8(ord("0")) < 10, np.uint8(ord("9")), signs)  # noqa: PLR2004
    return pa.StringArray.from_buffers(len(texts), offsets, pa.py_buffer(masked), offset=texts.offset)


class Digits:
    """Numbers in some texts, by the places of their digits."""

    def __init__(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        _, offsets, data = texts.buffers()
        self._starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts)][rows].astype(np.int64)
        self._data = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)

    def zeros(self) -> NDArray[np.int64]:
        """int64 [texts]."""
        return np.zeros(len(self._starts), np.int64)

    def number(self, begin: int, end: int) -> NDArray[np.int64]:
        """What stands from one byte up to another, at most 18 digits: int64 [texts]."""
        number = self.zeros()
        for place in range(begin, end):
            number = number * 10 + self._data[self._starts + place] - ord("0")
        return number

    def microseconds(self, begin: int, end: int) -> NDArray[np.int64]:
        """Digits behind the point of seconds; what is smaller is cut off."""
        end = min(end, begin + 6)
        microseconds: NDArray[np.int64] = self.number(begin, end) * 10 ** (6 - (end - begin))
        return microseconds
