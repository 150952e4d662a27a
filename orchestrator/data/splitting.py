"""The parts of a table's rows: what columns and files say of them, the rest drawn, equal rows on one side."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.rows_wish import AUTO
from orchestrator.columns.values import Series, is_missing, shorten
from orchestrator.data.dataset import DataOptions
from orchestrator.data.guessing import FoundTarget, RawColumns
from orchestrator.data.sources import Table
from orchestrator.data.splits import Positions
from orchestrator.data.splits.drawing import parts_of, split_rows
from orchestrator.data.splits.equal import drawn_apart, equal_rows, keep_together, overlap_notes
from orchestrator.data.splits.folds import Folded, fold_rows, number_of_folds
from orchestrator.data.splits.marks import PART_WORDS, TRAIN, VALIDATION, RowMarks, read_marks, uneven_note
from orchestrator.errors import DataError, UsageError

PART_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Parted:
    """How the rows of a table with a target are split.

    Attributes:
        split: their parts.
        marks: what else is known of them.
        equal: see `equal_rows`; None if that was not looked for.
        usual: whether it is the split that a table has of which nothing is said.
        notes: what the user should know.
        folded: the rows that are not tested on, in folds; None for a single split.
    """

    split: Positions
    marks: RowMarks
    equal: NDArray[np.int64] | None
    usual: bool
    notes: tuple[Note, ...]
    folded: Folded | None = None

    @property
    def training(self) -> NDArray[np.int64]:
        """The rows that are fitted on; with folds all but the test rows."""
        return self.split.train if self.folded is None else self.folded.order

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """What each row counts, 1 in the mean over the training rows; None if all count the same."""
        weights = self.marks.weights
        return None if weights is None else weights / weights[self.training].mean()

    def add_content(self, state: hashlib._Hash) -> None:
        """Adds the split to a digest, unless it is the usual one, which follows from the rows."""
        if not self.usual:
            state.update(parts_of(self.split).tobytes())
        if self.folded is not None:
            state.update(self.folded.order.tobytes() + repr(self.folded.folds).encode())
        if self.marks.weights is not None:
            state.update(self.marks.weights.tobytes())


def split_table(table: Table, options: DataOptions, found: FoundTarget, strata: NDArray[np.int64] | None) -> Parted:
    """Splits the rows of a table.

    Args:
        table: that was settled, with the rows of all files.
        options: what is said about rows.
        found: which of them have a target.
        strata: of these.

    Raises:
        DataError: they cannot be split so, or a part would have no rows, or classes that are not trained on.
    """
    wish = options.rows
    marks, notes = _marks(table, options, found.known)
    if marks.times is not None and np.isnan(marks.times).any():
        raise _no_time(table, str(wish.time), int(found.known[np.isnan(marks.times)][0]))
    drawn = split_rows(table.origin, options.split, strata, marks, len(found.known))
    split = drawn
    if marks.parts is not None:
        _check_given(table.origin, options, parts_of(split), marks)
        _check_classes(table.origin, options, parts_of(split), found.labels, strata)
    equal: NDArray[np.int64] | None = None
    apart: tuple[Note, ...] = ()
    # scikit-learn's own data sets keep the split that everybody knows
    if wish.equal_rows != "apart" and table.default_target is None:
        equal = equal_rows(table.frame.drop(columns=_unlike(options)), found.known)
        if marks.parts is None and marks.groups is None and marks.times is None:
            split, more = keep_together(drawn, equal, strata)
        else:
            more = overlap_notes(table.origin, split, equal) if marks.parts is not None else ()
            apart = drawn_apart(split, equal) if marks.parts is not None and wish.equal_rows == AUTO else ()
        notes += more
    if wish.group is not None and marks.parts is None:
        notes += uneven_note(wish.group, [len(getattr(split, name)) for name in PART_NAMES])
    _check_weights(table.origin, options, split, marks)
    usual = marks.parts is None and marks.groups is None and marks.times is None and split is drawn
    parted = Parted(split=split, marks=marks, equal=equal, usual=usual, notes=notes)
    return _in_folds(table, options, parted, strata, apart)


def _in_folds(
    table: Table,
    options: DataOptions,
    parted: Parted,
    strata: NDArray[np.int64] | None,
    apart: tuple[Note, ...],
) -> Parted:
    parts, wish = parted.marks.parts, options.rows
    given = parts is not None and bool((parts == VALIDATION).any())
    if given and wish.has_folds:
        raise UsageError(
            f"{table.origin}: --folds: the column '{wish.split_column}' says which rows validate, and with folds all "
            "but the test rows do; leave out one"
        )
    split = parted.split
    count = 1 if given else number_of_folds(wish.folds, len(split.train) + len(split.validation), options.fold_rows)
    if count == 1:
        return parted
    try:
        folded, notes = fold_rows(
            table.origin,
            count,
            np.sort(np.concatenate([split.train, split.validation])),
            marks=parted.marks,
            strata=strata,
            equal=None if apart else parted.equal,
            seed=options.split.seed,
        )
    except DataError:
        # too few rows for folds are rows enough for one split
        if wish.folds == AUTO:
            return parted
        raise
    return replace(parted, folded=folded, notes=(*parted.notes, *apart, *notes))


def _unlike(options: DataOptions) -> list[str]:
    # what says the part of a row says nothing else about it
    return [] if options.rows.split_column is None else [options.rows.split_column]


def _marks(table: Table, options: DataOptions, known: NDArray[np.int64]) -> tuple[RowMarks, tuple[Note, ...]]:
    wish = options.rows
    raw = {} if wish.time is None and wish.weight is None else RawColumns.of(table, options).named
    marks, notes = read_marks(table.origin, table.frame, wish, raw)
    if table.parts is not None:
        marks = replace(marks, parts=table.parts)
    return marks.take(known), notes


def _no_time(table: Table, name: str, row: int) -> DataError:
    cell = table.frame[name].iloc[row]
    what, remedy = f"is empty in row {row + 1}", "fill it, or leave the row out"
    if not is_missing(cell):
        what = f"has {shorten(cell)} in row {row + 1}, which stands for no time there"
        remedy = f"leave the row out, or read it as the time that it is with --value '{name}={cell}'"
    return DataError(
        f"{table.origin}: the column '{name}' (--time) {what}, so that the row is neither early nor late; {remedy}"
    )


def _check_given(origin: str, options: DataOptions, parts: NDArray[np.int8], marks: RowMarks) -> None:
    for part, path in options.rows.files.items():
        if marks.parts is None or not (marks.parts == PART_WORDS[part]).any():
            raise DataError(f"--{part} {path}: no row has a value for the target '{options.target}'")
    for number, name in enumerate(PART_NAMES):
        if not (parts == number).any():
            raise DataError(f"{origin}: there is no row to {'train' if number == TRAIN else name} on; give some")
        if number == TRAIN or marks.groups is None:
            continue
        shared = np.intersect1d(marks.groups[parts == number], marks.groups[parts == TRAIN])
        if len(shared):
            raise DataError(
                f"{origin}: {len(shared):,} groups of '{options.rows.group}' are in the {name} rows and in the "
                "training rows; give files without common groups, or leave out --group"
            )


def _check_classes(
    origin: str, options: DataOptions, parts: NDArray[np.int8], labels: Series, strata: NDArray[np.int64] | None
) -> None:
    if strata is None:
        return
    rows = np.flatnonzero(np.isin(strata, np.setdiff1d(strata, strata[parts == TRAIN])))
    if len(rows):
        part = PART_NAMES[parts[rows[0]]]
        path = options.rows.files.get(part)
        where = origin if path is None else f"--{part} {path}"
        raise DataError(
            f"{where}: {rows_text(len(rows))} of the {part} part of a class that no training row has, such as "
            f"'{labels.iloc[rows[0]]}'; a network cannot learn it: leave such rows out"
        )


def _check_weights(origin: str, options: DataOptions, split: Positions, marks: RowMarks) -> None:
    if marks.weights is None:
        return
    for name in PART_NAMES:
        if not marks.weights[getattr(split, name)].any():
            raise DataError(
                f"{origin}: the column '{options.rows.weight}' (--weight) is 0 in all {name} rows, so that nothing "
                "counts there"
            )
