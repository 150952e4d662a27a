"""What is known of the ensemble of a sweep: who is in it, what each adds, and what the best trial alone would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.tasks import Metric
from orchestrator.training import TrialSpec
from orchestrator.units import show_apart, show_number


@dataclass(frozen=True, kw_only=True)
class Member:
    """A trial whose network is a part of an ensemble.

    Attributes:
        index: of the trial.
        spec: what was trained.
        epoch: its best one, whose weights are taken.
        count: how often it counts.
        weight: its share of all counts.
        value: its own validation figure.
        adds: by how much the ensemble's figure is better with it than without it.
    """

    index: int
    spec: TrialSpec
    epoch: int
    count: int
    weight: float
    value: float
    adds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "trial": self.index,
            "architecture": self.spec.architecture,
            "epoch": self.epoch,
            "count": self.count,
            "weight": self.weight,
            "validation": self.value,
            "adds": self.adds,
        }


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """What greedy selection has found, and whether it is better than the best trial alone.

    Attributes:
        members: the best trial first.
        candidates: how many trials could be taken.
        validation: of the metric, on the validation rows.
        single: index of the best trial alone.
        single_validation: its figure.
        judged, judged_single: the figures of ensembles and of best trials on validation rows that did not choose them;
            None if that could not be measured.
        accepted: whether it is the winner.
        reason: why, or why not, as a sentence.
    """

    members: tuple[Member, ...]
    candidates: int
    validation: float
    single: int
    single_validation: float
    judged: float | None
    judged_single: float | None
    accepted: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "accepted": self.accepted,
            "reason": self.reason,
            "members": [member.to_json() for member in self.members],
            "candidates": self.candidates,
            "validation": self.validation,
            "judged": self.judged,
            "single": {
                "trial": self.single,
                "validation": self.single_validation,
                "judged": self.judged_single,
            },
        }


def shown(content: Mapping[str, Any], metric: str) -> list[str]:
    """Lines about an ensemble for people, from its JSON."""
    if not content["accepted"]:
        return [f"no ensemble: {content['reason']}"]
    lines = [f"ensemble of {len(content['members'])} trials: {content['reason']}"]
    for member in content["members"]:
        lines.append(
            f"  trial {member['trial']}, {member['architecture']}: weight {show_number(member['weight'])}, alone "
            f"{metric} {show_number(member['validation'])}, adds {show_number(member['adds'])}"
        )
    single = content["single"]
    lines.append(f"  the best trial alone, {single['trial']}, has {metric} {show_number(single['validation'])}")
    return lines


def why(metric: Metric, single: int, judged: tuple[float, float], *, better: bool) -> str:
    """The reason for an ensemble, or against it, when both were measured."""
    ours, its = show_apart(*judged)
    comparison = "better" if better else "not better"
    return (
        f"{comparison} than the best trial, {single}, on validation rows that did not choose it "
        f"({metric.name} {ours} against {its})"
    )
