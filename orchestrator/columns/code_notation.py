"""Categories and labels as people write them: one key for all spellings, and words such as "NA" that are values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.spellings import DOTS, are_one_word, case_folded, visible, without_dots
from orchestrator.columns.values import MISSING_STRINGS, Key, Series, category_key, category_keys

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

WHOLE_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.0*)?", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+)(?:\.\d*)?", re.ASCII)
# a code that a program has read as a number
SHORTENED = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
MOST_DIGITS = 40
ZERO_LED = re.compile(r"[+-]?0\d.*", re.ASCII)
# words that are written for "none of them" or "not applicable", but not by programs for what they do not know
NO_CLASS_WORDS = frozenset({"none", "na", "n/a"})
# where one of these stands beside the other, a third word is not the class for "no"
OPPOSITES = tuple(map(frozenset, (("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"))))
FREQUENT_SHARE = 0.05
MIN_CLASS_ROWS = 3
REGIONS = frozenset({"EMEA", "APAC", "LATAM", "AMER", "MEA", "ANZ"})
COUNTRY_CODE = re.compile("[A-Z]{2}")
SHOWN = 4
# the label of empty cells; it comes before letters, so that the other one is the positive class
BLANK = "(blank)"


@dataclass(frozen=True, kw_only=True)
class CodeNotation(Notation):
    """How the cells of a column of categories, or of labels, are written.

    Attributes:
        whole: 7.0 is 7: the column has numbers for names, none of them with zeros in front.
        labels: each is also meant by its other spellings: in other cases, with other blanks or Unicode forms.
        values: texts that are taken as they are: neither as missing values nor as other spellings of a label.
        missing: words that stand for a missing value.
        blank: the label of cells that are empty; empty if they are missing.
        digits: of every code that is a number, some of which have zeros in front: 1067 is 01067 where it lost its zero;
            0 if that is not how they are written, see `same_digits`.
    """

    whole: bool = False
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blank: str = ""
    digits: int = 0

    def to_json(self) -> dict[str, Any]:
        """See `Notation`."""
        texts = {"labels": self.labels, "values": self.values, "missing": self.missing}
        lists = {name: list(found) for name, found in texts.items() if found}
        return {
            "whole": self.whole,
            **lists,
            **{name: said for name in ("blank", "digits") if (said := getattr(self, name))},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        texts = {name: content.get(name, []) for name in ("labels", "values", "missing")}
        unknown = set(content) - set(texts) - {"whole", "blank", "digits"}
        blank, digits = content.get("blank", ""), content.get("digits", 0)
        listed = all(isinstance(found, list) and all(type(text) is str for text in found) for found in texts.values())
        plain = type(content["whole"]) is bool and type(blank) is str and type(digits) is int
        if unknown or not listed or not plain or not 0 <= digits <= MOST_DIGITS:
            raise ValueError("it does not say how categories are written")
        return cls(
            whole=content["whole"], blank=blank, digits=digits, **{name: tuple(found) for name, found in texts.items()}
        )

    def key(self, cell: object) -> str | None:
        """What a cell is looked up by, None for a missing value; see `category_key`."""
        if isinstance(cell, str) and not isinstance(cell, Key):
            text = cell.strip()
            if self.blank and not text:
                return self.blank
            if text in self._values:
                return text
            spelling = folded(text)
            if spelling in self._missing:
                return None
            if text.lower() in MISSING_STRINGS:
                return self._words.get(spelling)
        key = category_key(cell)
        if key is None:
            # a word for a missing value is none of no value
            return None if isinstance(cell, str) else self.blank or None
        if self.whole:
            key = whole_key(key)
        if self.digits:
            key = filled_key(key, self.digits)
        if not self.labels or key in self._exact:
            return key
        # I is a capital letter of two small ones
        return next((self._labels[form] for form in (undotted(key), folded(key)) if form in self._labels), key)

    def plain(self, series: Series) -> Series:
        """See `Notation`: keys."""
        codes, keys = category_keys(series, self.key)
        known = [key for key in keys if key is not None]
        places = {key: place for place, key in enumerate(known)}
        table = np.array([-1 if key is None else places[key] for key in keys], np.int64)
        index = pd.Index(list(map(Key, known)), dtype=object)
        cells = pd.Categorical.from_codes(table[codes] if len(keys) else codes, categories=index)
        return pd.Series(cells, index=series.index, name=series.name)

    @cached_property
    def _values(self) -> frozenset[str]:
        return frozenset(self.values)

    @cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(map(folded, self.missing))

    @cached_property
    def _words(self) -> dict[str, str]:
        """Values that are words for a missing one elsewhere, by their folded spelling."""
        return {folded(text): text for text in reversed(self.values) if text.lower() in MISSING_STRINGS}

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {undotted(label): label for label in self.labels} | {folded(label): label for label in self.labels}

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(self.labels)


def undotted(text: str) -> str:
    """The same as `folded`, if the text is Turkish."""
    return folded(without_dots(visible(text))) if "I" in text else folded(text)


def folded(text: str) -> str:
    """What all spellings of a label have in common: Unicode's compatible form, lower case, single blanks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", case_folded(visible(text)))
    return " ".join(text.lower().split())


def whole_key(key: str) -> str:
    """7 for 7.0, +7 and 7.; other keys as they are."""
    found = WHOLE_NUMBER.fullmatch(key)
    if found is None or ZERO_LED.fullmatch(key):
        return key
    sign, digits = found.groups()
    return digits if sign != "-" or digits == "0" else f"-{digits}"


def filled_key(key: str, digits: int) -> str:
    """01067 for 1067 and 1067.0, if a code has five digits; other keys as they are."""
    found = SHORTENED.fullmatch(key)
    return found[1].zfill(digits) if found is not None and len(found[1]) <= digits else key


def same_digits(keys: Iterable[str]) -> int:
    """How many digits all whole numbers among some keys have, if some have zeros in front; else 0.

    Shorter ones have lost theirs, if they are fewer than the others and none of them has a zero in front.
    """
    whole = [key for key in keys if DIGITS.fullmatch(key)]
    led = {len(key) for key in whole if ZERO_LED.fullmatch(key)}
    digits = max(map(len, whole), default=0)
    short = sum(len(key) < digits for key in whole)
    return digits if led == {digits} and digits <= MOST_DIGITS and 2 * short < len(whole) else 0


def _shortened_note(raw: RawColumn, digits: int, values: Sequence[str]) -> tuple[Note, ...]:
    """About codes that have lost their zeros in some rows."""
    short = [key for key in raw.counts if DIGITS.fullmatch(key) and len(key) < digits and key not in values]
    if not short:
        return ()
    rows = rows_text(sum(raw.counts[key] for key in short))
    note = Note(
        column=raw.name,
        why=f"has codes of {digits} digits, of which {short[0]} has fewer, as without its zeros ({rows} so)",
        done=f"read as {filled_key(short[0], digits)}, and the others in the same way",
        option=f"--value '{raw.name}={short[0]}' keeps one apart",
    )
    return (note,)


def are_whole(keys: Sequence[str]) -> bool:
    """Whether keys are numbers that can be names of something: some of them whole, and no zeros in front."""
    numbers = all(NUMBER.fullmatch(key) and not ZERO_LED.fullmatch(key) for key in keys)
    return numbers and any(map(WHOLE_NUMBER.fullmatch, keys))


@dataclass(frozen=True, eq=False)
class Labels:
    """How a column is written as one of labels or categories.

    Attributes:
        notation: None if plainly.
        notes: what was guessed.
    """

    notation: CodeNotation | None
    notes: tuple[Note, ...]

    @classmethod
    def of_target(cls, raw: RawColumn) -> Labels:
        """Of a column that is predicted: frequent words such as "None" are a class."""
        values, notes = _class_words(raw)
        if not values and (note := _blank_class(raw)) is not None:
            return cls(CodeNotation(blank=BLANK, missing=raw.wish.missing), (*notes, note))
        # numbers that are names of classes are those in any spelling: see `Classification`
        return cls._of(raw, values, notes, whole=False)

    @classmethod
    def of_feature(cls, raw: RawColumn) -> Labels:
        """Of a column of categories: NA among country codes is one of them."""
        values, notes = _country_words(raw)
        return cls._of(raw, values, notes, whole=are_whole(list(raw.counts)))

    @classmethod
    def _of(cls, raw: RawColumn, values: Sequence[str], notes: Sequence[Note], *, whole: bool) -> Labels:
        kept = tuple(dict.fromkeys([*raw.wish.values, *values]))
        missing = raw.wish.missing
        labels, spelled = _spellings(raw, kept, missing)
        digits = same_digits(raw.counts)
        if not (whole or labels or kept or missing or digits):
            return cls(None, (*notes, *spelled))
        notation = CodeNotation(whole=whole, labels=labels, values=kept, missing=missing, digits=digits)
        return cls(notation, (*notes, *spelled, *_shortened_note(raw, digits, kept)))


def _spellings(
    raw: RawColumn, values: Sequence[str], missing: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """The labels of a column, if some have several spellings: the most frequent one of each."""
    left_out = set(map(folded, missing))
    groups: dict[str, list[str]] = {}
    turkish = {folded(key) for key in raw.counts if not key.isascii() and not DOTS.isdisjoint(visible(key))}
    for key in raw.counts:
        if key not in values and folded(key) not in left_out:
            other = undotted(key) if turkish else ""
            groups.setdefault(other if other in turkish else folded(key), []).append(key)
    if len(groups) == sum(map(len, groups.values())):
        return (), ()
    frequent = [sorted(group, key=lambda key: (-raw.counts[key], key)) for group in groups.values()]
    apart = [group for group in frequent if len(group) > 1 and not are_one_word(group, raw.counts)]
    merged = [group for group in frequent if len(group) > 1 and group not in apart]
    notes = []
    if merged:
        note = Note(
            column=raw.name,
            why=f"spells the same in several ways ({_shown(merged)})",
            done="each is read as its most frequent spelling",
            option=f"--value '{raw.name}={merged[0][1]}' keeps it apart",
        )
        notes.append(note)
    if apart:
        why = f"has values that differ in case only ({_shown(apart)})"
        notes.append(Note(column=raw.name, why=why, done="read as different values, as mA and MA are"))
    labels = sorted(group[0] for group in frequent if group not in apart) if merged else ()
    return tuple(labels), tuple(notes)


def _shown(groups: Sequence[Sequence[str]]) -> str:
    """Some values in their spellings, the most frequent one first."""
    shown = "; ".join(f"{group[0]!r} also as {', '.join(map(repr, group[1 : 1 + SHOWN]))}" for group in groups[:SHOWN])
    return f"{shown} and {len(groups) - SHOWN} more" if len(groups) > SHOWN else shown


def _blank_class(raw: RawColumn) -> Note | None:
    """About a target with one label and empty cells, such as x and nothing; None if it is another one."""
    empty = int((~raw.known).sum()) - sum(raw.missing_words.values())
    if len(raw.counts) != 1 or min(raw.rows, empty) < MIN_CLASS_ROWS:
        return None
    label = next(iter(raw.counts))
    return Note(
        column=raw.name,
        why=f"has {label!r} in {rows_text(raw.rows)} and no value in {rows_text(empty)}",
        done=f"read as two classes, {label!r} and {BLANK!r}",
    )


def _class_words(raw: RawColumn) -> tuple[list[str], list[Note]]:
    """Which words are a class of a target although they stand for a missing value elsewhere."""
    said = set(map(folded, (*raw.wish.values, *raw.wish.missing)))
    groups: dict[str, dict[str, int]] = {}
    for word, count in raw.missing_words.items():
        if folded(word) not in said:
            groups.setdefault(folded(word), {})[word] = count
    others = sorted(raw.counts.values())
    values, notes = [], []
    for name, spellings in groups.items():
        rows, word = sum(spellings.values()), max(spellings, key=lambda text: (spellings[text], text))
        share = rows / (raw.rows + rows)
        frequent = rows >= MIN_CLASS_ROWS and (share >= FREQUENT_SHARE or rows >= others[len(others) // 2])
        beside = frozenset(map(folded, raw.counts)) in OPPOSITES
        if name not in NO_CLASS_WORDS:
            continue
        is_class = frequent and not beside and not raw.is_numbers
        if is_class:
            values.append(word)
        makes = f"--na '{raw.name}={word}' makes it a missing value"
        notes.append(
            Note(
                column=raw.name,
                why=f"has the word '{word}' in {rows_text(rows)} ({100 * share:.0f} %)",
                done="read as a class" if is_class else "read as a missing value",
                option=makes if is_class else f"--value '{raw.name}={word}' makes it a class",
            )
        )
    return values, notes


def _country_words(raw: RawColumn) -> tuple[list[str], list[Note]]:
    """NA where all else is two letters, or beside other regions of the earth: Namibia, or North America."""
    rows = raw.missing_words.get("NA", 0)
    said = {*raw.wish.values, *raw.wish.missing}
    if not rows or "NA" in said or len(raw.counts) < 2:  # noqa: PLR2004
        return [], []
    others = "regions" if not REGIONS.isdisjoint(raw.counts) else "codes of two letters"
    if others != "regions" and not all(map(COUNTRY_CODE.fullmatch, raw.counts)):
        return [], []
    note = Note(
        column=raw.name,
        why=f"has NA among other {others} in {rows_text(rows)}",
        done="read as such a code, too",
        option=f"--na '{raw.name}=NA' makes it a missing value",
    )
    return ["NA"], [note]
