"""Which settings were tried and what came of them: parallel coordinates, a slice for each, and their importance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.reports.content import (
    QUIET,
    Axis,
    Cell,
    Chart,
    MarkKind,
    Paragraph,
    Section,
    Trace,
    numbers_of,
    thinned,
)
from orchestrator.reports.story import SweepStory
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.units import show_number

SHOWN, SHOWN_BARS, LINES, POINTS, MOST_ROWS = 8, 12, 200, 1000, 200
LEFT_OUT = frozenset({"metric", "seed"})
# the best part of the trials stands out
BEST_SHARE = 0.1
# of a range; more is seen better on a logarithmic axis
LOG_RATIO = 50
# so few whole numbers stand beside each other as names do
FEW = 8
LEAST_TRIALS = 3


@dataclass(frozen=True)
class Scale:
    """Where the values of a setting lie between 0 and 1, in the order of the numbers or of the names."""

    name: str
    values: tuple[Cell, ...]

    @cached_property
    def is_numeric(self) -> bool:
        """Whether all are numbers, and not a few whole ones."""
        return _are_numbers(self.values) and (len(self.values) > FEW or any(isinstance(v, float) for v in self.values))

    @cached_property
    def is_log(self) -> bool:
        """Whether the numbers are spread over several orders of magnitude."""
        numbers = [float(value) for value in self.values if isinstance(value, int | float)]
        return self.is_numeric and min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_RATIO

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all values."""
        return tuple(map(str, self.values))

    def place(self, value: Cell) -> float:
        """From 0 for the first to 1 for the last."""
        if not self.is_numeric:
            return self.names.index(str(value)) / max(1, len(self.values) - 1)
        low, high, number = (self._bent(found) for found in (self.values[0], self.values[-1], value))
        return (number - low) / (high - low) if high > low else 0.5

    def _bent(self, value: Cell) -> float:
        number = float(str(value))
        return math.log(number) if self.is_log else number


def section(story: SweepStory) -> Section | None:
    """None with too few trials that have a result, or where nothing varies."""
    records = [record for record in story.ranked if record.value is not None]
    names = story.varying - LEFT_OUT
    if len(records) < LEAST_TRIALS or not names:
        return None
    importance = story.importance
    # the name that is unique in the space has the architecture before it
    important = dict.fromkeys(name.rpartition(".")[2] for name in importance)
    tried = sorted(names, key=lambda name: (-_tried(story, records, name), name))
    order = list(dict.fromkeys([*(name for name in important if name in names), *tried]))
    scales = [_scale(story, records, name) for name in order[:SHOWN]]
    charts = [_parallel(story, records, scales), *(_slice(story, records, scale) for scale in scales)]
    if importance:
        charts.insert(0, _importance(importance))
    sentences = [
        "The value of a trial is that of its best epoch; trials that were stopped early count with what they had."
    ]
    if importance:
        sentences.append(
            "Importance is that of PED-ANOVA (Watanabe et al. 2023): how differently a setting is distributed "
            "among the best tenth of the trials. It says what mattered among the values that were tried."
        )
    if len(order) > SHOWN:
        sentences.append(f"{SHOWN} of {len(order)} settings are shown.")
    if len(records) > LINES:
        sentences.append(f"Of {len(records):,} trials {LINES} lines and at most {POINTS:,} points are drawn.")
    return Section(name="parameters", title="Settings", paragraphs=(Paragraph(tuple(sentences)),), charts=tuple(charts))


def value_of(story: SweepStory, record: TrialRecord, name: str) -> Cell:
    """Of a setting of a trial; None if the trial does not have it."""
    value: Cell = story.settings[record.index].get(name)
    return value


def _tried(story: SweepStory, records: Sequence[TrialRecord], name: str) -> int:
    return sum(value_of(story, record, name) is not None for record in records)


def _scale(story: SweepStory, records: Sequence[TrialRecord], name: str) -> Scale:
    values = list({value: None for record in records if (value := value_of(story, record, name)) is not None})
    return Scale(name, tuple(sorted(values) if _are_numbers(values) else sorted(values, key=str)))


def _are_numbers(values: Sequence[Cell]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _importance(importance: dict[str, float]) -> Chart:
    items = list(importance.items())[:SHOWN_BARS]
    names = tuple(name for name, _ in items)
    return Chart(
        name="importance",
        title="Importance of settings",
        about="How much each setting decided whether a trial was among the best tenth; together 1.",
        x=Axis("importance"),
        y=Axis("", names=tuple(reversed(names))),
        traces=(Trace(name="importance", x=tuple(value for _, value in items), y=names, marks=MarkKind.BARS),),
        table=numbers_of(("setting", "importance"), items, MOST_ROWS),
    )


def _parallel(story: SweepStory, records: Sequence[TrialRecord], scales: Sequence[Scale]) -> Chart:
    """Settings below each other, so that it fits on a phone, too; the best trials are on top."""
    drawn = [records[place] for place in thinned(len(records), LINES)]
    best = max(1, round(BEST_SHARE * len(drawn)))
    groups = ((f"the other {len(drawn) - best}", QUIET, drawn[best:]), (f"the best {best}", 0, drawn[:best]))
    names = tuple(_axis_name(scale) for scale in scales)
    traces = []
    for name, style, group in groups:
        x: list[Cell] = []
        y: list[Cell] = []
        hints: list[str] = []
        for record in group:
            for scale, axis in zip(scales, names, strict=True):
                value = value_of(story, record, scale.name)
                if value is not None:
                    x.append(round(scale.place(value), 4))
                    y.append(axis)
                    hints.append(
                        f"trial {record.index} ({show_number(record.value)}): {scale.name} {show_number(value)}"
                    )
            x.append(None)
            y.append(names[-1])
            hints.append("")
        if group:
            traces.append(Trace(name=name, x=tuple(x), y=tuple(y), style=style, hints=tuple(hints)))
    rows = [
        (record.index, record.value, *(value_of(story, record, scale.name) for scale in scales)) for record in drawn
    ]
    return Chart(
        name="parallel",
        title="Settings of the trials, from the smallest value to the largest",
        about="A line is a trial: for each setting it passes at its value, left the smallest, right the largest.",
        x=Axis("smallest to largest value"),
        y=Axis("", names=tuple(reversed(names))),
        traces=tuple(traces),
        table=numbers_of(("trial", story.metric.name, *(scale.name for scale in scales)), rows, MOST_ROWS),
    )


def _axis_name(scale: Scale) -> str:
    first, last = (show_number(value) for value in (scale.values[0], scale.values[-1]))
    return f"{scale.name} ({first} to {last}{', log' if scale.is_log else ''})"


def _slice(story: SweepStory, records: Sequence[TrialRecord], scale: Scale) -> Chart:
    having = [record for record in records if value_of(story, record, scale.name) is not None]
    drawn = [having[place] for place in thinned(len(having), POINTS)]
    one = scale.name == "architecture"
    groups: dict[str, list[TrialRecord]] = {}
    for record in drawn:
        groups.setdefault("trials" if one else record.spec.architecture, []).append(record)
    traces = tuple(
        Trace(
            name=kind,
            x=tuple(_cell(value_of(story, record, scale.name), scale) for record in group),
            y=tuple(record.value for record in group),
            marks=MarkKind.POINTS,
            style=style,
            hints=tuple(f"trial {record.index}" for record in group),
        )
        for style, (kind, group) in enumerate(sorted(groups.items()))
    )
    rows = [(record.index, value_of(story, record, scale.name), record.value) for record in drawn]
    metric = story.metric.name
    return Chart(
        name=f"slice-{scale.name}",
        title=f"{metric} by {scale.name}",
        about=f"A point is a trial: its {scale.name}, and its best validation {metric}.",
        x=Axis(scale.name, log=scale.is_log, names=() if scale.is_numeric else scale.names),
        y=Axis(metric),
        traces=traces,
        table=numbers_of(("trial", scale.name, metric), rows, MOST_ROWS),
    )


def _cell(value: Cell, scale: Scale) -> Cell:
    return value if scale.is_numeric else str(value)
