"""`FeatureKind`: all that is different between two kinds of feature columns. Each file beside this one has one kind.

A column goes this way: `recognise` says of what kind it is, `parse` makes arrays of its cells, `summarise` keeps what
is needed of training rows, `fit` makes features of that, and the encoder makes columns of named inputs of features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import Bar
from orchestrator.columns.values import Series
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.fitted import CategoricalFeature, NumericFeature, TextFeature

JsonValue = str | int | float | bool | None
JsonSchema = dict[str, Any]
Fitted = NumericFeature | CategoricalFeature | TextFeature


class Summary(Protocol):
    """What is kept of some training rows of a column."""

    def merge(self, other: Self) -> Self:
        """Of the rows of both; the same in any order, up to rounding."""


Parsed = TypeVar("Parsed")
Kept = TypeVar("Kept", bound=Summary)


@dataclass(frozen=True)
class Spare:
    """What a column that is left out is, if there is no other.

    Attributes:
        column: as which it is kept.
        note: about that.
    """

    column: Column
    note: Note


@dataclass(frozen=True)
class Recognised:
    """What a kind of column says about a column that is its own.

    Attributes:
        column: None if it should be left out.
        notes: what the user should know.
        spare: if it is left out, but is better than nothing.
    """

    column: Column | None
    notes: tuple[Note, ...] = ()
    spare: Spare | None = None


class Reads(StrEnum):
    """What becomes of the text that is entered in a form."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    DATE = "date"


class InputLines(StrEnum):
    """Whether a text is entered in several lines."""

    NEVER = "never"
    # by the example: an input of one line would take its line breaks out
    IF_LONG = "if long"
    ALWAYS = "always"


@dataclass(frozen=True)
class FormControl:
    """How a value of a column is entered on the form page.

    Attributes:
        reads: what becomes of it.
        lines: of the input.
        choices: the values that there are; none if those of the column's categories are offered.
    """

    reads: Reads = Reads.TEXT
    lines: InputLines = InputLines.NEVER
    choices: tuple[str, ...] = ()


class FeatureKind(ABC, Generic[Parsed, Kept]):
    """A kind of column. `Parsed` is what its cells are as arrays, `Kept` what is summed up of them.

    Attributes:
        kind: its name.
        datatype: of the Open Inference Protocol, that it is advertised with.
        only_texts: whether nothing but texts fits.
        has_categories: whether its cells are values that come again, of which each has codes and keys.
        has_curves: whether its values come again or have an order, so that a curve over them says something.
        control: how a value is entered in a form.
        notation: how its cells may be written otherwise than plainly, if they may.
        follows: what it makes of a `ColumnWish` beside the kind: names of its fields.
    """

    kind: ClassVar[ColumnKind]
    datatype: ClassVar[str]
    only_texts: ClassVar[bool] = False
    has_categories: ClassVar[bool] = False
    has_curves: ClassVar[bool] = True
    control: ClassVar[FormControl] = FormControl()
    notation: ClassVar[type[Notation] | None] = None
    follows: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def recognise(self, raw: RawColumn) -> Recognised | None:
        """Whether a column is of this kind, None if it is not; kinds are asked in the order of their registry.

        Raises:
            DataError: it is, but cannot be used.
        """

    def obey(self, raw: RawColumn) -> Recognised:
        """A column that the user wants to be of this kind.

        Raises:
            DataError: a cell cannot be read so.
        """
        found = self.recognise(raw)
        if found is not None and found.column is not None:
            # what is asked for is no guess
            return Recognised(found.column)
        column = Column(raw.name, self.kind)
        try:
            self.parse(column, raw.series)
        except InvalidValueError as error:
            raise DataError(f"{raw.origin}: the column '{raw.name}' cannot be read as {self.kind}: {error}") from None
        return Recognised(column)

    def regrets(self, raw: RawColumn) -> tuple[Note, ...]:
        """What the user should know of a column that is nearly of this kind, but was read as categories or left out."""
        del raw
        return ()

    @abstractmethod
    def parse(self, column: Column, series: Series) -> Parsed:
        """Cells of a table, or plain values of JSON in a column of objects, as arrays.

        Raises:
            InvalidValueError: a value does not fit the column.
        """

    def parse_raw(self, column: Column, raw: RawColumn) -> Parsed:
        """The same of a column that was recognised; what is known since then is not found out again."""
        return self.parse(column, raw.series)

    @abstractmethod
    def take(self, parsed: Parsed, rows: NDArray[np.int64]) -> Parsed:
        """Some rows, by their positions: as if only these had been parsed."""

    @abstractmethod
    def content(self, parsed: Parsed) -> Iterable[bytes]:
        """The values, however they were written: what the digest of a data set is made of, in pieces."""

    @abstractmethod
    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """Cells as they can be given back in JSON."""

    @abstractmethod
    def summarise(self, parsed: Parsed, keys: NDArray[np.float64] | None) -> Kept:
        """Sums up training rows.

        Args:
            parsed: the rows.
            keys: a random number for each, float64 [rows]: only a sample of bounded size is kept. None for rows that
                are in memory, of which all may be kept.
        """

    @abstractmethod
    def fit(self, column: Column, summary: Kept, wish: FeaturesWish) -> Sequence[Fitted]:
        """The features that a column gives, none if it says nothing.

        Args:
            column: of the schema.
            summary: of its training rows.
            wish: what the user says about features.
        """

    def fit_notes(self, column: Column, summary: Kept, wish: FeaturesWish) -> tuple[Note, ...]:
        """What the user should know about that."""
        del column, summary, wish
        return ()

    def raw_notes(self, column: Column, raw: RawColumn, wish: FeaturesWish) -> tuple[Note, ...]:
        """The same if all rows of a column were trained on."""
        del column, raw, wish
        return ()

    @abstractmethod
    def makes(self, feature: Fitted) -> bool:
        """Whether a column of this kind can have such a feature; those of a bundle come from elsewhere."""

    @abstractmethod
    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """JSON Schema of its values, null for a missing one included.

        Args:
            column: of a model's schema.
            categories: those that training saw, if it has such; others are answered, too.
        """

    def fits_only_texts(self, column: Column) -> bool:
        """Whether nothing but texts fits a column."""
        return self.only_texts

    @abstractmethod
    def accepts(self, column: Column, before: Column) -> bool:
        """Whether all values that fitted another column fit this one."""

    def described(self, column: Column) -> str:
        """In a sentence."""
        return str(column.kind)

    @abstractmethod
    def reason(self, column: Column) -> str:
        """Why a column is read so that the user has said nothing about, in a sentence."""

    @abstractmethod
    def classes(self, parsed: Parsed) -> NDArray[np.int64] | None:
        """Some rows in a few classes of similar values, int64 [rows] from 0; None if there are no such."""

    @abstractmethod
    def spread(self, parsed: Parsed) -> tuple[Bar, ...]:
        """How the values of some rows are spread."""
