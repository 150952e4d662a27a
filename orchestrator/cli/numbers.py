"""Numbers as options take them: whatever is wrong with one, the sentence names the option and what it takes."""

from __future__ import annotations

import math
from typing import Any

import click


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """See click."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _refused(f"a whole number{_limits(self)}", value, param, ctx) from None


class AnyWholeNumber(click.types.IntParamType):
    """A whole number, also below 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """See click."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _refused("a whole number", value, param, ctx) from None


class Number(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """See click."""
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if not math.isfinite(number):
            raise _refused(f"a number{_limits(self)}", value, param, ctx)
        return number


def _limits(numbers: click.IntRange | click.FloatRange) -> str:
    least, most = numbers.min, numbers.max
    if most is None:
        return f" above {least:,}" if numbers.min_open else f" of at least {least:,}"
    return f" above {least:,}, and {most:,} at most" if numbers.min_open else f" from {least:,} to {most:,}"


def _refused(wanted: str, value: object, param: click.Parameter | None, ctx: click.Context | None) -> click.UsageError:
    name = "the value" if param is None else max(param.opts, key=len)
    return click.UsageError(f"{name} must be {wanted}, not '{value}'", ctx)
