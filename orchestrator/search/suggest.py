"""From a search space to trials: the define-by-run function that Optuna samples through."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.search.parameters import Parameter, Scalar
from orchestrator.search.space import SearchSpace
from orchestrator.training.spec import TrialSpec, spec_from_parameters

if TYPE_CHECKING:
    import optuna


def trial_seed(sweep_seed: int, index: int) -> int:
    """The seed of a trial: from the sweep's seed and the trial's index only, in 0 .. 2^31 - 1."""
    return int(np.random.SeedSequence([sweep_seed, index]).generate_state(1)[0]) & 0x7FFFFFFF


@dataclass(frozen=True)
class SpecSampler:
    """Makes trial specs of what is drawn.

    Attributes:
        space: what to draw from.
        metric: of every spec.
        seed: of the sweep.
        fixed: entries of every spec (epochs, patience) that the sweep sets.
    """

    space: SearchSpace
    metric: str
    seed: int
    fixed: dict[str, Any]

    def spec(self, parameters: dict[str, Any], index: int) -> TrialSpec:
        """The spec of trial number `index` with these flat parameters."""
        defaults = {"epochs": self.space.epochs, "patience": self.space.patience}
        return spec_from_parameters(defaults | parameters | self.fixed, self.metric, trial_seed(self.seed, index))

    def key(self, parameters: dict[str, Any]) -> str:
        """What two draws of the same configuration have in common; the seed is none of it."""
        content = self.spec(parameters, 0).to_json()
        return json.dumps(_rounded(content), sort_keys=True)

    def distinct(self, points: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Complete configurations, each once, by their keys."""
        found: dict[str, dict[str, Any]] = {}
        for point in points:
            found.setdefault(self.key(point), point)
        return found

    @cached_property
    def points(self) -> Mapping[str, dict[str, Any]] | None:
        """All configurations by their keys; None if they are endless, or too many to count."""
        points = self.space.points()
        return None if points is None else self.distinct(points)

    def example(self, architecture: str | None = None) -> TrialSpec:
        """Some spec of the space, of the given architecture or of any."""
        space = self.space if architecture is None else self.space.only(architecture)
        return next(replace(self, space=space).examples((), 1))

    def examples(self, points: Iterable[Mapping[str, Any]], count: int) -> Iterator[TrialSpec]:
        """Some specs of the space: those that contain the given points, then random ones."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self.seed))
        for point in itertools.islice(points, count):
            study.enqueue_trial(self.space.qualify(point))
        for index in range(count):
            yield self.spec(suggest(self.space, study.ask()), index)


def _rounded(value: Any) -> Any:  # noqa: ANN401
    # steps of a float are added up in more than one way
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return {name: _rounded(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def suggest(space: SearchSpace, trial: optuna.Trial) -> dict[str, Any]:
    """Flat parameters of one configuration: the architecture, then what exists given what was drawn before."""
    names = list(space.architectures)
    architecture = trial.suggest_categorical("architecture", names) if len(names) > 1 else names[0]
    drawn: dict[str, Any] = {"architecture": architecture}
    for name, (unique, entry) in space.entries(architecture).items():
        if isinstance(entry, Scalar):
            drawn[name] = entry
        elif entry.applies(drawn):
            drawn[name] = _draw(trial, unique, entry)
    return drawn


def _draw(trial: optuna.Trial, name: str, entry: Parameter) -> Any:  # noqa: ANN401
    match entry.type:
        case "float":
            return trial.suggest_float(name, entry.low, entry.high, log=entry.log, step=entry.step)
        case "int":
            return trial.suggest_int(name, entry.low, entry.high, log=entry.log, step=entry.step or 1)
        case _:
            return trial.suggest_categorical(name, entry.choices)


def distributions(space: SearchSpace) -> dict[str, optuna.distributions.BaseDistribution]:
    """What each parameter of the whole space is drawn from, by its unique name, in an order that does not change."""
    import optuna

    found: dict[str, optuna.distributions.BaseDistribution] = {}
    names = list(space.architectures)
    if len(names) > 1:
        found["architecture"] = optuna.distributions.CategoricalDistribution(names)
    for architecture in names:
        for unique, entry in space.entries(architecture).values():
            if not isinstance(entry, Scalar):
                found[unique] = _distribution(entry)
    return found


def _distribution(entry: Parameter) -> optuna.distributions.BaseDistribution:
    import optuna

    match entry.type:
        case "float":
            return optuna.distributions.FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)
        case "int":
            return optuna.distributions.IntDistribution(entry.low, entry.high, log=entry.log, step=entry.step or 1)
        case _:
            return optuna.distributions.CategoricalDistribution(entry.choices)
