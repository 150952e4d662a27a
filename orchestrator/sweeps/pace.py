"""What a time budget has room for: folds, epochs and architectures."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.data import Background, Dataset
from orchestrator.data.splits.folds import AUTO_ROWS
from orchestrator.inputs import TEXT
from orchestrator.networks.settings import ARCHITECTURES, EMBED_TEXTS, KEEPS_ROWS
from orchestrator.search import SearchSpace, batch_sizes, ends_of

# `--folds auto` is meant for budgets between these: folds are worth more than the epochs and trials that they cost
LITTLE, MUCH = timedelta(minutes=3), timedelta(minutes=10)
# an hour has room for six times the rows; more folds of larger tables are not worth their time
MOST_TIMES = 6.0
# of all cores' time the start points may take so much, and the last of them ends after so much of the time
START_SHARE, LAST_SHARE = 0.6, 0.8
# networks that learn for less than half as long are worse than fewer architectures (docs/quality.md has figures)
LEAST_SHARE = 0.5
# measured, of a core: what the layer for texts takes for each token that it embeds, and for each step of its optimizer,
# which changes the whole table
TOKEN_MILLISECONDS, TABLE_MILLISECONDS = 0.000075, 5.0
# the same where the table has a few numbers for each token only, see `TextAnswer`
ANSWER_TOKEN_MILLISECONDS, ANSWER_TABLE_MILLISECONDS = 0.000085, 2.0


@dataclass(frozen=True)
class Pace:
    """What fits.

    Attributes:
        epochs: of a trial at most.
        left_out: architectures, none of which would come to an end.
    """

    epochs: int
    left_out: tuple[str, ...] = ()


def fold_rows(budget: timedelta | None) -> int:
    """Rows that an epoch of all folds may train on, for `--folds auto`."""
    if budget is None:
        return AUTO_ROWS
    return round(AUTO_ROWS * min(1.0, budget / LITTLE) * max(1.0, min(MOST_TIMES, budget / MUCH)))


def text_tokens(dataset: Dataset) -> int:
    """How many tokens a network embeds of each row: those of the longest text, up to which others are filled."""
    if all(spec.name != TEXT for spec in dataset.encoder.inputs):
        return 0
    if dataset.pieces is None:
        inputs = dataset.some_training_rows(1).inputs
    else:
        # to read a piece of a folder would take long
        sample = dataset.background or Background.of(dataset.example)
        if sample is None:
            return 0
        inputs = dataset.encoder.transform(dataset.schema, sample.frame())
    return int(inputs[TEXT].shape[1])


def row_milliseconds(space: SearchSpace, rows: int, tokens: int, *, only_texts: bool = False) -> Mapping[str, float]:
    """What a core takes for each row that an epoch trains on, by architecture, as far as the space says it.

    Args:
        space: whose author knows nothing of texts.
        rows: for training.
        tokens: of a row, see `text_tokens`.
        only_texts: whether rows have nothing else.
    """
    known = {name: cost for name, cost in space.milliseconds_per_row.items() if name in space.architectures}
    if not tokens:
        return known
    return {
        name: (0.0 if only_texts and name not in EMBED_TEXTS else cost) + _text_milliseconds(space, name, rows, tokens)
        for name, cost in known.items()
    }


def _text_milliseconds(space: SearchSpace, architecture: str, rows: int, tokens: int) -> float:
    batch, _ = batch_sizes(space, architecture)
    if architecture not in EMBED_TEXTS:
        return tokens * ANSWER_TOKEN_MILLISECONDS + ANSWER_TABLE_MILLISECONDS / batch
    embedded = 1.0
    if architecture in KEEPS_ROWS:
        # beside the row itself: what a step draws, and once in an epoch all of them
        _, drawn = ends_of(space, architecture, "sampled", ARCHITECTURES[architecture].sampled)
        embedded += min(rows, drawn) / batch + 1.0
    return embedded * tokens * TOKEN_MILLISECONDS + TABLE_MILLISECONDS / batch


def fitted(space: SearchSpace, milliseconds: Mapping[str, float], rows: int, seconds: float, slots: int) -> Pace:
    """How many epochs, at most those of the space, let the start points come to their end within a time budget.

    Where not even `LEAST_SHARE` of them fit, the slowest architecture is left out, and so on; one stays.

    Args:
        space: of the sweep.
        milliseconds: see `row_milliseconds`.
        rows: that an epoch trains on, of all folds.
        seconds: of the budget.
        slots: trials at once.
    """
    costs = {name: rows * milliseconds.get(name, 0.0) / 1000.0 for name in space.architectures}
    counts = _start_points(space)
    left_out: list[str] = []
    while True:
        each = [cost for name, cost in costs.items() for _ in range(counts[name])]
        if not any(each):
            return Pace(space.epochs, tuple(left_out))
        room = min(START_SHARE * seconds * slots / sum(each), LAST_SHARE * seconds / _last_end(each, slots))
        if room >= LEAST_SHARE * space.epochs or len(costs) == 1:
            return Pace(max(1, min(space.epochs, int(room))), tuple(left_out))
        slowest = max(costs, key=lambda name: costs[name])
        del costs[slowest]
        left_out.append(slowest)


def _last_end(costs: Iterable[float], slots: int) -> float:
    """When the last of some trials ends that start one after the other, the quickest first, each in the first slot that
    is free."""
    ordered = sorted(costs)
    free = ordered[:slots]
    heapq.heapify(free)
    for cost in ordered[slots:]:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def _start_points(space: SearchSpace) -> Mapping[str, int]:
    """Of each architecture; one at least, which is drawn."""
    named = [point.get("architecture") for point in space.start_points]
    return {name: max(1, named.count(name)) for name in space.architectures}
