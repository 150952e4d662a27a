"""A share of requests and answers as Parquet, for those who evaluate a model later."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.naming import path_part
from orchestrator.serving.telemetry.log_retention import prune

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestrator.serving.settings import EndpointSettings

FLUSH_SECONDS = 5.0
FLUSH_ROWS = 10_000
MAX_ROWS = 100_000
CLOSE_SECONDS = 30.0
PRUNE_SECONDS = 60.0
FOLDER_MODE, FILE_MODE = 0o700, 0o600
# beyond it not every whole number is a float64
EXACT = 2**53
OWN_COLUMNS = ("_time", "_version", "_role", "_request", "_row")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    time: float
    model: str
    version: str
    role: str
    request: str
    columns: Mapping[str, Sequence[object]]
    rows: int
    answers: Mapping[str, Any]

    @property
    def part(self) -> tuple[str, str]:
        """Model and day."""
        return self.model, datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d")


class RequestLog:
    """Writes requests to `folder/MODEL/date=YYYY-MM-DD/part-REPLICA-NNNN.parquet`, in a thread of its own.

    Its columns:
        those of the request, as they came: numbers as float64, true and false as bool, texts as string. A column
            that mixes them, or holds whole numbers beyond 2**53, is string: texts as they are, the rest as JSON. Once
            a column was mixed it stays string until the replica ends. A column of nulls only has Arrow's type null.
            A request's own column `_time`, or another of the names below, gets one more underscore.
        _time: when the request was answered, timestamp in UTC, microseconds.
        _version, _role, _request, _row: version of the model, its role, the request's id, and which of its rows this
            is, counted from 0.
        _label and _probabilities (a list, in the order of the classes), or _value: the answer.

    Parts may differ in their columns and types; `pyarrow.unify_schemas(..., promote_options="permissive")` of their
    schemas reads them as one data set.

    A request never fails because of the log. While the disk is full or not writable, up to 100,000 rows wait; more are
    dropped. A part is written under another name first, so that a reader never sees half of one. Only its user may read
    what it writes.
    """

    def __init__(
        self,
        folder: Path,
        share: float = 0.0,
        replica: str = "0",
        *,
        keep: timedelta | int | None = None,
        drop: Sequence[str] = (),
        seed: int | None = None,
    ) -> None:
        """Makes a log; nothing is written before the first request.

        Args:
            folder: is made if it is missing.
            share: of the requests that `wants` picks, 0 to 1.
            replica: becomes part of the files' names, so that replicas do not share any.
            keep: how old parts may become, or how many bytes all parts in the folder may have; older ones are deleted
                within a minute, those of other replicas, too. None keeps all.
            drop: columns of requests that are never written.
            seed: for the choice of requests.
        """
        self._folder = folder
        self._share = share
        self._replica = path_part(replica)
        self._keep = keep
        self._drop = frozenset(drop)
        self._pruned: float | None = None
        self._random = random.Random(seed)  # noqa: S311
        self._condition = threading.Condition()
        self._waiting: list[_Entry] = []
        self._waiting_rows = 0
        self._closed = self._failing = False
        self._thread: threading.Thread | None = None
        self._kinds: dict[tuple[str, str], str] = {}
        self._number = 0
        self._problem: str | None = None
        self._failures = 0
        self._dropped = 0
        if keep is not None:
            # what is too old goes, whether anybody asks or not
            self._start()

    @classmethod
    def wanted(cls, settings: EndpointSettings, replica: str) -> RequestLog | None:
        """The log that an endpoint is to write, None if it is to write none."""
        if settings.log_folder is None or settings.log_share <= 0:
            return None
        folder = Path(settings.log_folder)
        return cls(folder, settings.log_share, replica, keep=settings.log_keep, drop=settings.log_drop)

    @property
    def problem(self) -> str | None:
        """Why the log could not be written the last time that it could not; None if it always could."""
        return self._problem

    @property
    def failures(self) -> int:
        """How often a part could not be written."""
        return self._failures

    @property
    def dropped(self) -> int:
        """Rows that were lost."""
        return self._dropped

    def wants(self) -> bool:
        """Draws whether the next request is to be written."""
        return self._share > 0 and self._random.random() < self._share

    def write(
        self,
        model: str,
        version: str,
        *,
        role: str,
        request_id: str,
        columns: Mapping[str, Sequence[object]],
        rows: int,
        answers: Mapping[str, Any],
    ) -> None:
        """Takes a request and its answers; nothing of it may be changed afterwards.

        Args:
            model, version, role: that have answered.
            request_id: anything that tells requests apart.
            columns: name -> cells (str, int, float, bool, None), `rows` of them.
            rows: of the request.
            answers: `label` and `probabilities` ([rows, classes]), or `value`: lists or arrays with `rows` entries.
        """
        kept = {name: cells for name, cells in columns.items() if name not in self._drop}
        entry = _Entry(
            time=time.time(),
            model=model,
            version=version,
            role=role,
            request=request_id,
            columns=kept,
            rows=rows,
            answers=answers,
        )
        with self._condition:
            if not rows:
                return
            if self._closed or self._waiting_rows + rows > MAX_ROWS:
                self._dropped += rows
                return
            self._waiting.append(entry)
            self._waiting_rows += rows
            self._start()
            # what cannot be written is tried again after a while, not with every request
            if self._waiting_rows >= FLUSH_ROWS and not self._failing:
                self._condition.notify()

    def close(self) -> None:
        """Writes what waits, at most for 30 seconds; what is given to `write` later is dropped."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        closed = False
        while not closed:
            with self._condition:
                if not self._closed and (self._waiting_rows < FLUSH_ROWS or self._failing):
                    self._condition.wait(FLUSH_SECONDS)
                closed = self._closed
                entries, self._waiting, self._waiting_rows = self._waiting, [], 0
            self._failing = False
            parts: defaultdict[tuple[str, str], list[_Entry]] = defaultdict(list)
            for entry in entries:
                parts[entry.part].append(entry)
            for (model, day), part in parts.items():
                self._write_part(self._folder / path_part(model) / f"date={day}", part, again=not closed)
            self._prune()

    def _prune(self) -> None:
        now = time.monotonic()
        if self._keep is None or (self._pruned is not None and now - self._pruned < PRUNE_SECONDS):
            return
        self._pruned = now
        try:
            prune(self._folder, self._keep, time.time())
        except OSError as error:
            self._failures += 1
            self._problem = f"old parts of the log in {self._folder} cannot be deleted ({error.strerror}); delete them"

    def _write_part(self, folder: Path, entries: list[_Entry], *, again: bool) -> None:
        rows = sum(entry.rows for entry in entries)
        try:
            self._save(folder, self._table(entries))
        except Exception as error:  # whatever it is, requests go on
            self._failing = True
            reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            self._failures += 1
            self._problem = (
                f"requests could not be logged in {folder} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC ({reason}); "
                "make room or make it writable"
            )
            with self._condition:
                # only the disk may be better the next time
                if again and isinstance(error, OSError) and self._waiting_rows + rows <= MAX_ROWS:
                    self._waiting[:0] = entries
                    self._waiting_rows += rows
                else:
                    self._dropped += rows

    def _save(self, folder: Path, table: pa.Table) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        _make_private(folder)
        self._number += 1
        while (path := folder / f"part-{self._replica}-{self._number:04}.parquet").exists():
            self._number += 1
        # Parquet readers pass over names that begin with a dot
        temporary = path.with_name(f".{path.name}.writing")
        try:
            temporary.unlink(missing_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:  # noqa: PTH123
                parquet.write_table(table, file)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            # Arrow keeps for itself what it does not use any more
            pa.default_memory_pool().release_unused()

    def _table(self, entries: list[_Entry]) -> pa.Table:
        import pyarrow as pa

        model = entries[0].model
        rows = sum(entry.rows for entry in entries)
        answers = list(dict.fromkeys(f"_{name}" for entry in entries for name in entry.answers))
        reserved = {*OWN_COLUMNS, *answers}
        arrays: dict[str, pa.Array] = {}
        for name in dict.fromkeys(name for entry in entries for name in entry.columns):
            cells = [cell for entry in entries for cell in entry.columns.get(name) or [None] * entry.rows]
            arrays[f"_{name}" if name in reserved else name] = self._column(model, name, cells)
        times = [datetime.fromtimestamp(entry.time, UTC) for entry in entries for _ in range(entry.rows)]
        arrays["_time"] = pa.array(times, pa.timestamp("us", tz="UTC"))
        for name in ("version", "role", "request"):
            texts = [getattr(entry, name) for entry in entries for _ in range(entry.rows)]
            arrays[f"_{name}"] = pa.array(texts, pa.string())
        arrays["_row"] = pa.array([row for entry in entries for row in range(entry.rows)], pa.int64())
        for name in answers:
            arrays[name] = _answers(entries, name[1:])
        for name, array in arrays.items():
            if len(array) != rows:
                raise ValueError(f"the column '{name}' has {len(array)} cells for {rows} rows")
        return pa.table(arrays)

    def _column(self, model: str, name: str, cells: list[object]) -> pa.Array:
        import pyarrow as pa

        before, found = self._kinds.get((model, name), "null"), _kind(cells)
        kind = found if before in ("null", found) else before if found == "null" else "string"
        self._kinds[model, name] = kind
        if kind == "string":
            cells = [None if cell is None else cell if isinstance(cell, str) else dumps(cell) for cell in cells]
        return pa.array(cells, {"float": pa.float64(), "bool": pa.bool_(), "null": pa.null()}.get(kind, pa.string()))


def _make_private(folder: Path) -> None:
    """Makes a folder and those above it, which only their user can enter."""
    missing = [folder, *folder.parents]
    for path in reversed(missing[: next((at for at, path in enumerate(missing) if path.exists()), None)]):
        # `mkdir(parents=True)` gives the mode to the last one only
        path.mkdir(FOLDER_MODE, exist_ok=True)


def _kind(cells: Sequence[object]) -> str:
    types = set(map(type, cells)) - {type(None)}
    if not types:
        return "null"
    if types == {bool}:
        return "bool"
    if types <= {int, float}:
        large = int in types and any(isinstance(cell, int) and abs(cell) > EXACT for cell in cells)
        return "string" if large else "float"
    return "string"


def _answers(entries: list[_Entry], name: str) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    cells: list[object] = []
    for entry in entries:
        values = entry.answers.get(name, [None] * entry.rows)
        cells += values.tolist() if isinstance(values, np.ndarray) else values
    types = set(map(type, cells)) - {type(None)}
    if len(types) > 1 and not types <= {int, float}:
        # labels of two versions, or of classes that are not all texts
        cells = [cell if cell is None or isinstance(cell, str) else dumps(cell) for cell in cells]
    return pa.array(cells)
