"""Categories: whatever is none of the others, as long as values come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import CodeNotation, Labels
from orchestrator.columns.codes import why_code
from orchestrator.columns.features_wish import AUTO, FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.columns.number_answers import several_answers
from orchestrator.columns.number_parts import number_parts
from orchestrator.columns.ranges import range_reason
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import Bar, counted_bars
from orchestrator.columns.values import (
    Series,
    category_content,
    category_key,
    category_keys,
    count_numbers,
    keys_of,
    shorten,
)
from orchestrator.features._base import FeatureKind, Fitted, FormControl, InputLines, JsonSchema, JsonValue, Recognised
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.fitted import CategoricalFeature
from orchestrator.features.rare_categories import table_of

IDENTIFIER_SHARE = 0.95
IDENTIFIER_ROWS = 20
STRAY_TEXT_SHARE = 0.9
SHOWN_CATEGORIES = 20


@dataclass(frozen=True)
class Categories:
    """Rows by category.

    Attributes:
        codes: int64 [rows], position in `keys`.
        keys: distinct, None standing for missing.
    """

    codes: NDArray[np.int64]
    keys: Sequence[str | None]


@dataclass(frozen=True)
class SeenCategories:
    """How many of some training rows have each category."""

    counts: Mapping[str, int]

    def merge(self, other: SeenCategories) -> SeenCategories:
        """Of the rows of both."""
        counts = dict(self.counts)
        for key, rows in other.counts.items():
            counts[key] = counts.get(key, 0) + rows
        return SeenCategories(counts)


def _no_numbers(raw: RawColumn) -> tuple[Note, ...]:
    """About a column of which many cells are numbers, and which is none of numbers."""
    reading = raw.number_reading
    if reading is None or not reading.refusal or raw.number_error is None:
        return ()
    done = f"{reading.refusal} ({raw.number_error})"
    why = "is read as categories, although it has numbers"
    return (Note(column=raw.name, why=why, done=done, option=_as_numbers(raw)),)


def _as_numbers(raw: RawColumn) -> str:
    """The option that reads numbers all the same; empty if numbers of different units, say, are none for anybody."""
    wished = replace(raw, wish=replace(raw.wish, kind=ColumnKind.NUMERIC)).number_reading
    is_possible = wished is not None and wished.notation is not None
    return f"--numeric '{raw.name}' reads numbers, and takes what is none as missing" if is_possible else ""


def _identifier(raw: RawColumn) -> Note:
    """About a column that is left out, and why it is none of numbers although many cells are."""
    reading, keeps = raw.number_reading, f"--categorical '{raw.name}' keeps it"
    why, options = "is different in almost every row", [keeps]
    if (parts := number_parts(raw.counts) or range_reason(raw.counts, numbers=True)) is not None:
        return Note(column=raw.name, why=parts[0], done="left out", option=f"{parts[1]}; {keeps}")
    if reading is not None and reading.refusal and raw.number_error is not None:
        why, options = f"{why}, and {reading.refusal}", [_as_numbers(raw), keeps]
    return Note(
        column=raw.name,
        why=f"{why}, so it looks like an identifier",
        done="left out",
        option="; ".join(filter(None, options)),
    )


def _filled(raw: RawColumn, labels: Labels) -> str:
    """What becomes of later codes that lost their zeros, as the end of a sentence."""
    digits = 0 if labels.notation is None else labels.notation.digits
    shortened = next((key.lstrip("0") for key in raw.counts if len(key) == digits and key.startswith("0")), None)
    return f", and later cells such as {shortened} as {shortened.zfill(digits)}" if shortened else ""


class CategoricalKind(FeatureKind[Categories, SeenCategories]):
    """Values that are looked up in a table."""

    kind = ColumnKind.CATEGORICAL
    datatype = "BYTES"
    has_categories = True
    control = FormControl(lines=InputLines.IF_LONG)
    follows = frozenset({"missing", "values"})
    notation = CodeNotation

    def recognise_codes(self, raw: RawColumn) -> Recognised | None:
        """Numbers that are names of something; asked before it is asked whether a column is one of numbers."""
        if isinstance(raw.series.dtype, pd.CategoricalDtype) and raw.is_numbers:
            return self.recognise(raw)
        why = why_code(raw)
        if why is None:
            return None
        found = self.recognise(raw)
        if found.column is None:
            option = f"--categorical '{raw.name}' keeps it as codes, --numeric '{raw.name}' as numbers"
            return replace(found, notes=tuple(replace(note, option=option) for note in found.notes))
        option = f"--numeric '{raw.name}' reads numbers"
        labels = Labels.of_feature(raw)
        done = f"read as categories{_filled(raw, labels)}"
        note = Note(column=raw.name, why=why, done=done, option=option)
        return replace(found, notes=(note, *labels.notes))

    def recognise(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`: anything else; what is different in almost every row is left out."""
        distinct = len(raw.counts) / raw.rows
        if distinct > IDENTIFIER_SHARE and raw.rows >= IDENTIFIER_ROWS:
            return Recognised(None, (_identifier(raw),))
        labels = Labels.of_feature(raw)
        if (several := several_answers(raw.counts)) is not None:
            note = Note(
                column=raw.name,
                why=f"has several answers in one cell, such as {shorten(several)}",
                done="read as categories, each combination of answers as one",
                option=f"--text '{raw.name}' reads the words of the answers",
            )
            return Recognised(Column(raw.name, self.kind, notation=labels.notation), (note, *labels.notes))
        if told := _no_numbers(raw):
            return Recognised(Column(raw.name, self.kind, notation=labels.notation), (*told, *labels.notes))
        notes = labels.notes
        if (parts := number_parts(raw.counts) or range_reason(raw.counts, numbers=False)) is not None:
            notes = (Note(column=raw.name, why=parts[0], done="read as categories", option=parts[1]), *notes)
        numbers = count_numbers(raw.counts)
        if raw.number_error is not None and numbers >= STRAY_TEXT_SHARE * raw.rows:
            why = f"is read as categories, although {100 * numbers / raw.rows:.0f} % of it are numbers"
            notes = (Note(column=raw.name, why=why, done=str(raw.number_error)), *notes)
        return Recognised(Column(raw.name, self.kind, notation=labels.notation), notes)

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`: everything can be a category."""
        labels = Labels.of_feature(raw)
        return Recognised(Column(raw.name, self.kind, notation=labels.notation), labels.notes)

    def parse(self, column: Column, series: Series) -> Categories:
        """See `FeatureKind`."""
        return Categories(*category_keys(series, key_of(column)))

    def parse_raw(self, column: Column, raw: RawColumn) -> Categories:
        """See `FeatureKind`."""
        return Categories(*keys_of(*raw.distinct, key_of(column)))

    def take(self, parsed: Categories, rows: NDArray[np.int64]) -> Categories:
        """See `FeatureKind`: without the categories that these rows do not have."""
        codes = parsed.codes[rows]
        present = np.bincount(codes, minlength=len(parsed.keys)) > 0
        return Categories(
            (np.cumsum(present) - 1)[codes],
            [key for key, is_present in zip(parsed.keys, present, strict=True) if is_present],
        )

    def content(self, parsed: Categories) -> Iterable[bytes]:
        """See `FeatureKind`."""
        return [category_content(parsed.codes, parsed.keys)]

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`."""
        return list(map(key_of(column), series))

    def summarise(self, parsed: Categories, keys: NDArray[np.float64] | None) -> SeenCategories:
        """See `FeatureKind`."""
        rows = np.bincount(parsed.codes, minlength=len(parsed.keys)).tolist()
        return SeenCategories({key: count for key, count in zip(parsed.keys, rows, strict=True) if key is not None})

    def fit(self, column: Column, summary: SeenCategories, wish: FeaturesWish) -> Sequence[CategoricalFeature]:
        """See `FeatureKind`: a table of categories, with shared codes if there are many."""
        table = table_of(summary.counts, wish.rare_categories)
        return [CategoricalFeature(column.name, table.kept, table.shared)]

    def fit_notes(self, column: Column, summary: SeenCategories, wish: FeaturesWish) -> tuple[Note, ...]:
        """See `FeatureKind`; who says a number knows it."""
        if wish.rare_categories != AUTO:
            return ()
        return table_of(summary.counts, wish.rare_categories).notes(column.name)

    def raw_notes(self, column: Column, raw: RawColumn, wish: FeaturesWish) -> tuple[Note, ...]:
        """See `FeatureKind`."""
        return self.fit_notes(column, self.summarise(self.parse_raw(column, raw), None), wish)

    def makes(self, feature: Fitted) -> bool:
        """See `FeatureKind`."""
        return isinstance(feature, CategoricalFeature)

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`: the known categories are examples."""
        described: JsonSchema = {"type": ["string", "number", "boolean", "null"]}
        if categories:
            further = len(categories) - SHOWN_CATEGORIES
            more = f", and {further} more" if further > 0 else ""
            described["description"] = f"Known: {', '.join(categories[:SHOWN_CATEGORIES])}{more}."
            described["examples"] = list(categories[:SHOWN_CATEGORIES])
        return described

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`: anything can be a category."""
        return True

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "its values are names, which come again"

    def classes(self, parsed: Categories) -> NDArray[np.int64] | None:
        """See `FeatureKind`."""
        return parsed.codes

    def spread(self, parsed: Categories) -> tuple[Bar, ...]:
        """See `FeatureKind`."""
        counts = np.bincount(parsed.codes, minlength=len(parsed.keys)).tolist()
        return counted_bars({key: rows for key, rows in zip(parsed.keys, counts, strict=True) if key is not None})


def key_of(column: Column) -> Callable[[object], str | None]:
    """What the cells of a column of categories are looked up by, None for a missing value."""
    return column.notation.key if isinstance(column.notation, CodeNotation) else category_key
