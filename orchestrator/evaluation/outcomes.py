"""How good answers were that a model has given: its log of requests beside what has turned out to be true since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import whole_key
from orchestrator.columns.notes import rows_text
from orchestrator.columns.values import category_key, category_keys
from orchestrator.data.schema import Schema
from orchestrator.data.sources import Table
from orchestrator.errors import DataError, InvalidValueError, UsageError, did_you_mean
from orchestrator.evaluation.answered_requests import REQUEST, ROW, AnsweredRequests
from orchestrator.tasks import TargetEncoder

SHOWN = 3
# a Monday: windows of a day begin at midnight, those of a week on Mondays, in UTC
ORIGIN = datetime(1970, 1, 5, tzinfo=UTC).timestamp()


@dataclass(frozen=True, kw_only=True)
class OutcomeWindow:
    """The answers of some time.

    Attributes:
        start, end: of the time, UTC.
        rows: that were answered and logged.
        known: those of them of which the truth is known.
        figures: metrics of these, by name; without those that these rows do not have.
    """

    start: datetime
    end: datetime
    rows: int
    known: int
    figures: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            **asdict(self),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """How good a model's answers were.

    Attributes:
        model: registered name, or that of the folder.
        version: registered version; None of a folder.
        metric: by which the model was chosen.
        maximize: whether it is better when it is larger.
        test: the figures of the model's own test rows.
        total: all answers.
        windows: the same by time, in its order, without times of which nothing is logged.
        notes: what was left out, as sentences.
    """

    model: str
    version: str | None
    metric: str
    maximize: bool
    test: Mapping[str, float]
    total: OutcomeWindow
    windows: tuple[OutcomeWindow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            **asdict(self),
            "test": dict(self.test),
            "total": self.total.to_json(),
            "windows": [window.to_json() for window in self.windows],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Whose answers they are, and how they are measured.

    Attributes:
        schema, target_encoder: of the model.
        metrics: what its bundle says of its quality.
        more: names of further metrics.
    """

    schema: Schema
    target_encoder: TargetEncoder
    metrics: Mapping[str, Any]
    more: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """Of all metrics; the one by which the model was chosen comes first.

        A user's own is measured only where the caller names it: what a bundle names would be code of others.
        """
        task = self.schema.target.task
        known = {**task.metrics, **task.more_metrics}
        chosen = self.metrics.get("metric")
        chosen = chosen if chosen in known else task.default_metric
        measured = [name for name in self.metrics.get("test", {}) if name in known]
        # `find_metric` refuses what the task does not have
        return list(dict.fromkeys([chosen, *(task.find_metric(name).name for name in self.more), *measured]))

    def figures(self, shares: NDArray[np.float64], target: NDArray[Any]) -> dict[str, float]:
        """All metrics that these rows have."""
        task = self.schema.target.task
        found = (
            {name: task.figure(name, self.target_encoder, shares, target) for name in self.names} if len(target) else {}
        )
        return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def measure_outcomes(
    measured: Measured,
    log: AnsweredRequests,
    truth: Table,
    *,
    model: str,
    version: str | None,
    key: str | None = None,
    window: timedelta = timedelta(days=1),
) -> Outcomes:
    """Joins logged answers with the truth, and measures them over time.

    Args:
        measured: the model.
        log: its answers.
        truth: rows with the key and the target column.
        model, version: what they are called.
        key: column by which both are joined, which is one of the log; None for the request's id, and the row's number
            where the truth has it.
        window: how long a time is of which figures are given.

    Raises:
        UsageError, DataError: a column is missing, the answers are of another model, nothing fits together, or a
            truth is none.
    """
    notes = list(log.notes)
    keys = [key] if key is not None else [REQUEST, *([ROW] if ROW in truth.frame.columns else [])]
    places, target = _truth_of(measured, truth, keys, notes)
    asked = _joined(truth, log, keys)
    # a row without a key is none that was answered before
    first = ~pd.Series(asked).duplicated().to_numpy() | (np.array(asked, dtype=object) == "")
    if not first.all():
        notes.append(
            f"{rows_text(int((~first).sum()))} of the log have a key that was answered before: the first answer counts"
        )
    row = pd.Index(places).get_indexer(pd.Index(asked)) if len(places) else np.full(len(asked), -1)
    row = np.where(first, row, -1)
    if len(asked) and (row < 0).all():
        raise DataError(
            f"{truth.origin}: none of its {len(places):,} keys ({', '.join(keys)}) is in the log, which has such as "
            f"{asked[0]!r}; --key COLUMN names the column that both have"
        )
    unused = len(places) - len(np.unique(row[row >= 0]))
    if unused:
        notes.append(f"{unused:,} of {len(places):,} keys in {truth.origin} are not in the log")
    shares = log.shares(measured.schema, measured.target_encoder)

    def part(chosen: NDArray[np.bool_], start: datetime, end: datetime) -> OutcomeWindow:
        known = chosen & (row >= 0)
        figures = measured.figures(shares[known], target[row[known]])
        counted = int((chosen & first).sum())
        return OutcomeWindow(start=start, end=end, rows=counted, known=int(known.sum()), figures=figures)

    seconds = window.total_seconds()
    at = np.floor((log.times - ORIGIN) / seconds).astype(np.int64)
    windows = tuple(
        part(at == number, _moment(ORIGIN + number * seconds), _moment(ORIGIN + (number + 1) * seconds))
        for number in np.unique(at).tolist()
    )
    total = part(np.ones(len(at), bool), _moment(float(log.times.min())), _moment(float(log.times.max())))
    if total.known < total.rows:
        notes.append(f"of {total.rows - total.known:,} of {rows_text(total.rows)} the truth is not known yet")
    name = measured.names[0]
    return Outcomes(
        model=model,
        version=version,
        metric=name,
        maximize=measured.schema.target.task.find_metric(name).maximize,
        test=dict(measured.metrics.get("test", {})),
        total=total,
        windows=windows,
        notes=tuple(notes),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _key_of(cell: object) -> str | None:
    key = category_key(cell)
    return None if key is None else whole_key(key)


def _keys_of(columns: Sequence[pd.Series[Any]]) -> list[str]:
    """Cells as texts that can be compared, whatever types they have; of several columns the texts beside each other."""
    texts = []
    for column in columns:
        codes, keys = category_keys(column, _key_of)
        texts.append(np.array(["" if key is None else key for key in keys], dtype=object)[codes])
    return ["\0".join(cells) for cells in zip(*texts, strict=True)]


def _joined(truth: Table, log: AnsweredRequests, keys: Sequence[str]) -> list[str]:
    """The key of each row of the log."""
    for key in keys:
        if key not in log.frame.columns:
            raise UsageError(
                f"--key {key}: the log has no such column{did_you_mean(key, map(str, log.frame.columns))}"
                "; it has those that the model knows, unless --log-drop left them out"
            )
    if keys == [REQUEST] and log.frame[ROW].max() > 0:
        raise UsageError(
            f"{truth.origin}: the log has requests with several rows: add the column '{ROW}', which counts the rows of "
            "a request from 0"
        )
    return _keys_of([log.frame[key] for key in keys])


def _truth_of(
    measured: Measured, truth: Table, keys: Sequence[str], notes: list[str]
) -> tuple[list[str], NDArray[Any]]:
    """Different keys, and the encoded target of each."""
    target, frame = measured.schema.target, truth.frame
    for name in (*keys, target.name):
        if name not in frame.columns:
            hint = did_you_mean(name, map(str, frame.columns))
            remedy = "; --key COLUMN names another one" if name == REQUEST else ""
            raise UsageError(f"{truth.origin}: there is no column '{name}'{hint}{remedy}")
    try:
        labels = target.plain(frame[target.name])
        codes, found = category_keys(labels)
    except InvalidValueError as error:
        raise DataError(f"{truth.origin}: {error}") from None
    known = np.array([key is not None for key in found], dtype=bool)[codes]
    if not known.all():
        notes.append(f"{rows_text(int((~known).sum()))} of {truth.origin} have no '{target.name}' and are left out")
    frame, labels = frame[known].reset_index(drop=True), labels[known].reset_index(drop=True)
    taken, encoded = _encoded(measured, truth, labels, notes)
    pairs = pd.DataFrame({"key": _keys_of([frame[key] for key in keys]), "target": encoded})[taken]
    repeated = pairs["key"].duplicated(keep=False)
    doubtful = pairs.groupby("key")["target"].transform("nunique") > 1 if repeated.any() else repeated
    if doubtful.any():
        some = pairs.loc[doubtful, "key"].drop_duplicates()
        shown = ", ".join(key.replace("\0", " row ") for key in some.head(SHOWN))
        notes.append(f"{len(some):,} keys of {truth.origin} have different truths and are left out ({shown})")
    same = int((repeated & ~doubtful).sum()) - pairs.loc[repeated & ~doubtful, "key"].nunique()
    if same:
        notes.append(f"{rows_text(same)} of {truth.origin} say again what another one says")
    pairs = pairs[~doubtful].drop_duplicates("key")
    return pairs["key"].tolist(), pairs["target"].to_numpy()


def _encoded(
    measured: Measured, truth: Table, labels: pd.Series[Any], notes: list[str]
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Which truths the model can give, and all of them as numbers."""
    task, encoder = measured.schema.target.task, measured.target_encoder
    try:
        return np.ones(len(labels), bool), task.encode(encoder, labels)
    except InvalidValueError as error:
        raise DataError(f"{truth.origin}: {error}") from None
    except KeyError:
        # a class that the model has never seen
        classes = set(category_keys(pd.Series(list(task.classes), dtype=object), _key_of)[1])
        codes, keys = category_keys(labels, _key_of)
        taken = np.array([key in classes for key in keys], dtype=bool)[codes]
        new = [str(key) for key in keys if key not in classes]
        shown = ", ".join(new[:SHOWN]) + (", ..." if len(new) > SHOWN else "")
        notes.append(
            f"{rows_text(int((~taken).sum()))} of {truth.origin} have a class that the model does not know ({shown})"
        )
        found = np.zeros(len(labels), task.target_type)
        found[taken] = task.encode(encoder, labels[taken])
        return taken, found
