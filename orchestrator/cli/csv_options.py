"""Options that say how a CSV file is written, instead of what would be found out: all of them are one value, `csv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import click

from orchestrator.cli.numbers import WholeNumber
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.errors import UsageError

CSV_OPTIONS = [
    click.option(
        "--keep-lines", is_flag=True, default=None, help="Lines that look like totals, units or footers are rows."
    ),
    click.option("--header-line", type=WholeNumber(1), metavar="N", help="The line with the names of the columns."),
    click.option("--delimiter", metavar="MARK", help="Between the cells: ; or tab, for instance."),
    click.option("--encoding", metavar="NAME", help="Of the text, such as cp1250 or gbk."),
]
Function = TypeVar("Function", bound=Callable[..., Any])
FIELDS = ("keep_lines", "header_line", "delimiter", "encoding")


def csv_options(function: Function) -> Function:
    """A command that reads a CSV file, and gets what is said of it as `csv`."""

    @wraps(function)
    def command(*args: Any, **given: Any) -> Any:  # noqa: ANN401
        return function(*args, **with_csv(given))

    decorated: Any = command
    for option in reversed(CSV_OPTIONS):
        decorated = option(decorated)
    return cast(Function, decorated)


def with_csv(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, but that all that is said of a CSV file is one value: `csv`.

    Raises:
        UsageError: one of them cannot be.
    """
    said = {name: given[name] for name in FIELDS if given.get(name) is not None}
    try:
        CsvWish.from_json(said)
    except ValueError as error:
        raise UsageError(str(error)) from None
    rest = {name: value for name, value in given.items() if name not in FIELDS}
    return {**rest, "csv": said} if said else rest
