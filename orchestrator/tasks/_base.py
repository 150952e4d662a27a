"""`Task`: all that is different between two kinds of prediction. Each file beside this one has one kind.

Code outside of this package calls these methods and never asks which task it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.target_wish import BEFORE, TargetWish
from orchestrator.columns.values import Series
from orchestrator.errors import ConfigError
from orchestrator.tasks._finishing import Finishing
from orchestrator.tasks._measuring import Measuring
from orchestrator.tasks.metric import Metric
from orchestrator.tasks.predictions import AnswerColumn, Difference, Label, Predictions
from orchestrator.tasks.target import TargetEncoder, TargetSummary

if TYPE_CHECKING:
    from torch import Tensor

    Loss = Callable[[Tensor, Tensor], Tensor]


class Task(Finishing, Measuring, ABC):
    """A kind of prediction. Tasks are frozen dataclasses: equal if all that is known of them is.

    Attributes:
        kind: its name, for users and in files.
        metrics: that it has, by name, in the order in which they are shown.
        notation: how target cells may be written otherwise than plainly, if they may.
        more_metrics: that are measured only where they are asked for.
        default_metric: what is optimised unless the user wants another one.
        sure_metric: one that all rows have, however few there are.
        tie_metric: what decides between epochs, and between trials, that are equally good by the metric; empty if
            nothing does.
        unmeasured: why another one may be missing, as a part of a sentence.
        target_type: dtype of encoded targets.
        classes: the labels in the order of the network's outputs; empty where numbers are predicted.
        own_options: names of what can be said about it besides its name, see `asked`.
    """

    kind: ClassVar[str]
    metrics: ClassVar[Mapping[str, Metric]]
    more_metrics: ClassVar[Mapping[str, Metric]] = {}
    default_metric: ClassVar[str]
    sure_metric: ClassVar[str]
    tie_metric: ClassVar[str] = ""
    unmeasured: ClassVar[str]
    target_type: ClassVar[type[np.generic]]
    notation: ClassVar[type[Notation] | None] = None
    own_options: ClassVar[tuple[str, ...]] = ()
    classes: tuple[Label, ...] = ()

    def __str__(self) -> str:
        return self.kind

    @property
    def value(self) -> str:
        """Its name, as of a member of an enumeration, which tasks once were."""
        return self.kind

    # ---- what a user asks for

    @classmethod
    def asked(cls, options: Mapping[str, Any]) -> Self:
        """The task with the options that a user gives; before any data is seen.

        Raises:
            ConfigError: it has no such option, or an option has a value that cannot be.
        """
        for name in options:
            raise ConfigError(f"a {cls.kind} task has no option '{name}'")
        return cls()

    def options(self) -> dict[str, Any]:
        """What `asked` makes the same task of, as plain JSON."""
        return {}

    # ---- what is known of it, in files

    def to_json(self) -> dict[str, Any]:
        """Plain JSON beside the task's kind, the inverse of `from_json`."""
        return {"classes": list(self.classes)}

    @classmethod
    @abstractmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuilds a task.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """

    # ---- the column that is predicted

    @classmethod
    def written(cls, raw: RawColumn) -> tuple[Notation | None, tuple[Note, ...]]:
        """How the cells of a column are written that is to be predicted, None if plainly, and what was guessed."""
        del raw
        return None, ()

    @classmethod
    def read_notation(cls, content: Mapping[str, Any]) -> Notation:
        """The inverse of `Notation.to_json`.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by it.
        """
        if cls.notation is None:
            raise ValueError(f"the target of a {cls.kind} task has no notation")
        return cls.notation.from_json(content)

    @classmethod
    @abstractmethod
    def recognises(cls, raw: RawColumn) -> bool:
        """Whether a column looks like this task; tasks are asked in the order of their registry."""

    @abstractmethod
    def found_in(self, raw: RawColumn, *, sampled: bool = False, asked: bool = False) -> Self:
        """The task with what only the column says, such as the classes.

        Args:
            raw: of all rows, or of some of them.
            sampled: they are some of many, so that what more rows may mend is no error yet.
            asked: whether the user has asked for this very task.

        Raises:
            DataError, UsageError: the column cannot be the target of this task.
        """

    def settled(self, origin: str, target: str, summary: TargetSummary, rows: int, *, asked: bool) -> Task:
        """After a pass over all rows: the task that `found_in` has found in a sample of them, with what that missed.

        Args:
            origin: of the data, with which the sentence of an error begins.
            target: name of the column.
            summary: of all rows.
            rows: that have a target.
            asked: whether the user has asked for this very task.

        Raises:
            DataError, UsageError: see `found_in`.
        """
        del origin, target, summary, rows, asked
        return self

    @abstractmethod
    def summarise(self, rows: Series, training: Series) -> TargetSummary:
        """Sums up target cells: of all rows that have one, and of the training rows among them."""

    @abstractmethod
    def content_of(self, series: Series) -> bytes:
        """The values of target cells, however they were written: what the digest of a data set is made of."""

    def strata(self, series: Series) -> NDArray[np.int64] | None:
        """Groups of rows of which each part of the data gets its share, int64 [rows]; None for none."""
        del series
        return None

    def encoder_notes(
        self, target: str, encoder: TargetEncoder, wish: TargetWish, validation: Series | None = None
    ) -> tuple[Note, ...]:
        """What the user should know about what was fitted on the target, also beside that of validation rows."""
        del target, encoder, wish, validation
        return ()

    def notes(self, target: str, strata: NDArray[np.int64] | None) -> tuple[Note, ...]:
        """What the user should know about these groups of the rows of a column."""
        del target, strata
        return ()

    def summary_notes(self, target: str, summary: TargetSummary) -> tuple[Note, ...]:
        """The same as `notes` about the rows of a folder, which are in groups of no kind."""
        del target, summary
        return ()

    def order_notes(self, target: str, strata: NDArray[np.int64] | None) -> tuple[Note, ...]:
        """The same about their order."""
        del target, strata
        return ()

    def summary_order_notes(self, target: str, summary: TargetSummary, changes: int) -> tuple[Note, ...]:
        """The same as `order_notes` about the rows of a folder, in which the target changes so often."""
        del target, summary, changes
        return ()

    def class_counts(self, summary: TargetSummary) -> NDArray[np.int64] | None:
        """Rows of each class, int64 [classes]; None where there are none."""
        del summary
        return None

    # ---- from cells to numbers

    def fit(self, training: Series, wish: TargetWish = BEFORE) -> TargetEncoder:
        """Fits on the target cells of training rows, with what the user says about a target of numbers.

        Raises:
            DataError: the target cannot be transformed as is wished.
        """
        del training
        return self.fit_summary(TargetSummary(), wish)

    def fit_summary(self, summary: TargetSummary, wish: TargetWish = BEFORE) -> TargetEncoder:
        """The same as `fit`, from a summary."""
        del summary, wish
        return TargetEncoder()

    @abstractmethod
    def encode(self, encoder: TargetEncoder, series: Series) -> NDArray[np.int64] | NDArray[np.float32]:
        """Target cells as numbers: `target_type` [rows].

        Raises:
            InvalidValueError, KeyError: a cell is none of the target's values.
        """

    # ---- training

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers a network computes for a row."""

    @abstractmethod
    def loss(self, smoothing: float = 0.0, *, each: bool = False) -> Loss:
        """loss(outputs [rows, outputs], encoded target [rows]) -> the sum over the rows, float32 scalar.

        Args:
            each: gives the loss of each row, float32 [rows], instead of their sum.
            smoothing: share of each label that is spread evenly over all classes (Szegedy et al. 2016); numbers have
                no classes, and are not changed.
        """

    @abstractmethod
    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """What a network computes that always answers the same, as well as it can: float32 [outputs].

        Args:
            target: encoded targets of some rows, to see how often each occurs.
        """

    @abstractmethod
    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """The outputs of which the answers are the mean of the answers of several networks.

        Args:
            encoder: of the target.
            outputs: float32 [networks, rows, outputs].

        Returns:
            float32 [rows, outputs].
        """

    def shares(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """What networks' answers are averaged in: the mean of it over networks is that of what `average` gives.

        Args:
            encoder: of the target.
            outputs: of a network, float32 [rows, outputs].

        Returns:
            float64 [rows, any].
        """
        del encoder
        return outputs.astype(np.float64)

    def unmeasured_in(self, target: NDArray[Any], name: str = "", encoder: TargetEncoder | None = None) -> str:
        """Why another metric than the sure one is missing, with what the encoded targets of all rows say of it.

        Args:
            target: encoded, [rows].
            name: of the metric.
            encoder: of the target.
        """
        del target, name, encoder
        return self.unmeasured

    def remedy(self, name: str) -> str:
        """What to do with rows for this metric, as an order."""
        del name
        return "add such rows"

    def tie(self, measured: Mapping[str, float]) -> float | None:
        """What decides between equally good epochs: smaller is better, None if it was not measured."""
        value = measured.get(self.tie_metric)
        return -value if value is not None and self.metrics[self.tie_metric].maximize else value

    # ---- answers

    @property
    @abstractmethod
    def answers(self) -> tuple[AnswerColumn, ...]:
        """What is said about each row; the first column is the answer in short."""

    @abstractmethod
    def predictions(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> Predictions:
        """What a network's outputs, float32 [rows, outputs], say about the rows."""

    @abstractmethod
    def answered_shares(self, encoder: TargetEncoder, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """What `shares` has given, of the answers that were made of it.

        Args:
            encoder: of the target.
            values: as `Predictions` has them.
        """

    @abstractmethod
    def difference(self, answers: Predictions, other: Predictions, tolerance: float = 0.0) -> Difference:
        """How far another model's answers are from these.

        Args:
            answers: to some rows.
            other: to the same rows.
            tolerance: numbers that are not further away than this count as the same.

        Returns:
            See there. Answers of another form differ in every row, by 1.
        """

    def scale(self, encoder: TargetEncoder) -> float | None:
        """The target's standard deviation, which is the unit of `difference`; None for labels and probabilities."""
        del encoder
        return None

    def changes(self, before: Task) -> Iterator[str]:
        """What those notice who read the answers of another version's task, as parts of a sentence."""
        if self.kind != before.kind:
            yield f"the task is {self.kind}, was {before.kind}"

    @property
    def title(self) -> str:
        """The task in words, with what was found in the data."""
        return self.kind


# a task that a user asks for: by name, by name with options, or as it is
TaskWish = str | Mapping[str, Any] | Task
