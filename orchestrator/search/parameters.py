"""The kinds of parameters that a search space can have."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scalar = bool | int | float | str
MAX_INTEGER_GRID = 50


class _Parameter(BaseModel):
    """What all kinds share: `when`, other parameters and the values of theirs for which this one exists."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)

    def applies(self, values: dict[str, Any]) -> bool:
        """Whether the parameter exists, given the values of those before it."""
        return all(
            values.get(name) in (wanted if isinstance(wanted, list) else [wanted]) for name, wanted in self.when.items()
        )


class FloatParameter(_Parameter):
    """A real number from `low` to `high`, both included.

    Attributes:
        type: float.
        low, high: the smallest and the largest value.
        log: drawn evenly in the logarithm.
        step: only low, low + step, ... are drawn.
        grid: number of points that the grid algorithm takes, evenly spaced.
        when: other parameters and the values of theirs for which this one exists.
    """

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    grid: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_bounds(self.low, self.high, log=self.log, step=self.step)
        return self

    def values(self) -> Iterable[Any] | None:
        """All that can be drawn, or None when they are endless."""
        if self.step is None:
            return [self.low] if self.low == self.high else None
        return self.grid_values()

    def grid_values(self) -> list[Any] | None:
        """The grid's points, or None when the space does not say how many."""
        if self.step is not None:
            count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
            return [min(self.low + self.step * i, self.high) for i in range(count)]
        if self.grid is None:
            return None
        # a list of spaces needs no numpy
        import numpy as np

        space = np.geomspace if self.log else np.linspace
        return [min(max(float(value), self.low), self.high) for value in space(self.low, self.high, self.grid)]

    def contains(self, value: object) -> bool:
        """Whether the value can be drawn."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]


class IntParameter(_Parameter):
    """A whole number from `low` to `high`, both included.

    Attributes:
        type: int.
        low, high: the smallest and the largest value.
        log: drawn evenly in the logarithm.
        step: only low, low + step, ... are drawn.
        when: other parameters and the values of theirs for which this one exists.
    """

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_bounds(self.low, self.high, log=self.log, step=self.step)
        return self

    def values(self) -> Iterable[Any] | None:
        """All that can be drawn."""
        return range(self.low, self.high + 1, self.step or 1)

    def grid_values(self) -> list[Any] | None:
        """Every value, unless there are more than 50 without a step."""
        values = list(range(self.low, self.high + 1, self.step or 1))
        return values if self.step is not None or len(values) <= MAX_INTEGER_GRID else None

    def contains(self, value: object) -> bool:
        """Whether the value can be drawn."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0


class CategoricalParameter(_Parameter):
    """One of some values.

    Attributes:
        type: categorical.
        choices: the values.
        when: other parameters and the values of theirs for which this one exists.
    """

    type: Literal["categorical"]
    choices: list[Scalar] = Field(min_length=1)

    def values(self) -> Iterable[Any] | None:
        """All that can be drawn."""
        return self.choices

    def grid_values(self) -> list[Any] | None:
        """All choices."""
        return list(self.choices)

    def contains(self, value: object) -> bool:
        """Whether the value can be drawn."""
        return any(type(choice) is type(value) and choice == value for choice in self.choices)


Parameter = Annotated[FloatParameter | IntParameter | CategoricalParameter, Field(discriminator="type")]


def _check_bounds(low: float, high: float, *, log: bool, step: float | None) -> None:
    if low > high:
        raise ValueError(f"low ({low:g}) is above high ({high:g})")
    if log and low <= 0:
        raise ValueError(f"low must be above 0 with log: true, but is {low:g}")
    if log and step is not None:
        raise ValueError("log and step exclude each other")
