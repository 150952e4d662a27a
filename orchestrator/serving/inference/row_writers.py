"""Files of rows, written some rows at a time: the ending of their names says how. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from orchestrator.errors import CellsError
from orchestrator.serving.inference.plain_cells import common_schema, for_json, for_parquet, for_text

if TYPE_CHECKING:
    import pandas as pd

# of a row group of Parquet
GROUP_ROWS = 131_072
Target = Path | IO[Any]


class RowWriter(Protocol):
    """Takes frames with the same columns; the file is good when `close` has been called."""

    def write(self, frame: pd.DataFrame) -> None:
        """Adds rows; there may be none."""

    def close(self) -> None:
        """Writes what is left."""


class _Text:
    """Text into a file that is opened here, or into a stream that somebody else closes."""

    def __init__(self, to: Target, *, compressed: bool = False) -> None:
        self._begun = False
        self._stack = contextlib.ExitStack()
        if not isinstance(to, Path):
            self.stream: IO[Any] = to
            return
        file = self._stack.enter_context(to.open("wb"))
        # without name and time: the same rows are the same bytes
        raw = self._stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)) if compressed else file
        self.stream = self._stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))

    def close(self) -> None:
        """See `RowWriter`."""
        self._stack.close()


class _Csv(_Text):
    def write(self, frame: pd.DataFrame) -> None:
        """See `RowWriter`."""
        for_text(frame).to_csv(self.stream, index=False, header=not self._begun, lineterminator="\n")
        self._begun = True


class _JsonLines(_Text):
    def write(self, frame: pd.DataFrame) -> None:
        """See `RowWriter`."""
        if len(frame):
            _write_json(frame, self.stream, lines=True)


class _JsonList(_Text):
    def write(self, frame: pd.DataFrame) -> None:
        """See `RowWriter`."""
        if len(frame):
            text = io.StringIO()
            _write_json(frame, text, lines=False)
            self.stream.write(",\n" if self._begun else "[\n")
            self.stream.write(text.getvalue()[1:-1].strip("\n"))
            self._begun = True

    def close(self) -> None:
        """See `RowWriter`."""
        self.stream.write("\n]" if self._begun else "[]")
        super().close()


class _Parquet:
    def __init__(self, to: Target) -> None:
        self._to = to
        self._waiting: list[pd.DataFrame] = []
        self._rows = 0
        self._stack = contextlib.ExitStack()
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        """See `RowWriter`."""
        self._waiting.append(frame)
        self._rows += len(frame)
        if self._rows >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """See `RowWriter`."""
        try:
            if self._waiting:
                self._flush()
        finally:
            self._stack.close()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        frames, self._waiting, self._rows = self._waiting, [], 0
        schema = None if self._writer is None else self._writer.schema
        try:
            tables = [for_parquet(frame) for frame in frames]
            schema = common_schema(tables) if schema is None else schema
            table = pa.concat_tables([table.cast(schema) for table in tables])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            reason = " ".join(map(str, error.args)).splitlines()[0]
            raise CellsError(f"Parquet cannot hold these cells ({reason}); write .csv or .jsonl") from None
        if self._writer is None:
            self._writer = self._stack.enter_context(parquet.ParquetWriter(self._to, schema))
        self._writer.write_table(table)


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON, as they are written to a file."""
    text = io.StringIO()
    _write_json(frame, text, lines=False)
    found: list[dict[str, Any]] = json.loads(text.getvalue())
    return found


def _write_json(frame: pd.DataFrame, to: IO[str], *, lines: bool) -> None:
    for_json(frame).to_json(
        to, orient="records", lines=lines, indent=None if lines else 1, double_precision=15, date_format="iso"
    )


WRITERS: dict[str, Any] = {
    ".csv": _Csv,
    ".csv.gz": lambda to: _Csv(to, compressed=True),
    ".parquet": _Parquet,
    ".pq": _Parquet,
    ".json": _JsonList,
    ".jsonl": _JsonLines,
}
# of which people can read what is written
TEXT_FORMATS = (".csv", ".json", ".jsonl")


@contextlib.contextmanager
def row_writer(to: Target, suffix: str) -> Iterator[RowWriter]:
    """Writes rows while the context is open.

    Args:
        to: a file, or a stream of text.
        suffix: one of `WRITERS`.
    """
    writer: RowWriter = WRITERS[suffix](to)
    try:
        yield writer
    except BaseException:
        # what is written is of no use
        with contextlib.suppress(Exception):
            writer.close()
        raise
    writer.close()


def write_frames(frames: Iterable[pd.DataFrame], to: Target, suffix: str) -> int:
    """Writes frames with the same columns, one after another; returns how many rows they have."""
    rows = 0
    with row_writer(to, suffix) as writer:
        for frame in frames:
            writer.write(frame)
            rows += len(frame)
    return rows
