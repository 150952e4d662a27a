"""What a user says about the inputs that are made of columns, beside how these are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from orchestrator.errors import UsageError

AUTO, NONE = "auto", "none"


@dataclass(frozen=True, kw_only=True)
class FeaturesWish:
    """What becomes of columns whose kinds are known.

    Attributes:
        rare_categories: values of fewer training rows than this number share a code; `auto` goes by the number of
            values, `none` gives each a code of its own.
    """

    rare_categories: str = AUTO

    @classmethod
    def given(cls, arguments: Mapping[str, object]) -> Self:
        """Of what a user of Python gives, among other arguments by name; None is not given.

        Raises:
            UsageError: there is no such choice.
        """
        said = {item.name: arguments[item.name] for item in fields(cls) if arguments[item.name] is not None}
        wish = cls(**{name: str(value) for name, value in said.items()})
        wish.check()
        return wish

    def check(self) -> None:
        """Raises UsageError when one of them is no choice."""
        number = self.rare_categories
        if number not in (AUTO, NONE) and not (number.isdecimal() and int(number) > 1):
            raise UsageError(f"--rare-categories {number}: give a number of rows above 1, {AUTO} or {NONE}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Of what is said of data, among other things; what was written before there were choices has none."""
        return cls(**{**BEFORE, **{item.name: content[item.name] for item in fields(cls) if item.name in content}})


# of data that was read before there was a choice
BEFORE: Mapping[str, Any] = {"rare_categories": NONE}
PLAIN_FEATURES = FeaturesWish(**BEFORE)
USUAL_FEATURES = FeaturesWish()
