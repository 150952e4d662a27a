"""What a user says about a target of numbers: what networks are taught of it, and how far predictions may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from orchestrator.choices import TargetTransformName, names_of
from orchestrator.errors import ConfigError, did_you_mean

AUTO: Final = "auto"


@dataclass(frozen=True, kw_only=True)
class TargetWish:
    """What becomes of a target of numbers; targets of labels are not concerned.

    Attributes:
        clip_predictions: whether no prediction is below the smallest, or above the largest, target of training rows.
        target_transform: what networks are taught: the target itself, its logarithm or its rank, or what suits it.
        metric: by which models are judged, None for the usual one; it says whether a mean or a median is right.
    """

    clip_predictions: bool = True
    target_transform: TargetTransformName = AUTO
    metric: str | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError when there is no such choice."""
        known = names_of(TargetTransformName)
        if self.target_transform not in known:
            raise ConfigError(
                f"target_transform must be one of {', '.join(known)}, but is {self.target_transform!r}"
                f"{did_you_mean(str(self.target_transform), known)}"
            )

    @classmethod
    def given(cls, arguments: Mapping[str, Any]) -> Self:
        """Of what a user of Python gives, among other arguments by name; None is not given."""
        return cls(**{item.name: arguments[item.name] for item in fields(cls) if arguments.get(item.name) is not None})

    @property
    def said(self) -> dict[str, Any]:
        """What can be said of targets only, by name."""
        return {"clip_predictions": self.clip_predictions, "target_transform": self.target_transform}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`: what is not as before."""
        return {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) != getattr(BEFORE, item.name)
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Of what is said of data, among other things; what is not there is as it was before it could be said."""
        return cls(**{item.name: content.get(item.name, getattr(BEFORE, item.name)) for item in fields(cls)})


TARGET_WISH = TargetWish()
# of models, trials and sweeps that do not say it
BEFORE = TargetWish(clip_predictions=False, target_transform="none")
