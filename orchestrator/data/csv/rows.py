"""The rows below the header: read by pyarrow; those that have another length are judged one by one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.csv as pa_csv

from orchestrator.data.csv.dialect import Dialect
from orchestrator.data.csv.header import Layout
from orchestrator.data.csv.passed import Passed, Reason
from orchestrator.data.csv.totals import MANY_VALUES, is_footer, is_number_like, is_rule, is_total
from orchestrator.errors import DataError

BLOCK = 1 << 22
# lines at the end that say something about the file
MOST_FOOTERS = 20
DELIMITING = b" \t\r\n"


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
        keeps_lines: whether what looks like no row is one.
        limits: of what is read.
    """

    origin: str
    content: bytes
    start: int
    dialect: Dialect
    layout: Layout
    keeps_lines: bool = False
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
        self.footers = 0
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
        found = None if self._body.keeps_lines else self._reason_to_pass(cells)
        if found is not None:
            return found
        mark = self._body.dialect.delimiter
        if len(cells) > width and not any(cells[width:]):
            for _ in range(len(cells) - width):
                text = text[: text.rindex(mark)]
            return text
        if layout.named <= len(cells) < width:
            return text + mark * (width - len(cells))
        filled = [cell for cell in cells if cell]
        first = filled[0]
        if not self._body.keeps_lines and is_total(first) and all(map(is_number_like, filled[1:])):
            return Reason.TOTAL
        if self._body.keeps_lines or sum(map(str.isalpha, first)) < 2 or self.footers > MOST_FOOTERS:  # noqa: PLR2004
            return None
        # only if no row follows, which is not known yet
        self.footers += 1
        return Reason.FOOTER

    def _reason_to_pass(self, cells: list[str]) -> Reason | None:
        if cells[0].startswith("#"):
            return Reason.COMMENT
        if _without_end(cells) == self._header:
            return Reason.HEADER
        if tuple(cells) in self._body.layout.above:
            return Reason.ABOVE
        return Reason.RULE if is_rule(cells) else None


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
    footers = [(place, stop) for place, stop, found in places if found is Reason.FOOTER]
    if judge.refused is not None or table is None:
        if footers:
            raise _uneven(body, text, footers[0][0], text[slice(*footers[0])].decode("utf-8"))
        raise _refusal(body, text, judge.refused, end)
    _check_footers(body, table, text, places)
    passed = Passed()
    for place, stop, found in places:
        if isinstance(found, Reason):
            passed.add(found, [_line(body, text, place)])
        elif len(found.encode("utf-8")) < stop - place:
            passed.add(Reason.CUT, [_line(body, text, place)])
    mended = [(place, stop, found) for place, stop, found in places if not isinstance(found, Reason)]
    if mended:
        pieces, end = [], 0
        for place, stop, found in mended:
            pieces += [text[end:place], found.encode("utf-8")]
            end = stop
        text = b"".join([*pieces, text[end:]])
        table = _parse(body, pa.py_buffer(text), _Judge(body), use_threads=False)
    return Rows(table, pa.py_buffer(text), passed)


def _check_footers(body: Body, table: pa.Table, text: bytes, places: list[tuple[int, int, Reason | str]]) -> None:
    """Refuses a line of another length that is no row if rows follow, or if it may be a row that was cut off."""
    if not any(found is Reason.FOOTER for _, _, found in places):
        return
    values = set(table.column(0).slice(0, MANY_VALUES).to_pylist())
    tail, bad = len(text), None
    for place, stop, found in reversed(places):
        ends = not text[stop:tail].strip(DELIMITING + body.dialect.delimiter.encode())
        if found is Reason.FOOTER:
            line = text[place:stop].decode("utf-8")
            first = next(filter(None, map(str.strip, next(iter(body.dialect.split([line])), []))), "")
            apart = _is_apart(text[:place], body.dialect.delimiter.encode())
            likely = apart or tail < len(text) or is_footer(first, values, apart=False)
            if not (ends and likely and first not in values):
                bad = place, line
        if ends:
            tail = place
    if bad is not None:
        raise _uneven(body, text, *bad)


def _is_apart(before: bytes, delimiter: bytes) -> bool:
    """Whether a blank line ends a text."""
    rest = before.rstrip(DELIMITING + delimiter)
    return before[len(rest) :].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") > 1


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
        if not text[:place].strip():
            remedy = f"{remedy}, or give each column a name in the header"
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
