"""What a data set is to everything that trains, measures and keeps models, wherever its rows are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from numpy.typing import NDArray

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.features_wish import USUAL_FEATURES, FeaturesWish
from orchestrator.columns.names import name_of
from orchestrator.columns.notes import Note
from orchestrator.columns.target_wish import TARGET_WISH, TargetWish
from orchestrator.columns.wish import ColumnWish, all_wishes
from orchestrator.data.background import Background
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.examples import Examples
from orchestrator.data.labelled import LabelledRows
from orchestrator.data.row_numbers import RowNumbers
from orchestrator.data.schema import Schema
from orchestrator.data.splits import HOLDOUT, NO_ROWS_WISH, Holdout, RowsWish
from orchestrator.data.splits.folds import AUTO_ROWS, Fold
from orchestrator.features import JsonValue
from orchestrator.tasks import TargetEncoder, TaskWish, plain_task

if TYPE_CHECKING:
    from orchestrator.data.memory import MemoryDataset

# `map`, or something like it that works in many processes and gives results in any order
Run = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]


class Part(StrEnum):
    """The three parts of the rows."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How a source is read.

    Attributes:
        target: column to predict, or its number if none is called so; may be left out for scikit-learn's data sets.
        name: instead of the one that is made from the source.
        task: instead of what is inferred, see `orchestrator.tasks.read_task`.
        categorical: columns to read as categories whatever they look like.
        ignore: columns to leave out.
        ignore_text: whether columns of free text are left out, unless one is wished for.
        columns: what else is wished of columns, by name.
        csv: how a CSV file is written, instead of what is found out.
        rows: what is said about rows: groups, times, parts, weights.
        fold_rows: rows that an epoch of all folds may train on, if their number is `auto`.
        target_wish: what is said about a target of numbers.
        features: what is said about the inputs that are made of columns.
        background: whether a sample of the training rows stays with the model, for explanations.
        split: which rows are trained on, validated on and tested on, as far as `rows` does not say it.
        run: applies a function, which can be pickled, to the numbers of all pieces of a folder.
    """

    target: Hashable = None
    name: str | None = None
    task: TaskWish | None = None
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ignore_text: bool = False
    columns: Mapping[str, ColumnWish] = field(default_factory=dict)
    csv: CsvWish = PLAIN_CSV
    rows: RowsWish = NO_ROWS_WISH
    fold_rows: int = AUTO_ROWS
    target_wish: TargetWish = TARGET_WISH
    features: FeaturesWish = USUAL_FEATURES
    background: bool = True
    split: Holdout = HOLDOUT
    run: Run = map

    @property
    def wishes(self) -> dict[str, ColumnWish]:
        """All that is wished of columns, by name.

        Raises:
            UsageError: see `all_wishes`.
        """
        return all_wishes(self.columns, self.categorical, self.ignore)

    @property
    def said_kinds(self) -> frozenset[str]:
        """The columns of which it is said what they are."""
        return frozenset(name for name, wish in self.wishes.items() if wish.kind is not None)

    def to_json(self) -> dict[str, Any]:
        """What a user has said about the columns, as plain JSON."""
        said = {
            "target": None if self.target is None else name_of(self.target),
            "task": None if self.task is None else plain_task(self.task),
            "categorical": list(map(name_of, self.categorical)),
            "ignore": list(map(name_of, self.ignore)),
            "ignore_text": self.ignore_text,
            "columns": {name: wish.to_json() for name, wish in self.columns.items()},
            "csv": self.csv.to_json(),
        }
        plain = {name: value for name, value in said.items() if value}
        kept = {} if self.background else {"background": False}
        return plain | kept | self.rows.to_json() | self.target_wish.to_json() | self.features.to_json()

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, name: str) -> Self:
        """The inverse of `to_json`, with the name of the data set."""
        return cls(
            target=content.get("target"),
            name=name,
            task=content.get("task"),
            categorical=tuple(content.get("categorical", ())),
            ignore=tuple(content.get("ignore", ())),
            ignore_text=bool(content.get("ignore_text")),
            columns={key: ColumnWish.from_json(wish) for key, wish in content.get("columns", {}).items()},
            csv=CsvWish.from_json(content.get("csv", {})),
            rows=RowsWish.from_json(content),
            target_wish=TargetWish.from_json(content),
            features=FeaturesWish.from_json(content),
            background=bool(content.get("background", True)),
        )


class Pieces(Protocol):
    """Rows that are read and encoded a piece at a time, in any process."""

    @property
    def piece_rows(self) -> tuple[int, ...]:
        """How many rows each piece has, all parts together."""

    @property
    def split(self) -> Holdout:
        """Of the rows; its seed draws orders, too."""

    def read(self, number: int, part: Part) -> Examples:
        """Reads a piece and encodes those of its rows that are in a part and have a target.

        Raises:
            DataError: the file cannot be read, or has changed since the first pass.
        """


class Dataset(Protocol):
    """All that a trial needs of the data; `open_dataset` makes one. What is fitted is fitted on training rows."""

    @property
    def name(self) -> str:
        """Short, from which sweeps and models get theirs."""

    @property
    def origin(self) -> str:
        """What messages call the source."""

    @property
    def digest(self) -> str:
        """SHA-256 over the raw rows, the target and the split: two results can be compared if it is equal."""

    @property
    def schema(self) -> Schema:
        """Columns and target."""

    @property
    def encoder(self) -> FeatureEncoder:
        """Of the columns."""

    @property
    def target_encoder(self) -> TargetEncoder:
        """Of the target."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """Rows for training, validation and test."""

    @property
    def example(self) -> tuple[dict[str, JsonValue], ...]:
        """A few raw training rows as JSON objects, as an input example."""

    @property
    def background(self) -> Background | None:
        """A sample of the raw training rows that stays with the model; None if that is not wanted."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the user should know about the data."""

    @property
    def pieces(self) -> Pieces | None:
        """Where rows are read from while a network is trained; None if all of them are in memory."""

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that a trial trains a network for each; none for a single split."""

    def fold(self, number: int) -> Dataset:
        """The training and validation rows of a fold, as a data set of its own."""

    def rows(self, part: Part) -> Iterator[Examples]:
        """All rows of a part in chunks, in an order that is always the same.

        Raises:
            DataError: see `Pieces.read`.
        """

    def targets(self) -> tuple[NDArray[Any], ...] | None:
        """The encoded targets of each part; of rows that have to be read some of each class, None without classes."""

    def no_rows(self) -> Examples:
        """Encoded rows of the right shapes, but none."""

    def without_test(self) -> Dataset:
        """The same data set without the test part, as it is given to trials."""

    def some_training_rows(self, limit: int) -> Examples:
        """Training rows from all over the data; no more than `limit` if they have to be read."""

    def some_test_rows(self) -> LabelledRows | None:
        """Raw test rows from all over the part; None where they must not be looked at, or there are none.

        Raises:
            DataError: see `Pieces.read`.
        """

    @property
    def test_numbers(self) -> RowNumbers | None:
        """Where the test rows are in the source; None where they must not be looked at, or are in many files."""

    def for_probe(self, rows: int, seconds: float) -> tuple[MemoryDataset, float]:
        """Rows in memory to measure the speed of networks with.

        Args:
            rows, seconds: if rows have to be read: how many suffice, and how long to read.

        Returns:
            They, without a test part, and the seconds that it took to read each training row.
        """
