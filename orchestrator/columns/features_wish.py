"""What a user says about the inputs that are made of columns, beside how these are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from orchestrator.columns.wish import plain_columns
from orchestrator.errors import UsageError

AUTO, NONE = "auto", "none"


@dataclass(frozen=True, kw_only=True)
class FeaturesWish:
    """What becomes of columns whose kinds are known.

    Attributes:
        rare_categories: values of fewer training rows than this number share a code; `auto` goes by the number of
            values, `none` gives each a code of its own.
        target_statistics: columns of categories for which the mean of the target is an input; `auto` alone for those of
            many values.
        date_differences: whether the days between two columns of dates are an input: `auto` where there are two to
            four, `none` never.
    """

    rare_categories: str = AUTO
    target_statistics: tuple[str, ...] = ()
    date_differences: str = AUTO

    @classmethod
    def given(cls, arguments: Mapping[str, object]) -> Self:
        """Of what a user of Python gives, among other arguments by name; None is not given.

        Raises:
            UsageError: there is no such choice.
        """
        said = {item.name: arguments[item.name] for item in fields(cls) if arguments[item.name] is not None}
        columns = columns_or_none(said.pop("target_statistics", ()))
        wish = cls(**{name: str(value) for name, value in said.items()}, target_statistics=tuple(map(str, columns)))
        wish.check()
        return wish

    def check(self) -> None:
        """Raises UsageError when one of them is no choice."""
        number = self.rare_categories
        if number not in (AUTO, NONE) and not (number.isdecimal() and int(number) > 1):
            raise UsageError(f"--rare-categories {number}: give a number of rows above 1, {AUTO} or {NONE}")
        if self.date_differences not in (AUTO, NONE):
            raise UsageError(f"--date-differences {self.date_differences}: give {AUTO} or {NONE}")
        columns = self.target_statistics
        if len(columns) > 1 and (words := [name for name in columns if name in (AUTO, NONE)]):
            raise UsageError(f"--target-statistics {words[0]}: say either that or columns")
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise UsageError(f"--target-statistics {twice}: say a column once")

    @property
    def averaged_columns(self) -> tuple[str, ...]:
        """The columns that are named for target statistics."""
        return () if self.target_statistics == (AUTO,) else self.target_statistics

    def named(self, name_in: Callable[[str], str]) -> Self:
        """With the names that columns have in a table."""
        columns = tuple(map(name_in, self.averaged_columns))
        return replace(self, target_statistics=columns or self.target_statistics)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**said, "target_statistics": list(self.target_statistics)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Of what is said of data, among other things; what was written before there were choices has none."""
        known = {**BEFORE, **{item.name: content[item.name] for item in fields(cls) if item.name in content}}
        return cls(**{**known, "target_statistics": tuple(known["target_statistics"])})


def columns_or_none(value: Any) -> Any:  # noqa: ANN401
    """Columns as people say them, of which `none` alone is no column."""
    columns = plain_columns(value)
    return () if columns == (NONE,) else columns


# of data that was read before there was a choice
BEFORE: Mapping[str, Any] = {"rare_categories": NONE, "target_statistics": (), "date_differences": NONE}
PLAIN_FEATURES = FeaturesWish(**BEFORE)
USUAL_FEATURES = FeaturesWish()
