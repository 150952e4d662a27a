"""How true and false are written in a column: in words of many languages, as marks, or as a mark and nothing."""

# lists of words read better in lines than as lists of strings
# ruff: noqa: SIM905

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import folded
from orchestrator.columns.notation import NumberCells
from orchestrator.columns.patterns import TRUTH_PATTERN, escape
from orchestrator.columns.values import Series, distinct_cells, is_missing, parse_number, shorten, to_numbers
from orchestrator.errors import InvalidValueError

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

TRUE_WORDS = frozenset(
    map(
        folded,
        """
        1 true t yes y ja j jo oui o s\xed si s\xec s sim tak igen ano kyll\xe4 jah evet da
        \u0434\u0430 \u03bd\u03b1\u03b9 \u662f \u6709 \u306f\u3044 \uc608 \ub124 \u0646\u0639\u0645 \u0939\u093e\u0901
        wahr vrai vero verdadero verdadeiro waar prawda
        on enabled active checked present positive pos x \u2713 \u2714 \u2611 \u2705 +
        """.split(),
    )
)
FALSE_WORDS = frozenset(
    map(
        folded,
        """
        0 false f no n nein nee nej non n\xe3o nao nie nem ne ei hay\u0131r hayir
        \u043d\u0435\u0442 \u03cc\u03c7\u03b9 \u5426 \u65e0 \u7121 \u3044\u3044\u3048 \uc544\ub2c8\uc624
        \uc544\ub2c8\uc694 \u0644\u0627 \u0928\u0939\u0940\u0902
        falsch faux falso onwaar fa\u0142sz
        off disabled inactive unchecked absent negative neg \u2717 \u2718 \u2610 \u274c -
        """.split(),
    )
)
MOST_WORDS, LONGEST_WORD = 100, 100


@dataclass(frozen=True, kw_only=True)
class TruthNotation(NumberCells):
    """Words for true and false, in any case.

    Attributes:
        true, false: the words, folded.
        missing: those that stand for a missing value, folded.
        blank: whether an empty cell is false, too.
    """

    true: tuple[str, ...]
    false: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blank: bool = False

    def __post_init__(self) -> None:
        words = (*self.true, *self.false, *self.missing)
        right = all(isinstance(word, str) and len(word) <= LONGEST_WORD and folded(word) == word for word in words)
        if not right or len(set(words)) < len(words) or len(words) > MOST_WORDS:
            raise ValueError("its words do not say what is true and what is false")

    def to_json(self) -> dict[str, Any]:
        """See `Notation`."""
        lists = {name: list(getattr(self, name)) for name in ("true", "false", "missing") if getattr(self, name)}
        return lists | ({"blank": True} if self.blank else {})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        if not content.keys() <= {"true", "false", "missing", "blank"}:
            raise ValueError("it says more than what is true and what is false")
        lists = {name: tuple(content.get(name, ())) for name in ("true", "false", "missing")}
        return cls(blank=content.get("blank", False) is True, **lists)

    def plain(self, series: Series) -> Series:
        """See `Notation`: float64."""
        return pd.Series(self.numbers(series, str(series.name)), index=series.index, name=series.name)

    @property
    def takes_numbers(self) -> bool:
        """See `NumberCells`."""
        return True

    def read_cell(self, cell: object) -> float | None:
        """See `NumberCells`: 1 for true, 0 for false; numbers are taken as they are."""
        if isinstance(cell, str):
            word = folded(cell)
            if word in self._words:
                return self._words[word]
            if not word:
                return self._empty
        elif is_missing(cell):
            return self._empty
        return parse_number(cell, truth=True)

    def numbers(self, series: Series, column: str) -> NDArray[np.float64]:
        """See `NumberCells`."""
        codes, cells = distinct_cells(series)
        read = [self.read_cell(cell) for cell in cells]
        if None in read:
            row = int(np.flatnonzero(codes == read.index(None))[0])
            words = f"{', '.join(self.true)} (true) nor {', '.join(self.false) or 'empty'} (false)"
            sentence = f"row {row + 1}, column '{column}': {shorten(series.iloc[row])} is neither {words}"
            raise InvalidValueError(sentence, column, row)
        # infinities are refused as in every column of numbers
        return to_numbers(pd.Series(np.array(read, np.float64)[codes] if read else []), column)

    def accepts(self, before: TruthNotation | None) -> bool:
        """Whether all cells that were read before, plainly if there was no notation, are read as the same."""
        if before is None:
            return not self.blank
        same = all(self._words.get(word, math.nan) == number for word, number in before.known_words.items())
        return same and set(self.missing) >= set(before.missing) and self.blank == before.blank

    @property
    def known_words(self) -> dict[str, float]:
        """What its words for true and false stand for."""
        return dict.fromkeys(self.true, 1.0) | dict.fromkeys(self.false, 0.0)

    @property
    def pattern(self) -> str:
        """A regular expression of all texts that are read, for JSON Schema."""
        words = "|".join(map(_any_case, sorted(word for word in self._words if word)))
        return f"{TRUTH_PATTERN}|^\\s*(?:{words})\\s*$"

    @property
    def _empty(self) -> float:
        return 0.0 if self.blank else math.nan

    @cached_property
    def _words(self) -> dict[str, float]:
        return dict.fromkeys(self.missing, math.nan) | self.known_words


def find_truth(raw: RawColumn) -> TruthNotation:
    """Which words of a column that the user wants to be one of true and false are which.

    Raises:
        InvalidValueError: it has others, or words of which nobody knows it.
    """
    missing = tuple(map(folded, raw.wish.missing))
    words = [word for word in dict.fromkeys(map(folded, raw.counts)) if word not in missing]
    asked = set(map(folded, raw.wish.values))
    true = tuple(word for word in words if (word in asked if asked else word in TRUE_WORDS))
    false = tuple(word for word in words if word not in true and (asked or word in FALSE_WORDS))
    unknown = [word for word in words if word not in true and word not in false]
    if unknown or not true:
        shown = " and ".join(f"'{word}'" for word in (unknown or words)[:3])
        more = " and others" if len(unknown) > 3 else ""  # noqa: PLR2004
        known = "words for true and false such as yes and no, oui and non, on and off, or x and an empty cell"
        verb, said = "is" if len(unknown or words) == 1 else "are", f"'{raw.name}={(unknown or words)[0]}'"
        raise InvalidValueError(
            f"{shown}{more} {verb} none of the known {known}; say with --value {said} that this word is true and all "
            f"others are false, or with --na {said} that it is missing",
            raw.name,
        )
    return TruthNotation(true=true, false=false, missing=missing, blank=not false and not raw.known.all())


def _any_case(word: str) -> str:
    return "".join(_both_cases(letter) for letter in word)


def _both_cases(letter: str) -> str:
    forms: Iterable[str] = sorted({letter, letter.upper()}) if len(letter.upper()) == 1 else [letter]
    return f"(?:{'|'.join(map(escape, forms))})"
