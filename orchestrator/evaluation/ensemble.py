"""The trials of a sweep as one network: greedy selection among them, judged on rows that did not select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.cost import measure_cost
from orchestrator.evaluation.selection import LEAST_ROWS, Contest, Fits, everything, judge, select
from orchestrator.evaluation.stored_models import StoredModel
from orchestrator.evaluation.winner import make_winner
from orchestrator.networks import Averaged
from orchestrator.sweeps.bounds import ModelCost
from orchestrator.sweeps.choice import Winner
from orchestrator.sweeps.ensembles import Ensemble, Member, why
from orchestrator.training import feature_shape


@dataclass(frozen=True, kw_only=True)
class CombinedModel:
    """A `Candidate` for the winner of a sweep that is made of several trials.

    Attributes:
        members: each with a count of at least 1, the best first.
        ensemble: what is known of it.
        validation: what it says about the validation rows.
        network: of all members.
        cost: of the network, if what it may cost is limited.
    """

    members: tuple[StoredModel, ...]
    ensemble: Ensemble
    validation: Answers
    network: Averaged
    cost: ModelCost | None

    def refusal(self) -> str:
        """See `Candidate`: `combine` takes only members that keep to the limits together."""
        return ""

    def finish(self) -> Winner:
        """See `Candidate`."""
        best = self.members[0]
        models = best.models
        return make_winner(
            best.record.best_spec or best.record.spec,
            best.report,
            dataset=models.dataset,
            metric=models.metric,
            network=self.network,
            validation=self.validation,
            test_rows=models.test_rows(),
            ensemble=self.ensemble,
            cost=self.cost,
        )


def combine(found: Sequence[StoredModel]) -> tuple[Ensemble, CombinedModel | None]:
    """Selects an ensemble of trials by what they say about the validation rows.

    Args:
        found: the trials, the best first; two at least.

    Returns:
        What is known of it; and its model, None if it is not better than the best trial alone.
    """
    best, metric = found[0], found[0].models.metric
    dataset = best.models.dataset
    task, encoder, target = dataset.schema.target.task, dataset.target_encoder, best.validation.target
    contest = Contest.of(
        score=partial(task.figure, metric.name, encoder),
        metric=metric,
        unit=encoder.std if metric.in_target_unit else 1.0,
        shares=partial(task.shares, encoder),
        outputs=tuple(model.validation.outputs for model in found),
        target=target,
        weight=best.validation.weight,
    )
    fits = _fitting(found)
    counts = select(contest, fits=fits)
    taken = [place for place, count in enumerate(counts) if count]
    members, times = tuple(found[place] for place in taken), [counts[place] for place in taken]
    outputs = _averaged(members, times)
    value = task.measure(metric.name, encoder, outputs, target, best.validation.weight)[metric.name]
    judged = judge(contest, fits=fits) if len(members) > 1 else None
    better = judged is not None and contest.rounded(judged[0]) < contest.rounded(judged[1])
    accepted = better and metric.better(value, best.report.best_value)
    single = best.record.index
    if len(members) == 1:
        reason = _alone(contest, found, members[0])
    elif judged is None:
        reason = f"{len(target)} validation rows cannot tell whether it is better; {LEAST_ROWS} are needed at least"
    else:
        reason = why(metric, single, judged, better=accepted)
    ensemble = Ensemble(
        members=_members(contest, counts, found),
        candidates=len(found),
        validation=value,
        single=single,
        single_validation=best.report.best_value,
        judged=judged and judged[0],
        judged_single=judged and judged[1],
        accepted=accepted,
        reason=reason,
    )
    if not accepted:
        return ensemble, None
    names = feature_shape(dataset).names
    average = partial(task.average, encoder)
    network = Averaged([member.network for member in members], average, names, times)
    model = CombinedModel(
        members=members,
        ensemble=ensemble,
        validation=Answers(outputs, target, best.validation.weight),
        network=network,
        cost=measure_cost(network, dataset) if best.models.bounds else None,
    )
    return _within(model)


def _fitting(found: Sequence[StoredModel]) -> Fits:
    """Which trials cost little enough together: they answer one after the other."""
    if not found[0].models.bounds:
        return everything
    return lambda places: not _too_much([found[place] for place in places])


def _too_much(models: Sequence[StoredModel]) -> str:
    """Why these trials cost too much together, empty if they do not."""
    seconds, size = sum(model.cost.seconds for model in models), sum(model.cost.size for model in models)
    return models[0].models.bounds.why_not(seconds, size)


def _alone(contest: Contest, found: Sequence[StoredModel], single: StoredModel) -> str:
    """Why no other trial was taken beside this one."""
    name = f"trial {single.record.index}"
    # without limits that was the whole selection already
    counts = select(contest) if single.models.bounds else ()
    wanted = [model for model, count in zip(found, counts, strict=False) if count]
    if len(wanted) < 2:  # noqa: PLR2004
        return f"no other trial makes {name} better"
    names = ", ".join(str(model.record.index) for model in wanted[:-1]) + f" and {wanted[-1].record.index}"
    return (
        f"no other trial for which there is room beside {name} makes it better; trials {names} would be better on "
        f"these rows, but together, {_too_much(wanted)}"
    )


def _within(model: CombinedModel) -> tuple[Ensemble, CombinedModel | None]:
    """The model, if it costs as little as its members made believe."""
    why_not = model.cost and model.members[0].models.bounds.why_not(model.cost.seconds, model.cost.size)
    if not why_not:
        return model.ensemble, model
    return replace(model.ensemble, accepted=False, reason=f"together, {why_not}"), None


def _averaged(members: Sequence[StoredModel], counts: Sequence[int]) -> NDArray[np.float32]:
    """What the network of an ensemble says about the validation rows."""
    if len(members) == 1:
        return members[0].validation.outputs
    outputs = [torch.from_numpy(model.validation.outputs) for model in members]
    stacked = torch.stack([found for found, count in zip(outputs, counts, strict=True) for _ in range(count)])
    dataset = members[0].models.dataset
    averaged: NDArray[np.float32] = dataset.schema.target.task.average(dataset.target_encoder, stacked).numpy()
    return averaged


def _members(contest: Contest, counts: Sequence[int], found: Sequence[StoredModel]) -> tuple[Member, ...]:
    whole, sign = contest.figure(contest.mixed(counts)), 1 if contest.metric.maximize else -1
    members = []
    for place, (model, count) in enumerate(zip(found, counts, strict=True)):
        if not count:
            continue
        others = [0 if other == place else n for other, n in enumerate(counts)]
        without = contest.figure(contest.mixed(others)) if any(others) else None
        members.append(
            Member(
                index=model.record.index,
                spec=model.record.best_spec or model.record.spec,
                epoch=model.report.best_epoch,
                count=count,
                weight=count / sum(counts),
                value=model.report.best_value,
                adds=0.0 if whole is None or without is None else sign * (whole - without),
            )
        )
    return tuple(members)
