"""What a user says about a target of numbers: how its predictions are held within what training has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class TargetWish:
    """What becomes of a target of numbers; targets of labels are not concerned.

    Attributes:
        clip_predictions: whether no prediction is below the smallest, or above the largest, target of training rows.
    """

    clip_predictions: bool = True

    @classmethod
    def given(cls, arguments: Mapping[str, Any]) -> Self:
        """Of what a user of Python gives, among other arguments by name; None is not given."""
        return cls(**{item.name: arguments[item.name] for item in fields(cls) if arguments.get(item.name) is not None})

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
BEFORE = TargetWish(clip_predictions=False)
