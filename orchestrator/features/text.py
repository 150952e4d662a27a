"""Free text: remarks, reviews, titles. Words, pairs of words and pieces of words become numbers of a fixed table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.columns.ranges import range_reason
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import Bar, number_bars
from orchestrator.columns.values import Series, category_key
from orchestrator.features._base import FeatureKind, Fitted, FormControl, InputLines, JsonSchema, JsonValue, Recognised
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.fitted import TextFeature, mixed_bits

# on average, in a column with many different values
TEXT_WORDS = 4
TEXT_DISTINCT_SHARE = 0.2
TEXT_VALUES = 20
# rows of the table that tokens are hashed to
BUCKETS = 2**16
MAX_TOKENS = 2048
PIECE_LENGTHS = (3, 4)
# on average: pairs and pieces of longer texts are so many that words share their numbers with them
LONG_WORDS = 100
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TextLengths:
    """How long the texts of a column are.

    Attributes:
        texts: that are not empty.
        words: of all of them.
    """

    texts: int
    words: int

    def merge(self, other: TextLengths) -> TextLengths:
        """Of the rows of both."""
        return TextLengths(self.texts + other.texts, self.words + other.words)


class TextKind(FeatureKind[Sequence[str], TextLengths]):
    """Cells are texts, empty where missing."""

    kind = ColumnKind.TEXT
    datatype = "BYTES"
    has_curves = False
    control = FormControl(lines=InputLines.ALWAYS)

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`: several words on average, and most values different."""
        words = sum(len(key.split()) * count for key, count in raw.counts.items()) / raw.rows
        distinct = len(raw.counts) / raw.rows
        if words < TEXT_WORDS or distinct <= TEXT_DISTINCT_SHARE or len(raw.counts) <= TEXT_VALUES:
            return None
        if range_reason(raw.counts, numbers=False) is not None:
            return None
        note = Note(
            column=raw.name,
            why=f"has texts of {words:.0f} words on average",
            done="read as free text",
            option=f"--categorical '{raw.name}' reads each text as a category",
        )
        return Recognised(Column(raw.name, self.kind), (note,))

    def parse(self, column: Column, series: Series) -> Sequence[str]:
        """See `FeatureKind`."""
        return [text_of(cell) for cell in series]

    def take(self, parsed: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
        """See `FeatureKind`."""
        return [parsed[row] for row in rows]

    def content(self, parsed: Sequence[str]) -> Iterable[bytes]:
        """See `FeatureKind`."""
        return (b"%d:%s" % (len(text), text.encode("utf-8", "surrogatepass")) for text in parsed)

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: as they were written, since people read them."""
        return [category_key(cell) or None for cell in series]

    def summarise(self, parsed: Sequence[str], keys: NDArray[np.float64] | None) -> TextLengths:
        """See `FeatureKind`."""
        return TextLengths(sum(map(bool, parsed)), sum(len(WORD.findall(text)) for text in parsed))

    def fit(self, column: Column, summary: TextLengths, wish: FeaturesWish) -> Sequence[TextFeature]:
        """See `FeatureKind`."""
        return [TextFeature(column.name, BUCKETS, words_only=summary.words > LONG_WORDS * summary.texts)]

    def makes(self, feature: Fitted) -> bool:
        """See `FeatureKind`."""
        return isinstance(feature, TextFeature)

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        return {"type": ["string", "number", "boolean", "null"], "description": "Free text."}

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`: anything can be read as a text."""
        return True

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "most cells are different, and have several words"

    def classes(self, parsed: Sequence[str]) -> NDArray[np.int64] | None:
        """See `FeatureKind`: hardly a text comes again."""
        return None

    def spread(self, parsed: Sequence[str]) -> tuple[Bar, ...]:
        """See `FeatureKind`: how many words texts have."""
        counts = np.array([len(text.split()) for text in parsed if text], dtype=np.float64)
        return number_bars(counts, lambda count: f"{count:.0f} words")


def text_of(cell: object) -> str:
    """A cell as a text, empty for a missing value: Unicode in its compatible composed form (NFKC), lower-cased."""
    return unicodedata.normalize("NFKC", category_key(cell) or "").lower()


def token_ids(texts: Sequence[tuple[TextFeature, str]]) -> list[int]:
    """The tokens of a row, each once, in the order of their first occurrence: words, pairs of words, pieces of words.

    Of columns with long texts, words only.

    A token is a bucket of the table, from 1, with a sign that is as good as random: so tokens that share a bucket
    cancel out on average instead of adding up (as scikit-learn's `HashingVectorizer` does it).

    Args:
        texts: of each text column of the row. All share their tokens; if there are several, words also tell from which
            column they are.
    """
    found: dict[int, None] = {}
    pieces: list[int] = []
    for feature, text in texts:
        words = WORD.findall(text)
        for word in words:
            whole, parts = _word(word, feature.buckets)
            found[whole] = None
            if not feature.words_only:
                pieces += parts
            if len(texts) > 1:
                found[token_id(f"{feature.column} {word}", feature.buckets)] = None
        if not feature.words_only:
            found.update(dict.fromkeys(token_id(f"{one} {other}", feature.buckets) for one, other in pairwise(words)))
    found.update(dict.fromkeys(pieces))
    return list(found)[:MAX_TOKENS]


def encode_texts(features: Sequence[TextFeature], texts: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """The input `text`: int64 [rows, tokens of the longest row, at least 1], 0 where a row has fewer."""
    rows = [token_ids(list(zip(features, row, strict=True))) for row in zip(*texts, strict=True)]
    tokens = np.zeros((len(rows), max(map(len, rows), default=1) or 1), np.int64)
    for at, row in enumerate(rows):
        tokens[at, : len(row)] = row
    return tokens


def token_id(token: str, buckets: int) -> int:
    """The bucket of a token, from 1 to `buckets`, with its sign."""
    mixed = mixed_bits(token)
    bucket = 1 + (mixed >> 1) % buckets
    return bucket if mixed & 1 else -bucket


@lru_cache(maxsize=2**16)
def _word(word: str, buckets: int) -> tuple[int, tuple[int, ...]]:
    return token_id(word, buckets), tuple(token_id(piece, buckets) for piece in _pieces(word))


def _pieces(word: str) -> Iterator[str]:
    """Three and four letters in a row, the ends marked; other spellings of a word share most of them."""
    marked = f"<{word}>"
    for length in PIECE_LENGTHS:
        for start in range(len(marked) - length + 1):
            yield marked[start : start + length]
