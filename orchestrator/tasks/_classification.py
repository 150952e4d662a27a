"""What tasks share that predict one label of several."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.code_notation import CodeNotation, whole_key
from orchestrator.columns.codes import are_fractions, why_code
from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.target_wish import AUTO, BEFORE, TargetWish
from orchestrator.columns.values import Series, category_content, category_key, category_keys
from orchestrator.errors import DataError
from orchestrator.tasks._base import Task
from orchestrator.tasks._scores import CLASSIFICATION, OF_LABELS, OF_PROBABILITIES, row_counts
from orchestrator.tasks._temperature import CalibrationRows, Temperature, calibrate
from orchestrator.tasks.metric import Metric, by_name
from orchestrator.tasks.own_metric import is_own
from orchestrator.tasks.predictions import AnswerColumn, Difference, Label, Predictions, shapes_differ
from orchestrator.tasks.target import TargetEncoder, TargetSummary

# a code such as 007 is a name: only what survives the round trip is a number
WHOLE_LABEL = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
MAX_CLASSES = 1000
MAX_INTEGER_CLASSES = 20
# fewer rows than this do not show that almost every row has a class of its own
MIN_IDENTIFIER_ROWS = 20
MIN_CLASS_ROWS = 3
# of fewer rows one or two are measured, which are right or wrong by chance
MIN_MEASURED_ROWS = 10
# changes of the class from row to row, of those that rows in random order have
SORTED_SHARE = 0.1
SHOWN = 5


@dataclass(frozen=True)
class Classification(Task):
    """One label of several.

    Attributes:
        classes: the labels in the order of the network's outputs; empty before a column was seen.
    """

    metrics: ClassVar[Mapping[str, Metric]] = by_name(
        Metric("accuracy", maximize=True),
        Metric("balanced_accuracy", maximize=True),
        Metric("f1", maximize=True),
        Metric("roc_auc", maximize=True),
        Metric("log_loss", maximize=False),
    )
    more_metrics: ClassVar[Mapping[str, Metric]] = by_name(
        Metric("mcc", maximize=True),
        Metric("average_precision", maximize=True),
        Metric("brier", maximize=False),
        Metric("quadratic_kappa", maximize=True),
    )
    sure_metric: ClassVar[str] = "accuracy"
    tie_metric: ClassVar[str] = "log_loss"
    unmeasured: ClassVar[str] = "the validation part has only one class"
    target_type: ClassVar[type[np.generic]] = np.int64
    notation: ClassVar[type[Notation] | None] = CodeNotation
    most_classes: ClassVar[int] = MAX_CLASSES

    classes: tuple[Label, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Task`."""
        classes = tuple(content["classes"])
        kinds = set(map(type, classes))
        distinct = len(set(map(str, classes))) == len(classes)
        if len(kinds) != 1 or not kinds <= {str, int, bool} or not distinct or not cls.takes(len(classes)):
            raise ValueError("its classes are not those of its task")
        return cls(classes)

    @classmethod
    def takes(cls, count: int) -> bool:
        """Whether the task can have so many classes."""
        return count > 1

    @classmethod
    def written(cls, raw: RawColumn) -> tuple[Notation | None, tuple[Note, ...]]:
        """See `Task`: labels in several spellings, and words such as "None" that are a class."""
        could_be_numbers = raw.number_error is None
        if could_be_numbers and len(raw.label_counts) <= MAX_INTEGER_CLASSES:
            # few whole numbers are classes in any case
            could_be_numbers = are_fractions(raw.label_counts)
        why = why_code(raw) if could_be_numbers else None
        if why is None:
            return raw.labels.notation, raw.labels.notes
        note = Note(column=raw.name, why=why, done="its values are classes", option="--task regression reads numbers")
        return raw.labels.notation, (note, *raw.labels.notes)

    def found_in(self, raw: RawColumn, *, sampled: bool = False, asked: bool = False) -> Self:
        """See `Task`."""
        present = distinct_labels(raw.counts)
        # more rows have no fewer classes
        if not sampled or len(present) > self.most_classes:
            self.check(raw.origin, raw.name, present, raw.rows, asked=asked)
        return replace(self, classes=sorted_labels(present, truth_values=raw.has_truth_values))

    def settled(self, origin: str, target: str, summary: TargetSummary, rows: int, *, asked: bool) -> Task:
        """See `Task`."""
        labels = sorted(summary.labels)
        # more than that in the sample are classes by their type or as codes, and not because they are few
        were_few = len(self.classes) <= MAX_INTEGER_CLASSES and all(isinstance(label, int) for label in self.classes)
        if not asked and len(labels) > MAX_INTEGER_CLASSES and were_few:
            raise DataError(
                f"{origin}: the target column '{target}' looked like classes in a sample, but has "
                f"{len(labels)} different numbers; say --task regression or --task multiclass"
            )
        self.check(origin, target, labels, rows, asked=asked)
        # (0, 1) == (False, True) in Python
        truth_values = all(isinstance(label, bool) for label in self.classes) and set(labels) <= {"false", "true"}
        return replace(self, classes=sorted_labels(labels, truth_values=truth_values))

    def check(self, origin: str, target: str, present: list[str], rows: int, *, asked: bool) -> None:
        """Raises DataError, or UsageError, if the labels (keys) cannot be classes of the task.

        Many classes are no mistake of somebody who has asked for this very task.
        """
        if len(present) == 1:
            raise DataError(
                f"{origin}: the target column '{target}' has only one class ({present[0]}); there is nothing to learn"
            )
        many = len(present) > MAX_CLASSES or (len(present) > MIN_IDENTIFIER_ROWS and len(present) > rows / 2)
        if many and not asked:
            raise DataError(
                f"{origin}: the target column '{target}' has {len(present)} different values in {rows} rows, "
                "too many to be classes; is it the right column? If it is, say --task multiclass"
            )

    def summarise(self, rows: Series, training: Series) -> TargetSummary:
        """See `Task`."""
        del training
        codes, keys = self._keys(rows)
        counts = np.bincount(codes, minlength=len(keys))
        return TargetSummary({key: int(count) for key, count in zip(keys, counts, strict=True) if key is not None})

    def content_of(self, series: Series) -> bytes:
        """See `Task`."""
        return category_content(*self._keys(series))

    def strata(self, series: Series) -> NDArray[np.int64] | None:
        """See `Task`: the classes."""
        return self.encode(TargetEncoder(), series)

    def notes(self, target: str, strata: NDArray[np.int64] | None) -> tuple[Note, ...]:
        """See `Task`."""
        if strata is None:
            return ()
        found = dict(zip(map(str, self.classes), np.bincount(strata, minlength=len(self.classes)), strict=True))
        rare = [label for label, count in found.items() if count < MIN_CLASS_ROWS]
        few = _few_rows(target, {label: count for label, count in found.items() if count >= MIN_CLASS_ROWS})
        if not rare:
            return few
        why = f"has fewer than {MIN_CLASS_ROWS} rows for class {', '.join(rare[:SHOWN])}"
        return (Note(column=target, why=why, done="such rows are used for training only"), *few)

    def summary_notes(self, target: str, summary: TargetSummary) -> tuple[Note, ...]:
        """See `Task`."""
        # merged in any order
        return _few_rows(target, dict(sorted(summary.labels.items())))

    def order_notes(self, target: str, strata: NDArray[np.int64] | None) -> tuple[Note, ...]:
        """See `Task`: where a row is must not say what it is, since columns that grow with the rows would."""
        if strata is None:
            return ()
        return _order_notes(target, np.bincount(strata), int(np.count_nonzero(strata[1:] != strata[:-1])))

    def summary_order_notes(self, target: str, summary: TargetSummary, changes: int) -> tuple[Note, ...]:
        """See `Task`."""
        return _order_notes(target, self.class_counts(summary), changes)

    def class_counts(self, summary: TargetSummary) -> NDArray[np.int64]:
        """See `Task`."""
        return np.array([summary.labels.get(_key_of(label), 0) for label in self.classes], np.int64)

    def encode(self, encoder: TargetEncoder, series: Series) -> NDArray[np.int64]:
        """See `Task`: the position of each label among the classes."""
        del encoder
        codes, keys = self._keys(series)
        table: dict[str | None, int] = {_key_of(label): code for code, label in enumerate(self.classes)}
        return np.array([table[key] for key in keys], dtype=np.int64)[codes]

    def _keys(self, series: Series) -> tuple[NDArray[np.int64], list[str | None]]:
        """See `category_keys`; where the classes are whole numbers, 7.0 is 7."""
        return category_keys(series, _whole_key if type(self.classes[0]) is int else None)

    def unmeasured_in(self, target: NDArray[Any], name: str = "", encoder: TargetEncoder | None = None) -> str:
        """See `Task`: the class that has too few rows."""
        del name, encoder
        counts = np.bincount(target.astype(np.int64), minlength=len(self.classes))
        least = int(counts.argmin())
        if counts[least] >= MIN_CLASS_ROWS:
            drawn = f"none of the {rows_text(int(counts[least]))} of class '{self.classes[least]}' was drawn for it"
            return f"{self.unmeasured}; {drawn}; say with --split-column COLUMN which rows to validate on"
        return (
            f"{self.unmeasured}; the class '{self.classes[least]}' has {rows_text(int(counts[least]))}, and at least "
            f"{MIN_CLASS_ROWS} are needed: one each to train, validate and test on"
        )

    @abstractmethod
    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the outputs, float32 [rows, outputs], say about classes: float64 [rows, classes], rows summing to 1."""

    def fit_summary(self, summary: TargetSummary, wish: TargetWish = BEFORE) -> TargetEncoder:
        """See `Task`.

        Raises:
            DataError: a transform is wished for.
        """
        if wish.target_transform not in (AUTO, BEFORE.target_transform):
            raise DataError(
                f"--target-transform {wish.target_transform}: only numbers are transformed, and a {self.kind} task "
                "predicts labels; leave it out"
            )
        return super().fit_summary(summary, wish)

    def shares(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Task`: probabilities."""
        del encoder
        return self.probabilities(outputs)

    def answered_shares(self, encoder: TargetEncoder, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """See `Task`."""
        del encoder
        return np.asarray(values["probabilities"], np.float64)

    def score(
        self,
        name: str,
        encoder: TargetEncoder,
        shares: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> float | None:
        """See `Task`."""
        counts = row_counts(target, weight)
        if name in OF_LABELS:
            shares = np.eye(shares.shape[1])[self.said(encoder, shares)]
        return CLASSIFICATION[name](target.astype(np.int64), shares, counts)

    def named(self, encoder: TargetEncoder, shares: NDArray[np.float64], target: NDArray[Any]) -> dict[str, Any]:
        """See `Task`."""
        labels = np.array(self.classes)
        said = self.said(encoder, shares)
        return {"target": labels[target.astype(np.int64)], "prediction": labels[said], "probabilities": shares}

    def said(self, encoder: TargetEncoder, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which class each row is said to be of, by their probabilities, float64 [rows, classes]."""
        del encoder
        likeliest: NDArray[np.int64] = shares.argmax(axis=1)
        return likeliest

    def calibrate(
        self, outputs: NDArray[np.float32], target: NDArray[Any], weight: NDArray[np.float64] | None = None
    ) -> Temperature:
        """See `Task`."""
        counts = row_counts(target, weight)
        return calibrate(CalibrationRows(self.probabilities, outputs, target.astype(np.int64), counts))

    def follows_temperature(self, name: str) -> bool:
        """See `Task`."""
        return name in OF_PROBABILITIES or is_own(name)

    def log_shares(self, target: NDArray[Any]) -> NDArray[np.float64]:
        """The logarithm of the share of each class among encoded targets, float64 [classes]."""
        # no share is nothing, which would be infinitely wrong once
        counts = np.bincount(target.astype(np.int64), minlength=len(self.classes)) + 1.0
        shares: NDArray[np.float64] = np.log(counts / counts.sum())
        return shares

    @cached_property
    def answers(self) -> tuple[AnswerColumn, ...]:
        """See `Task`."""
        return (
            AnswerColumn(name="label", labels=self.classes),
            AnswerColumn(
                name="probabilities",
                parts=self.classes,
                parts_name="classes",
                part_name="probability",
                bounds=(0, 1),
            ),
        )

    def predictions(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> Predictions:
        """See `Task`."""
        shares, classes = self.probabilities(outputs), self.classes
        labels = [classes[code] for code in self.said(encoder, shares)]
        return Predictions(self.answers, {"label": labels, "probabilities": shares})

    def difference(self, answers: Predictions, other: Predictions, tolerance: float = 0.0) -> Difference:
        """See `Task`: rows with another label, and how far probabilities are apart."""
        del tolerance
        if shapes_differ(answers, other):
            return Difference(len(answers), float(len(answers)), 1.0)
        mine, theirs = (np.asarray(found.values["probabilities"]) for found in (answers, other))
        distances = np.abs(mine - theirs).max(axis=1, initial=0.0)
        labels = zip(answers.values["label"], other.values["label"], strict=True)
        changed = sum(one != another for one, another in labels)
        return Difference(changed, float(distances.sum()), float(distances.max(initial=0.0)))

    def changes(self, before: Task) -> Iterator[str]:
        """See `Task`."""
        yield from super().changes(before)
        if self.kind == before.kind and _typed(self.classes) != _typed(before.classes):
            yield f"the classes are {_listed(self.classes)}, were {_listed(before.classes)}"


def _order_notes(target: str, counts: NDArray[np.int64], changes: int) -> tuple[Note, ...]:
    """Says that rows are sorted by their class, if that changes far less often than by chance."""
    rows = int(counts.sum())
    if not rows or changes > SORTED_SHARE * rows * float(1 - ((counts / rows) ** 2).sum()):
        return ()
    times = "once" if changes == 1 else f"{changes} times"
    note = Note(
        column=target,
        why=f"changes {times} in {rows} rows, so the rows are sorted by it",
        done="training, validation and test rows are drawn at random",
        option="--ignore COLUMN leaves out a column that follows the order of the rows, which would give it away",
    )
    return (note,)


def _few_rows(target: str, counts: Mapping[str, int]) -> tuple[Note, ...]:
    """Says which classes have so few rows that figures about them mean nothing, from the rows of each label."""
    few = [(label, count) for label, count in counts.items() if count < MIN_MEASURED_ROWS]
    if not few:
        return ()
    shown = " and ".join(f"{rows_text(count)} of class '{label}'" for label, count in few[:SHOWN])
    more = f" and few of {len(few) - SHOWN} more classes" if len(few) > SHOWN else ""
    note = Note(
        column=target,
        why=f"has only {shown}{more}",
        done=f"figures about a class with fewer than {MIN_MEASURED_ROWS} rows, such as roc_auc, are chance",
        option="add rows, choose by --metric log_loss, or leave out the rows of the class",
    )
    return (note,)


def distinct_labels(keys: Iterable[str]) -> list[str]:
    """The labels among the keys of a target's cells: if all are whole numbers, 7, 7.0 and +7 are one of them."""
    found = list(keys)
    whole = list(map(whole_key, found))
    return list(dict.fromkeys(whole)) if all(map(WHOLE_LABEL.fullmatch, whole)) else found


def _whole_key(cell: object) -> str | None:
    key = category_key(cell)
    return None if key is None else whole_key(key)


def _key_of(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def sorted_labels(present: list[str], *, truth_values: bool) -> tuple[Label, ...]:
    """The labels of a target in the order of the network's outputs, from their keys."""
    if truth_values:
        return (False, True)
    if all(map(WHOLE_LABEL.fullmatch, present)):
        return tuple(sorted(int(key) for key in present))
    return tuple(sorted(present))


def _typed(classes: tuple[Label, ...]) -> list[tuple[type, Label]]:
    # 1 and True are equal, and are other JSON; the order is that of the probabilities
    return [(type(label), label) for label in classes]


def _listed(classes: tuple[Label, ...]) -> str:
    shown = ", ".join(map(repr, classes[:SHOWN]))
    return f"{shown} and {len(classes) - SHOWN} more" if len(classes) > SHOWN else shown
