"""Search algorithms: what to try next. All draw through Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from orchestrator.search.suggest import SpecSampler, suggest
from orchestrator.training import Metric, TrialSpec

# keeps the draws of a search apart from the seeds of its trials
STREAM = 1


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
    drawn before by this process: a search that is rebuilt from a record goes on as it would have without the break.

    Attributes:
        count: trials so far.
    """

    def __init__(
        self, algorithm: str, sampler: SpecSampler, metric: Metric, points: Sequence[Mapping[str, Any]]
    ) -> None:
        """Args:
        algorithm: tpe, random, or grid (then `points` are the whole grid).
        sampler: turns Optuna's trials into specs.
        metric: decides whether the objective is maximised.
        points: configurations to try first, as flat parameters.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._algorithm, self._sampler = algorithm, sampler
        self._points = [sampler.space.qualify(point) for point in points]
        self._study = optuna.create_study(direction="maximize" if metric.maximize else "minimize")
        self._asked: dict[int, optuna.Trial] = {}
        self.count = 0

    def draw(self) -> Proposal:
        """The next trial."""
        index = self.count
        if index < len(self._points):
            self._study.enqueue_trial(self._points[index])
        seed = int(np.random.SeedSequence([self._sampler.seed, index, STREAM]).generate_state(1)[0])
        self._study.sampler = self._make(seed)
        trial, parameters = self._ask()
        return Proposal(index, self._sampler.spec(parameters, index), dict(trial.params))

    def restore(self, point: Mapping[str, Any]) -> None:
        """The next trial, which was drawn earlier."""
        self._study.enqueue_trial(dict(point))
        self._ask()

    def tell(self, index: int, value: float | None) -> None:
        """How a trial has ended: its best value, None if it has none or has failed."""
        trial = self._asked.pop(index, None)
        if trial is None:
            return
        if value is None or not math.isfinite(value):
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        trial = self._study.ask()
        parameters = suggest(self._sampler.space, trial)
        self._asked[self.count] = trial
        self.count += 1
        return trial, parameters

    def _make(self, seed: int) -> optuna.samplers.BaseSampler:
        if self._algorithm != "tpe":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            # multivariate and grouped sampling are what a conditional space needs; Optuna calls them experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=False, seed=seed)
