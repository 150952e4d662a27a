"""Sweeps beside each other: what was asked of them otherwise, what they found, and how fast."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.analysis.history import SweepHistory
from orchestrator.config import ResourceConfig, SweepConfig
from orchestrator.errors import StorageError, UsageError, did_you_mean
from orchestrator.sweeps.finalize import Outcome
from orchestrator.tasks import Metric, metric_named

# parts of the time of the shortest sweep at which all are compared
SHARES = (0.1, 0.25, 0.5, 1.0)
# where it ran and was written down decides about no result
ELSEWHERE = {"tracking_uri", "tracking_timeout", "address", "storage", "keep_package", "name", "placement_timeout"} | {
    "priority",
    "share",
    "max_cores",
    "max_gpus",
    "queue",
}


@dataclass(frozen=True, kw_only=True)
class ComparedSweep:
    """A sweep among others.

    Attributes:
        id, state, metric: of the sweep.
        trials: how many, by status.
        epochs: of all trials.
        seconds: in all, from the start of its driver to its end.
        search_seconds: of these, from the start of the first trial to the end of the last one.
        best_trial, best: the trial that is best by the metric of the comparison, and its value; None if none has any.
        architecture: of that trial.
        validation, test: figures of the model that it has ended with, None and empty if it has not ended.
        ensemble: how many trials are in that, 0 for one of its own.
        model: what was registered, None if nothing was.
        champion: whether that became the champion, and why.
        settings: what was asked of it, flat, defaults too.
    """

    id: str
    state: str
    metric: str
    trials: Mapping[str, int]
    epochs: int
    seconds: float
    search_seconds: float
    best_trial: int | None
    best: float | None
    architecture: str | None
    validation: float | None
    test: Mapping[str, float]
    ensemble: int
    model: str | None
    champion: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SweepComparison:
    """Some sweeps beside each other.

    Attributes:
        metric: by which they are compared.
        sweeps: in the order asked for.
        differing: by name, the settings that are not the same in all, one value for each sweep.
        progress: seconds of search, and the best value of each sweep by then; None where it had none.
        notes: why figures may not be comparable, as sentences.
    """

    metric: Metric
    sweeps: tuple[ComparedSweep, ...]
    differing: Mapping[str, tuple[Any, ...]]
    progress: tuple[tuple[float, tuple[float | None, ...]], ...]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "metric": self.metric.name,
            "maximize": self.metric.maximize,
            "sweeps": [asdict(sweep) for sweep in self.sweeps],
            "differing": {name: list(values) for name, values in self.differing.items()},
            "progress": [{"seconds": seconds, "best": list(values)} for seconds, values in self.progress],
            "notes": list(self.notes),
        }


def compare(histories: Sequence[SweepHistory], metric: str | None = None) -> SweepComparison:
    """Sweeps beside each other.

    Args:
        histories: of two sweeps or more.
        metric: a validation metric that all have measured; the sweeps' own if left out.

    Raises:
        UsageError: the sweeps optimise different metrics and none is named, or one has not measured it.
    """
    chosen = _metric(histories, metric)
    settings = [_settings(history) for history in histories]
    return SweepComparison(
        metric=chosen,
        sweeps=tuple(_compared(history, chosen, own) for history, own in zip(histories, settings, strict=True)),
        differing=_differing(settings),
        progress=tuple(_progress(histories, chosen)),
        notes=tuple(_notes(histories)),
    )


def _metric(histories: Sequence[SweepHistory], asked: str | None) -> Metric:
    own = {history.metric.name: history.metric for history in histories}
    if asked is None and len(own) == 1:
        return histories[0].metric
    measured = [
        {name for trial in history.trials for epoch in trial.epochs for name in epoch.report.validation}
        for history in histories
    ]
    common = sorted(set.intersection(*measured))
    if asked is None:
        hint = f"; say by which with --metric: {', '.join(common)}" if common else ", and none was measured by all"
        raise UsageError(f"the sweeps optimise different metrics ({', '.join(own)}){hint}")
    for history, names in zip(histories, measured, strict=True):
        if asked not in names:
            known = f" (all have {', '.join(common)})" if common else ""
            raise UsageError(
                f"--metric {asked}: the trials of {history.id} have not measured it{known}{did_you_mean(asked, common)}"
            )
    return own.get(asked) or metric_named(asked)


def _compared(history: SweepHistory, metric: Metric, settings: Mapping[str, Any]) -> ComparedSweep:
    outcome = None
    with contextlib.suppress(StorageError):
        outcome = Outcome.read(history.storage)
    ended = outcome is not None and outcome.current
    ensemble = outcome.ensemble if outcome is not None and ended else None
    best_trial, best = _best(history, metric)
    trial = None if best_trial is None else history.trial(best_trial)
    return ComparedSweep(
        id=history.id,
        state=history.state,
        metric=history.metric.name,
        trials=dict(Counter(str(trial.status) for trial in history.trials)),
        epochs=sum(len(trial.epochs) for trial in history.trials),
        seconds=round(history.in_all, 3),
        search_seconds=round(history.elapsed, 3),
        best_trial=best_trial,
        best=best,
        architecture=None if trial is None else trial.record.spec.architecture,
        validation=outcome.validation if outcome is not None and ended else None,
        test=outcome.test if outcome is not None and ended else {},
        ensemble=len(ensemble["members"]) if ensemble is not None and ensemble["accepted"] else 0,
        model=outcome.model if outcome is not None and ended else None,
        champion=outcome.champion if outcome is not None and ended else "",
        settings=settings,
    )


def _best(history: SweepHistory, metric: Metric) -> tuple[int | None, float | None]:
    if metric.name == history.metric.name:
        best = history.best
        return (None, None) if best is None else (best.index, best.record.value)
    found: tuple[int | None, float | None] = (None, None)
    for trial in history.trials:
        for epoch in trial.epochs:
            value = epoch.report.validation.get(metric.name)
            if value is not None and metric.better(value, metric.worst if found[1] is None else found[1]):
                found = (trial.index, value)
    return found


def _settings(history: SweepHistory) -> dict[str, Any]:
    """What was asked of a sweep, with the defaults of what was not, flat."""
    flat: dict[str, Any] = {}
    config = history.header.config
    for name, item in SweepConfig.model_fields.items():
        if name in ELSEWHERE:
            continue
        default = item.get_default(call_default_factory=True, validated_data={})
        if isinstance(default, ResourceConfig):
            flat |= {**default.model_dump(mode="json"), **config.get(name, {})}
        else:
            flat[name] = _plain(config.get(name, default))
    return flat


def _plain(value: Any) -> Any:  # noqa: ANN401
    """A value as it stands in JSON: defaults are tuples and times, what was written down is lists and texts."""
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return str(value)


def _differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    found = {}
    for name in dict.fromkeys(name for own in settings for name in own):
        values = tuple(own.get(name) for own in settings)
        if len({_key(value) for value in values}) > 1:
            found[name] = values
    return found


def _key(value: Any) -> str:  # noqa: ANN401
    # nothing said and an empty list are the same
    return json.dumps(None if value in ((), [], {}) else value, sort_keys=True, default=str)


def _progress(histories: Sequence[SweepHistory], metric: Metric) -> Iterator[tuple[float, tuple[float | None, ...]]]:
    ends = sorted(history.elapsed for history in histories if history.elapsed > 0)
    if not ends:
        return
    times = sorted({*(round(share * ends[0], 3) for share in SHARES[:-1]), *(round(end, 3) for end in ends)})
    steps = [history.best_so_far(metric) for history in histories]
    for time in times:
        # times are rounded
        by_then = [[value for seconds, value in own if seconds <= time + 1e-3] for own in steps]
        # before the first epoch is over there is nothing to compare
        if any(by_then):
            yield time, tuple(values[-1] if values else None for values in by_then)


def _notes(histories: Sequence[SweepHistory]) -> Iterator[str]:
    if len({history.header.digest for history in histories}) > 1:
        yield "the data, or how it is read, is not the same, so figures may be of different rows"
    spaces = {history.header.config.get("space", ""): history.header.space for history in histories}
    if any(spaces[history.header.config.get("space", "")] != history.header.space for history in histories):
        yield "a search space of one name has different contents: its file, the size of the data or the epochs differ"
    folds = {str(history.header.config.get("folds") or "1") for history in histories}
    if len(folds) > 1:
        yield "some validate on folds and others on one split, so their validation figures are of different rows"
