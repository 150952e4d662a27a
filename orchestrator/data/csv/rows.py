"""The rows below the header: read by pyarrow; those that have another length are judged one by one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import pyarrow as pa
import pyarrow.csv as pa_csv

from orchestrator.columns.notes import Note
from orchestrator.data.csv.dialect import Dialect
from orchestrator.data.csv.header import Layout
from orchestrator.errors import DataError

BLOCK = 1 << 22
# what databases write below the rows of a query
ROW_COUNT = re.compile(r"\(?\d+ (rows?|records?|tuples?)( (affected|returned|selected|in set))?\)?\.?", re.IGNORECASE)
TOTALS = """
total totals totales totali totais sum sums summe summen gesamt gesamtsumme endsumme insgesamt subtotal
somme suma totale totaal toplam итого всего
合計 總計 总计 average mean avg durchschnitt mittelwert moyenne media
"""
TOTAL_WORDS = frozenset(TOTALS.split()) | {"grand total", "sub total", "total general", "total général", "sum total"}


class Reason(StrEnum):
    """Why a line is no row, or not as it stands."""

    COMMENT = "begins with #"
    HEADER = "repeats the header line"
    ABOVE = "repeats what stands above the rows"
    EMPTY = "holds no value"
    TOTAL = "holds totals or counts"
    CUT = "ends with more delimiters than the header line"


@dataclass
class Passed:
    """Lines that are no rows.

    Attributes:
        counts: how many there are, by reason.
        first: where the first is.
    """

    counts: dict[Reason, int] = field(default_factory=dict)
    first: dict[Reason, int] = field(default_factory=dict)

    def add(self, reason: Reason, line: int, count: int = 1) -> None:
        """Notes some of them, of which the first is at a line."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.first[reason] = min(line, self.first.get(reason, line))

    def notes(self) -> tuple[Note, ...]:
        """A sentence for each reason."""
        return tuple(self._note(reason) for reason in self.counts)

    def _note(self, reason: Reason) -> Note:
        count, line = self.counts[reason], self.first[reason]
        if count == 1:
            why = f"line {line} {reason}"
        else:
            verb, _, rest = str(reason).partition(" ")
            plural = {"has": "have"}.get(verb, verb.removesuffix("s"))
            why = f"{count:,} lines {plural} {rest} (the first is line {line})"
        done = "the empty cells at the end are left out" if reason is Reason.CUT else "passed over"
        return Note(why=why, done=done)


@dataclass(frozen=True, kw_only=True)
class CsvLimits:
    """What a file may need at most, where it comes from strangers.

    Attributes:
        columns: that it has.
        passed: lines of another length that are passed over or mended, each of which is looked at.
    """

    columns: int
    passed: int


@dataclass(frozen=True, kw_only=True)
class Body:
    """What a file holds below its header.

    Attributes:
        origin: what messages call the file.
        content: of the whole file, UTF-8.
        start: where the rows begin in it.
        dialect, layout: how they are written.
        limits: of what is read.
    """

    origin: str
    content: bytes
    start: int
    dialect: Dialect
    layout: Layout
    limits: CsvLimits | None = None

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.layout.names)

    @cached_property
    def text(self) -> pa.Buffer:
        """The rows, as pyarrow can read them: with as many line breaks as in the file."""
        whole = pa.py_buffer(self.content)
        rest = whole.slice(self.start)
        if self.dialect.joins_blanks:
            return pa.py_buffer(re.sub(rb"(?m)^ +| +(?=\r?$)", b"", re.sub(rb" +", b" ", rest.to_pybytes())))
        if self.dialect.skips_blanks:
            mark, quote = self.dialect.delimiter.encode(), self.dialect.quote.encode()
            return pa.py_buffer(
                re.sub(rb"(^|" + re.escape(mark) + rb") +" + quote, rb"\1" + quote, rest.to_pybytes(), flags=re.M)
            )
        return rest

    @property
    def is_plain(self) -> bool:
        """Whether there is no quote, so that each line is a row."""
        return self.content.find(self.dialect.quote.encode(), self.start) < 0


@dataclass(frozen=True)
class Rows:
    """What was read.

    Attributes:
        table: texts; the names of its columns are their places.
        text: of which it was read.
        passed: lines that are not in it.
    """

    table: pa.Table
    text: pa.Buffer
    passed: Passed

    @cached_property
    def lines(self) -> int:
        """How many lines the text has."""
        text = self.text.to_pybytes()
        return int(text.count(b"\n") or text.count(b"\r")) + (not text.endswith((b"\n", b"\r")))


class _Judge:
    """Decides about rows of another length than the header."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._header = _without_end(body.layout.header)
        self.judged: list[tuple[str, Reason | str]] = []
        self.refused: pa_csv.InvalidRow | None = None

    def __call__(self, row: pa_csv.InvalidRow) -> str:
        """For pyarrow: `skip` or `error`."""
        limits = self._body.limits
        found = self._reason(row.text)
        if found is None or (limits is not None and len(self.judged) >= limits.passed):
            self.refused = self.refused or row
            return "error"
        self.judged.append((row.text, found))
        return "skip"

    def _reason(self, text: str) -> Reason | str | None:
        """Why it is no row, or the row as it should be, or None."""
        layout, width = self._body.layout, self._body.width
        cells = [cell.strip() for cell in next(iter(self._body.dialect.split(io.StringIO(text, newline=""))), [])]
        if not any(cells):
            return Reason.EMPTY
        if cells[0].startswith("#"):
            return Reason.COMMENT
        if _without_end(cells) == self._header:
            return Reason.HEADER
        if tuple(cells) in layout.above:
            return Reason.ABOVE
        mark = self._body.dialect.delimiter
        if len(cells) > width and not any(cells[width:]):
            for _ in range(len(cells) - width):
                text = text[: text.rindex(mark)]
            return text
        if layout.named <= len(cells) < width:
            return text + mark * (width - len(cells))
        if is_total(next(filter(None, cells))) or ROW_COUNT.fullmatch(cells[0]):
            return Reason.TOTAL
        return None


def is_total(cell: str) -> bool:
    """Whether it is what people write before totals."""
    return cell.strip().removesuffix(":").lower() in TOTAL_WORDS


def _without_end(cells: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    count = len(cells)
    while count and not cells[count - 1]:
        count -= 1
    return tuple(cells[:count])


def read_rows(body: Body) -> Rows:
    """Reads all rows.

    Raises:
        DataError: a row is too long or too short, and nothing says for sure what is meant.
    """
    judge = _Judge(body)
    try:
        table = _parse(body, body.text, judge, use_threads=True)
    except pa.ArrowException:
        table = None
    if table is not None and not judge.judged:
        return Rows(table, body.text, Passed())
    return _read_in_order(body)


def _read_in_order(body: Body) -> Rows:
    """Once more with one thread, in the order of the file, to find out which lines they are."""
    judge = _Judge(body)
    table = None
    try:
        table = _parse(body, body.text, judge, use_threads=False)
    except pa.ArrowException as error:
        if judge.refused is None:
            raise DataError(f"{body.origin}: cannot be read as CSV ({str(error).splitlines()[0]})") from None
    text = body.text.to_pybytes()
    places, end = [], 0
    for line, found in judge.judged:
        place, end = _find_line(text, line, end)
        places.append((place, end, found))
    if judge.refused is not None or table is None:
        raise _refusal(body, text, judge.refused, end)
    passed = Passed()
    for place, stop, found in places:
        if isinstance(found, Reason):
            passed.add(found, _line(body, text, place))
        elif len(found.encode("utf-8")) < stop - place:
            passed.add(Reason.CUT, _line(body, text, place))
    _check_totals(body, text, [(place, stop) for place, stop, found in places if found is Reason.TOTAL])
    mended = [(place, stop, found) for place, stop, found in places if not isinstance(found, Reason)]
    if mended:
        pieces, end = [], 0
        for place, stop, found in mended:
            pieces += [text[end:place], found.encode("utf-8")]
            end = stop
        text = b"".join([*pieces, text[end:]])
        table = _parse(body, pa.py_buffer(text), _Judge(body), use_threads=False)
    return Rows(table, pa.py_buffer(text), passed)


def _check_totals(body: Body, text: bytes, totals: list[tuple[int, int]]) -> None:
    """Refuses a short line of totals between rows."""
    tail = len(text)
    for place, stop in reversed(totals):
        if text[stop:tail].strip(b" \t\r\n" + body.dialect.delimiter.encode()):
            raise _uneven(body, text, place, text[place:stop].decode("utf-8"))
        tail = place


def _parse(body: Body, text: pa.Buffer, judge: _Judge, *, use_threads: bool) -> pa.Table:
    names = [str(place) for place in range(body.width)]
    if not text.size:
        return pa.table({name: pa.array([], pa.large_string()) for name in names})
    dialect, is_plain = body.dialect, body.is_plain
    return pa_csv.read_csv(
        pa.BufferReader(text),
        read_options=pa_csv.ReadOptions(column_names=names, use_threads=use_threads, block_size=BLOCK),
        parse_options=pa_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=False if is_plain else dialect.quote,
            escape_char=dialect.escape or False,
            double_quote=dialect.escape is None,
            newlines_in_values=not is_plain,
            ignore_empty_lines=body.width > 1,
            invalid_row_handler=judge,
        ),
        # what pandas holds, so that nothing is copied
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
        ),
    )


def _find_line(text: bytes, line: str, start: int) -> tuple[int, int]:
    """Where a line begins and ends, from a place on."""
    wanted = line.encode("utf-8")
    place = text.find(wanted, start)
    while place >= 0:
        stop = place + len(wanted)
        if (not place or text[place - 1 : place] in (b"\n", b"\r")) and text[stop : stop + 1] in (b"\n", b"\r", b""):
            return place, stop
        place = text.find(wanted, place + 1)
    return start, start


def _line(body: Body, text: bytes, place: int) -> int:
    """The number of a line in the file."""
    count = text.count(b"\n", 0, place) or text.count(b"\r", 0, place)
    return body.layout.first_line + count


def _refusal(body: Body, text: bytes, row: pa_csv.InvalidRow | None, start: int) -> DataError:
    if row is None:
        return DataError(f"{body.origin}: cannot be read as CSV")
    place, _ = _find_line(text, row.text, start)
    return _uneven(body, text, place, row.text)


def _uneven(body: Body, text: bytes, place: int, row: str) -> DataError:
    layout, mark = body.layout, body.dialect.delimiter
    cells = next(iter(body.dialect.split(io.StringIO(row, newline=""))), [])
    count = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
    shown = "tab" if mark == "\t" else mark
    if len(cells) > layout.named:
        remedy = f"put quotes around a cell that holds '{shown}'"
    elif "\n" in row.strip() and row.count(body.dialect.quote) % 2:
        remedy = "a quote that begins there is not closed"
    elif not text[place + len(row.encode("utf-8")) :].strip():
        remedy = "it is the last line, so the file may be cut off"
    else:
        remedy = "complete the row or take it out"
    line = _line(body, text, place)
    return DataError(f"{body.origin}: line {line} has {count}, the header has {layout.named}; {remedy}")


def line_of_row(body: Body, rows: Rows, row: int) -> int:
    """The line of the file in which a row of the table begins."""
    if rows.lines == rows.table.num_rows and body.is_plain:
        return body.layout.first_line + row
    last = 0
    text = io.BytesIO(rows.text.to_pybytes())
    reader = body.dialect.split(io.TextIOWrapper(text, encoding="utf-8", newline=""))
    for cells in reader:
        if len(cells) == body.width or (not cells and body.width == 1):
            if not row:
                break
            row -= 1
        last = reader.line_num  # type: ignore[attr-defined]
    return body.layout.first_line + last
