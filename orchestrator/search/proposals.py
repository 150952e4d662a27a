"""Proposals: what to try next, drawn by a search algorithm through Optuna, and nothing twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from orchestrator.search.searchers import STREAM, Draw, Searcher, find_searcher
from orchestrator.search.suggest import SpecSampler, suggest
from orchestrator.tasks import Metric
from orchestrator.training.spec import TrialSpec

# so often the algorithm, and then chance, may propose what a trial has had already
DRAWS, CHANCES = 10, 200


@dataclass(frozen=True)
class Proposal:
    """A trial that a search algorithm wants.

    Attributes:
        index: number in the sweep, from 0.
        spec: what to train.
        point: the values that were drawn, under the names that are unique in the whole space.
    """

    index: int
    spec: TrialSpec
    point: Mapping[str, Any]


class Proposals:
    """A search algorithm and what it knows.

    The draw of a trial depends on the sweep's seed, on its index and on the results that are known, not on what was
    drawn before by this process: a search that is rebuilt from a record goes on as it would have without the break. No
    configuration is drawn twice, unless all of them have been.

    Attributes:
        count: trials so far.
    """

    def __init__(
        self, searcher: Searcher, sampler: SpecSampler, metric: Metric, points: Sequence[Mapping[str, Any]]
    ) -> None:
        """Args:
        searcher: the algorithm.
        sampler: turns Optuna's trials into specs.
        metric: decides whether the objective is maximised.
        points: configurations to try first, as flat parameters; see `Searcher.first_points`.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._searcher, self._chance, self._sampler = searcher, find_searcher("random"), sampler
        self._points = [sampler.space.qualify(point) for point in points]
        self._study = optuna.create_study(direction="maximize" if metric.maximize else "minimize")
        self._asked: dict[int, optuna.Trial] = {}
        self._seen: set[str] = set()
        self.count = 0

    def draw(self) -> Proposal:
        """The next trial: a configuration that no trial has had, as long as there is one."""
        index = self.count
        rejected = None
        for number, (point, by_chance) in enumerate(self._ways(index)):
            if rejected is not None:
                self._study.tell(rejected, state=optuna.trial.TrialState.FAIL)
            if point is not None:
                self._study.enqueue_trial(point)
            draw = Draw(self._sampler.space, self._sampler.seed, index, number)
            self._study.sampler = (self._chance if by_chance else self._searcher).sampler(draw)
            trial = self._study.ask()
            parameters = suggest(self._sampler.space, trial)
            if self._sampler.key(parameters) not in self._seen:
                break
            rejected = trial
        self._accept(trial, parameters)
        return Proposal(index, self._sampler.spec(parameters, index), dict(trial.params))

    def restore(self, point: Mapping[str, Any]) -> None:
        """The next trial, which was drawn earlier."""
        self._study.enqueue_trial(dict(point))
        trial = self._study.ask()
        self._accept(trial, suggest(self._sampler.space, trial))

    def tell(self, index: int, value: float | None) -> None:
        """How a trial has ended: its best value, None if it has none or has failed."""
        trial = self._asked.pop(index, None)
        if trial is None:
            return
        if value is None or not math.isfinite(value):
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _ways(self, index: int) -> Iterator[tuple[dict[str, Any] | None, bool]]:
        """How to come by a configuration, one after another: what of it is given, and whether the rest is by chance."""
        if index < len(self._points):
            yield from [(self._points[index], False)] * DRAWS
        yield from [(None, False)] * DRAWS
        known = self._sampler.points
        if known is None:
            yield from [(None, True)] * CHANCES
            return
        unseen = [point for key, point in known.items() if key not in self._seen]
        if unseen:
            random = np.random.default_rng([self._sampler.seed, index, STREAM])
            yield self._sampler.space.qualify(unseen[random.integers(len(unseen))]), True

    def _accept(self, trial: optuna.Trial, parameters: dict[str, Any]) -> None:
        self._seen.add(self._sampler.key(parameters))
        self._asked[self.count] = trial
        self.count += 1
