"""From which probability on a row gets the positive label: chosen on validation rows, judged on rows that did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.tasks._scores import standard_error
from orchestrator.units import show_apart

DEFAULT = 0.5
JUDGED_PARTS = 5
# fewer rows of one class cannot tell a good threshold from a bad one
LEAST_ROWS = 10
# of so many random halves of the rows the middle threshold is taken
HALVES = 21
DIGITS = 17

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]
Weight = NDArray[np.float64]
# what rows count that are rightly, and wrongly, said to be positive, beside all positive and all other ones
Goodness = Callable[[Scores, Scores, float, float], Scores]


@dataclass(frozen=True)
class LabelCost:
    """What wrong labels cost.

    Attributes:
        false_positive: of a row that is said to be positive and is not.
        false_negative: of a positive row that is not said to be.
    """

    false_positive: float = 1.0
    false_negative: float = 1.0

    @property
    def threshold(self) -> float:
        """From which probability on the positive label costs less (Elkan 2001), if probabilities are what they say."""
        return self.false_positive / (self.false_positive + self.false_negative)

    def goodness(self, hits: Scores, wrong: Scores, positive: float, others: float) -> Scores:
        """The mean cost of a row, negative."""
        total = self.false_positive * wrong + self.false_negative * (positive - hits)
        return -total / (positive + others)

    def to_json(self) -> dict[str, float]:
        """Plain JSON."""
        return {"false_positive": self.false_positive, "false_negative": self.false_negative}


@dataclass(frozen=True, kw_only=True)
class LabelThreshold:
    """The threshold of a model, and why.

    Attributes:
        threshold: rows with a larger probability of the positive class get its label.
        by: what it makes best: a metric, `cost`, or `user` if it was given.
        default: what it would be without validation rows.
        reason: why, as a part of a sentence.
        said: labels of the validation rows, each by a threshold that other rows chose, class numbers [rows].
        judged, judged_default: figures on validation rows that did not choose: of thresholds chosen on the other rows,
            and of the default; None if there are too few rows.
        validation: the metric that is optimised with these labels; None where it is as without a threshold.
        positive: the label of which the probability is asked.
    """

    threshold: float
    by: str
    default: float
    reason: str
    said: NDArray[np.int64]
    judged: float | None = None
    judged_default: float | None = None
    validation: float | None = None
    positive: str | int | bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without what is said of single rows."""
        return {
            "value": self.threshold,
            "positive": self.positive,
            "by": self.by,
            "default": self.default,
            "judged": self.judged,
            "judged_default": self.judged_default,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class ScoredRows:
    """What is known of some rows.

    Attributes:
        score: probability of the positive class, [rows].
        positive: whether a row is, [rows].
        weight: what each row counts, [rows].
    """

    score: Scores
    positive: Truth
    weight: Weight

    def take(self, rows: NDArray[Any]) -> ScoredRows:
        """Some of them."""
        return ScoredRows(self.score[rows], self.positive[rows], self.weight[rows])

    def figure(self, goodness: Goodness, said: Truth) -> float:
        """How good it is to say that these rows are positive."""
        hits, wrong = (np.array([float(self.weight[said & mine].sum())]) for mine in (self.positive, ~self.positive))
        return float(goodness(hits, wrong, *self.totals)[0])

    def error(self, goodness: Goodness, said: Truth, before: Truth) -> float:
        """The standard error of the difference of two ways to label these rows, if `goodness` is a mean over rows."""
        ones = np.ones(1)
        each = {
            (label, truth): float(goodness(ones * (label and truth), ones * (label and not truth), truth, not truth)[0])
            for label in (False, True)
            for truth in (False, True)
        }
        changes = np.array(
            [each[one, truth] - each[other, truth] for one, other, truth in self._labelled(said, before)]
        )
        return standard_error(changes, self.weight)

    def _labelled(self, said: Truth, before: Truth) -> Iterable[tuple[bool, bool, bool]]:
        return zip(said.tolist(), before.tolist(), self.positive.tolist(), strict=True)

    @property
    def totals(self) -> tuple[float, float]:
        """What positive rows, and what others count together."""
        return float(self.weight[self.positive].sum()), float(self.weight[~self.positive].sum())


def decide(
    rows: ScoredRows, goodness: Goodness, *, by: str, default: float, sign: float = 1.0, expected: bool = False
) -> LabelThreshold:
    """A threshold that is better than the default on rows that did not choose it, or the default.

    Args:
        rows: of validation.
        goodness: what is made large.
        by: its name.
        default: without rows that say something else.
        sign: 1 if users see the figure as `goodness` has it, -1 if they see it negative.
        expected: whether the default is best if probabilities are what they say: another one must then be better by
            more than one standard error. Only where `goodness` is a mean over the rows.
    """
    said = rows.score > default
    counted = rows.weight > 0
    fewest = min(int((rows.positive & counted).sum()), int((~rows.positive & counted).sum()))
    if fewest < LEAST_ROWS:
        reason = f"{fewest} validation rows of one class cannot tell which is best; {LEAST_ROWS} are needed"
        return LabelThreshold(threshold=default, by=by, default=default, reason=reason, said=said.astype(np.int64))
    crossed = np.empty(len(said), bool)
    parts = stratified_parts(rows.positive)
    for part in range(JUDGED_PARTS):
        left = parts == part
        crossed[left] = rows.score[left] > best_threshold(rows.take(~left), goodness)
    judged, before = rows.figure(goodness, crossed), rows.figure(goodness, said)
    shown = show_apart(sign * judged, sign * before)
    comparison = f"on validation rows that did not choose it ({by} {shown[0]} against {shown[1]})"
    better = judged > before + (rows.error(goodness, crossed, said) if expected else 0.0)
    much = "enough " if expected and judged > before else ""
    return LabelThreshold(
        threshold=best_threshold(rows, goodness) if better else default,
        by=by,
        default=default,
        judged=sign * judged,
        judged_default=sign * before,
        reason=f"better than {default:.4g} {comparison}" if better else f"no other one is {much}better {comparison}",
        said=(crossed if better else said).astype(np.int64),
    )


def best_threshold(rows: ScoredRows, goodness: Goodness) -> float:
    """The middle one of those that are best for random halves of the rows: one alone would follow single rows."""
    if len(np.unique(rows.score)) == 1:
        return DEFAULT
    order = np.argsort(rows.score, kind="stable")
    found = rows.take(order)
    random = np.random.default_rng(0)
    halves = [random.permutation(len(order)) % 2 == 0 for _ in range(HALVES)]
    bests = [_best(found.take(half), goodness) for half in halves]
    middle = float(np.median(bests))
    return middle if 0 < middle < 1 else DEFAULT


def _best(rows: ScoredRows, goodness: Goodness) -> float:
    """The best threshold of rows that are sorted by their score, in the middle between two scores."""
    hits = np.cumsum((rows.weight * rows.positive)[::-1])[::-1]
    wrong = np.cumsum((rows.weight * ~rows.positive)[::-1])[::-1]
    # between equal scores is no place
    places = np.append(0, np.flatnonzero(np.diff(rows.score) > 0) + 1)
    found = goodness(hits[places], wrong[places], *rows.totals)
    place = int(places[int(np.argmax(found))])
    below = rows.score[place - 1] if place else 0.0
    return float((below + rows.score[place]) / 2)


def stratified_parts(classes: NDArray[Any]) -> NDArray[np.int64]:
    """A part for each row, from 0, with equal shares of all classes."""
    order = np.random.default_rng(0).permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    part = np.empty(len(classes), np.int64)
    part[order] = np.arange(len(classes)) % JUDGED_PARTS
    return part


def _f1(hits: Scores, wrong: Scores, positive: float, others: float) -> Scores:
    del others
    below = hits + wrong + positive
    return np.where(below > 0, 2 * hits / np.where(below > 0, below, 1.0), 0.0)


def _balanced_accuracy(hits: Scores, wrong: Scores, positive: float, others: float) -> Scores:
    shares = [1 - wrong / others] if others else []
    shares += [hits / positive] if positive else []
    found: Scores = np.mean(shares, axis=0)
    return found


def _mcc(hits: Scores, wrong: Scores, positive: float, others: float) -> Scores:
    said = hits + wrong
    below = said * (positive + others - said) * positive * others
    above = hits * (others - wrong) - wrong * (positive - hits)
    return np.where(below > 0, above / np.sqrt(np.where(below > 0, below, 1.0)), 0.0)


def _kappa(hits: Scores, wrong: Scores, positive: float, others: float) -> Scores:
    rows = positive + others
    said = hits + wrong
    errors = wrong + positive - hits
    chance = (said * others + (rows - said) * positive) / rows
    return np.where(chance > 0, 1 - errors / np.where(chance > 0, chance, 1.0), 0.0)


# metrics whose best labels are not those of the more likely class
GOODNESS: Mapping[str, Goodness] = {
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
    "mcc": _mcc,
    "quadratic_kappa": _kappa,
}
