"""Reads a CSV file, or the bytes of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.notes import Note
from orchestrator.data.csv.decoding import to_utf8
from orchestrator.data.csv.dialect import SEPARATOR_LINE, find_dialect, line_starts, take_sample
from orchestrator.data.csv.files import read_bytes
from orchestrator.data.csv.foreign import check_text
from orchestrator.data.csv.formulas import MARK, NULL, without_formulas, without_nulls
from orchestrator.data.csv.header import find_layout
from orchestrator.data.csv.passing import pass_over
from orchestrator.data.csv.quotes import check_quotes
from orchestrator.data.csv.rewriting import plainly
from orchestrator.data.csv.rows import Body, CsvLimits, read_rows
from orchestrator.errors import DataError


@dataclass(frozen=True)
class CsvTable:
    """What was read.

    Attributes:
        frame: every cell is text, missing cells are empty.
        notes: what was guessed and passed over.
    """

    frame: pd.DataFrame
    notes: tuple[Note, ...]


def read_csv(path: Path, known: Iterable[str] = (), wish: CsvWish = PLAIN_CSV) -> CsvTable:
    """Reads a CSV file with a header line, plain or compressed; see `parse_csv`.

    Raises:
        UsageError: the file does not exist or is a folder, or is not as the user says.
        DataError: see `parse_csv`; or what is compressed is damaged.
    """
    table = parse_csv(str(path), read_bytes(path), known, wish)
    # blocks that parsing needed: a large file takes hundreds of megabytes
    pa.default_memory_pool().release_unused()
    return table


def parse_csv(
    origin: str,
    content: bytes,
    known: Iterable[str] = (),
    wish: CsvWish = PLAIN_CSV,
    limits: CsvLimits | None = None,
) -> CsvTable:
    """Reads the bytes of a CSV file. There may be no row below the header.

    Args:
        origin: what messages call it.
        content: not compressed, in UTF-8, UTF-16, UTF-32 or Windows-1252.
        known: names of columns, some of which it is expected to have; they tell where the header is.
        wish: what the user says of it, instead of what would be found out.
        limits: of what comes from strangers.

    Raises:
        UsageError: it is not as the user says.
        DataError: it is larger than the limits, is empty, has no header line or a name twice, or a row is too long or
            too short.
    """
    wanted = frozenset(known)
    text, notes = to_utf8(origin, content, wish.encoding)
    check_text(origin, text)
    text, mark, rewritten = plainly(origin, text, wish.mark, wanted)
    sample = take_sample(origin, text)
    if not "".join(sample.lines).strip() and not text.strip():
        raise DataError(f"{origin}: the file is empty")
    dialect, guessed = find_dialect(sample, wanted, mark)
    records = sample.records(dialect)
    if records and SEPARATOR_LINE.fullmatch(sample.lines[0]):
        records = [record for record in records if record.line > 1]
    if all(record.is_blank for record in records):
        raise DataError(f"{origin}: the header line cannot be read; is it CSV?")
    layout = find_layout(origin, records, wanted, wish)
    if limits is not None and len(layout.names) > limits.columns:
        raise DataError(f"{origin}: has {len(layout.names):,} columns, but at most {limits.columns:,} are read")
    starts = list(line_starts(sample.lines))
    start = starts[layout.first_line - 1][0] if layout.first_line <= len(starts) else starts[-1][1]
    body = Body(
        origin=origin,
        content=text,
        start=start,
        dialect=dialect,
        layout=layout,
        keeps_lines=wish.keep_lines,
        limits=limits,
    )
    rows = read_rows(body)
    check_quotes(body, rows)
    frame, passed = pass_over(body, rows)
    if MARK.encode() in text:
        frame, formulas = without_formulas(frame)
        passed = (*passed, *formulas)
    if NULL.encode() in text:
        frame, nulls = without_nulls(frame)
        passed = (*passed, *nulls)
    return CsvTable(frame, (*notes, *rewritten, *guessed, *layout.notes, *passed))
