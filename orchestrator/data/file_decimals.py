"""Files that are one table, some of which have decimal commas and others points: each is read with its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.distinct import distinct_texts
from orchestrator.columns.names import same_names
from orchestrator.columns.notes import Note
from orchestrator.columns.number_inference import Cells, find_marks
from orchestrator.columns.number_notation import NumberNotation
from orchestrator.columns.raw_column import SAMPLE_ROWS, Beside, RawColumn
from orchestrator.columns.values import Series, arrow_texts
from orchestrator.features import KINDS, Column

NAMES = {".": "point", ",": "comma"}
# that of thousands is the other one
SWAPPED = str.maketrans(".,", ",.")
_OTHER = {".": ",", ",": "."}
# marks of one column, by the name of the file
Marks = dict[str, str]


# -- files to learn from -----------------------------------------------------------------------------------------------


def with_one_decimal(frames: Mapping[str, pd.DataFrame]) -> tuple[list[pd.DataFrame], list[tuple[Note, list[str]]]]:
    """The rows of files with the same decimal mark in all of them, the one that most rows have.

    Args:
        frames: the rows of each file, all with the same columns.

    Returns:
        frames: in their order.
        notes: what was done, with the names of the files.
    """
    found = dict(frames)
    notes: list[tuple[Note, list[str]]] = []
    if len(found) > 1:
        for column in _differing(frames):
            for name in column.changed:
                cells = column.without_thousands(name).str.translate(SWAPPED if name in column.others else {})
                found[name] = found[name].assign(**{column.name: cells})
            notes += column.notes
    return list(found.values()), notes


@dataclass(frozen=True, kw_only=True)
class _Differing:
    """A column that is written otherwise in some files.

    Attributes:
        name: of the column.
        cells: in each of the files.
        kept: the decimal mark that it gets in all of them.
        others: files in which it has the other one.
        grouped: files in which it has marks of thousands that could be decimal marks, and which ones.
    """

    name: str
    cells: Mapping[str, Series]
    kept: str
    others: list[str]
    grouped: Marks

    @property
    def changed(self) -> list[str]:
        """Files in which it is written anew."""
        return list(dict.fromkeys((*self.others, *self.grouped)))

    def without_thousands(self, file: str) -> Series:
        """Its cells in a file."""
        cells = self.cells[file]
        return cells.str.replace(self.grouped[file], "", regex=False) if file in self.grouped else cells

    @property
    def notes(self) -> list[tuple[Note, list[str]]]:
        """What is done, with the names of the files."""
        notes: list[tuple[Note, list[str]]] = []
        option = f"--categorical '{self.name}' reads its cells as categories"
        if self.others:
            why = f"has numbers with a decimal {NAMES[_OTHER[self.kept]]}, and with a {NAMES[self.kept]} in other files"
            notes.append(
                (Note(column=self.name, why=why, done="each file is read with its own", option=option), self.others)
            )
        for mark in sorted(set(self.grouped.values())):
            files = [name for name, its in self.grouped.items() if its == mark and name not in self.others]
            why = f"has a {NAMES[mark]} between thousands, as other columns have decimal {NAMES[_OTHER[mark]]}s"
            if files:
                notes.append((Note(column=self.name, why=why, done="read so", option=option), files))
        return notes


def _differing(frames: Mapping[str, pd.DataFrame]) -> Iterator[_Differing]:
    rows = {name: len(frame) for name, frame in frames.items()}
    files = {name: _columns_of(frame) for name, frame in frames.items()}
    of_files = {name: _only(raws[0].beside.decimals if raws else Counter()) for name, raws in files.items()}
    are_two = set(NAMES) <= set(of_files.values())
    for place, column in enumerate(map(str, next(iter(frames.values())).columns)):
        raws = {name: raws[place] for name, raws in files.items()}
        cells = {name: raw.series for name, raw in raws.items()}
        if not all(isinstance(series.dtype, pd.StringDtype) for series in cells.values()):
            continue
        found = {name: raw.decimal for name, raw in raws.items()}
        grouped: Marks = {}
        for name, mark in of_files.items():
            # 1.234 alone is what the other columns of its file say
            if are_two and mark and found[name] is None and _has(cells[name], "[.,]") and _are_numbers(raws[name]):
                found[name] = mark if _has(cells[name], f"[{mark}]") else None
                if _has(cells[name], f"[{_OTHER[mark]}]"):
                    grouped[name] = _OTHER[mark]
        if len(set(filter(None, found.values()))) < len(NAMES) and not grouped:
            continue
        marks = {name: mark for name, mark in found.items() if mark is not None and _are_numbers(raws[name])}
        kept = _most(marks, rows) or "."
        others = [name for name, mark in marks.items() if mark != kept]
        if others or grouped:
            yield _Differing(name=column, cells=cells, kept=kept, others=others, grouped=grouped)


def _columns_of(frame: pd.DataFrame) -> list[RawColumn]:
    beside = Beside()
    raws = [RawColumn("", frame[name], beside=beside) for name in frame.columns]
    beside.extend(raws)
    return raws


def _only(decimals: Counter[str | None]) -> str | None:
    marks = [mark for mark in NAMES if decimals[mark]]
    return marks[0] if len(marks) == 1 else None


def _most(marks: Marks, rows: Mapping[str, int]) -> str | None:
    counts = Counter[str]()
    for name, mark in marks.items():
        counts[mark] += rows[name]
    return counts.most_common(1)[0][0] if counts else None


def _are_numbers(raw: RawColumn) -> bool:
    reading = raw.number_reading
    return raw.numbers is not None if reading is None else reading.notation is not None


def _has(series: Series, pattern: str) -> bool:
    some = arrow_texts(series.iloc[:SAMPLE_ROWS])
    return bool(pc.any(pc.match_substring_regex(some, pattern)).as_py())


# -- files to answer ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnDecimals:
    """How the numbers of a file are read that has another decimal mark than those that a model has learned from.

    Attributes:
        notations: of each column with another one, by its name in the file.
        notes: what is done.
    """

    notations: Mapping[str, NumberNotation]
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, columns: Iterable[Column], frame: pd.DataFrame) -> OwnDecimals:
        """Finds out.

        Args:
            columns: of the model.
            frame: rows of the file, the first ones at least.
        """
        numbers = [column for column in columns if "decimal" in KINDS[column.kind].follows]
        names = same_names([column.name for column in numbers], list(map(str, frame.columns)))
        known = {
            names[column.name]: notation
            for column in numbers
            if column.name in names and (notation := _notation_of(column)) is not None
        }
        texts = [name for name in known if isinstance(frame[name].dtype, pd.StringDtype)]
        # in most files nothing is to be seen
        seen = {mark for mark in NAMES if any(_has(frame[name], f"[{mark}]") for name in texts)}
        if all(seen <= {known[name].decimal} for name in texts):
            return cls({})
        raws = _columns_of(frame[texts].iloc[:SAMPLE_ROWS])
        found = {raw.name: _own(raw, known[raw.name]) for raw in raws}
        notations = {name: notation for name, notation in found.items() if notation is not None}
        return cls(notations, tuple(_note(name, notation) for name, notation in notations.items()))

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of the file with numbers in the place of such texts; a column with others stays, and is refused."""
        found = {}
        for name, notation in self.notations.items():
            distinct = distinct_texts(frame[name])
            numbers, read = notation.read_texts(distinct.texts.cast(pa.string()))
            if read.all():
                missing = pd.Series([*numbers, float("nan")], dtype="float64")
                found[name] = pd.Series(missing.to_numpy()[distinct.codes], index=frame.index)
        return frame.assign(**found) if found else frame


def _notation_of(column: Column) -> NumberNotation | None:
    """None of a column that has answers of a form."""
    if column.notation is None:
        return NumberNotation()
    found = column.notation if isinstance(column.notation, NumberNotation) else None
    return None if found is None or found.values else found


def _own(raw: RawColumn, known: NumberNotation) -> NumberNotation | None:
    """How a column of a file is read, if that is sure, and otherwise than as the model's; else None."""
    if not _has(raw.series, "[.,]") or (cells := Cells.of(raw.series)) is None:
        return None
    marks = find_marks(cells, None, raw.decimal_elsewhere)
    if marks is None or marks.refusal or (marks.doubtful is not None and not marks.elsewhere):
        return None
    found = marks.notation
    return None if found.decimal == known.decimal else replace(known, decimal=found.decimal, thousands=found.thousands)


def _note(column: str, notation: NumberNotation) -> Note:
    its, other = NAMES[notation.decimal], NAMES[notation.other_mark]
    why = f"has numbers with a decimal {its}, and the model has learned from those with a {other}"
    return Note(column=column, why=why, done="the file is read with its own")
