"""What a user says about rows: which belong together, which come later, which part they are in, what they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from orchestrator.choices import EqualRowsName, names_of
from orchestrator.errors import ConfigError, UsageError

# in files of before there was no choice
BEFORE: EqualRowsName = "apart"
# fields that name a column, with what such a column is to the user
COLUMN_ROLES = {
    "group": "says which rows belong together",
    "time": "says which rows come later",
    "split_column": "says which part a row is in",
    "weight": "says how much a row counts",
}
AUTO = "auto"
FILES = ("validation", "test")
# what is said of rows that are in no file
FRAME = "data frame"


@dataclass(frozen=True, kw_only=True)
class RowsWish:
    """How rows are split, and weighed.

    Attributes:
        group: column whose values are never in two parts.
        time: column that orders rows: the latest are tested on, those before validated on.
        split_column: column that says `train`, `validation` or `test` of each row.
        validation, test: files with the rows of these parts, the columns of which are those of the data; `FRAME` for
            data frames, see `Table`.
        weight: column with what each row counts in loss and metrics.
        folds: how many, or `auto`; 1 is the usual split.
        equal_rows: whether rows that are the same in all columns stay together, or are drawn each by itself; auto:
            together, unless test rows that are given were drawn otherwise.
    """

    group: str | None = None
    time: str | None = None
    split_column: str | None = None
    validation: str | None = None
    test: str | None = None
    weight: str | None = None
    equal_rows: EqualRowsName = "auto"
    folds: str | None = None

    @classmethod
    def given(cls, arguments: Mapping[str, object]) -> Self:
        """Of what a user of Python gives, among other arguments by name; None is not given.

        Raises:
            ConfigError: there is no such choice.
        """
        values = {item.name: arguments[item.name] for item in fields(cls)}
        said = {name: value if value is None else str(value) for name, value in values.items()}
        choice = said.get("equal_rows") or cls.equal_rows
        if choice not in names_of(EqualRowsName):
            raise ConfigError(f"equal_rows must be {', '.join(names_of(EqualRowsName))}, but is {choice!r}")
        return cls.from_json({**said, "equal_rows": choice})

    def check(self) -> None:
        """Raises UsageError when two of them contradict each other."""
        both = [name for name in ("group", "time", "split_column") if getattr(self, name) is not None]
        if len(both) > 1:
            one, other = map(option_of_rows, both[:2])
            raise UsageError(f"{one} and {other}: rows are split in one way; say one of them")
        number = self.folds or AUTO
        if number != AUTO and not (number.isdecimal() and int(number) > 0):
            raise UsageError(f"--folds {number}: give a number of folds, or {AUTO}")
        if self.has_folds and self.validation is not None:
            raise UsageError(
                "--folds and --validation: with folds all rows but the test rows are validated on; say one"
            )
        files = [name for name in FILES if getattr(self, name) is not None]
        if self.split_column is not None and files:
            raise UsageError(f"--split-column and --{files[0]}: the column says already which rows these are; say one")
        roles: dict[str, str] = {}
        for field, name in self.columns.items():
            if name in roles:
                one, other = option_of_rows(roles[name]), option_of_rows(field)
                raise UsageError(f"{one} {name} and {other} {name}: a column is one or the other; say which")
            roles[name] = field

    @property
    def has_folds(self) -> bool:
        """Whether several folds are asked for by number."""
        return self.folds not in (None, AUTO, "1")

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are named, by field."""
        return {name: getattr(self, name) for name in COLUMN_ROLES if getattr(self, name) is not None}

    @property
    def files(self) -> dict[str, str]:
        """The files that are named, by part."""
        return {name: getattr(self, name) for name in FILES if getattr(self, name) is not None}

    def named(self, name_in: Callable[[str], str]) -> Self:
        """With the names that columns have in a table."""
        names: dict[str, Any] = {field: name_in(name) for field, name in self.columns.items()}
        return replace(self, **names)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: str(value) for name, value in said.items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Of what is said of data, among other things; what was written before equal rows were looked at has none."""
        known: dict[str, Any] = {item.name: content.get(item.name) for item in fields(cls)}
        return cls(
            **{**known, "equal_rows": known["equal_rows"] or BEFORE, "folds": known["folds"] and str(known["folds"])}
        )


NO_ROWS_WISH = RowsWish()


def option_of_rows(field: str) -> str:
    """The option of the command line that sets a field."""
    return f"--{field.replace('_', '-')}"
