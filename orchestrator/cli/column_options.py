"""Options that say what columns are, instead of what would be guessed: each becomes a part of one value, `columns`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.columns.wish import CATEGORICAL, IGNORE, all_wishes, option_of, two_kinds
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.config import ColumnsConfig

# kinds whose option says nothing else: what it is good for
KIND_OPTIONS = {
    "numeric": "Read as numbers.",
    "datetime": "Read as dates and times.",
    "time_of_day": "Read as times of the day.",
    "duration": "Read as durations.",
    "text": "Read as free text.",
    "boolean": "Read as true and false.",
}
# fields of `ColumnWish` that take one value, or several
VALUES = {
    "date_format": "How dates are written, such as born=%d/%m/%Y.",
    "decimal": "The decimal mark of numbers, such as price=, or price=. there.",
}
WORDS = {
    "missing": "This word stands for a missing value there, such as age=999.",
    "values": "This word is a value there, such as country=NA.",
}
PAIR = "COLUMN=VALUE"


def _options() -> list[Any]:
    kinds = [
        click.option(option_of(kind), kind, multiple=True, metavar="COLUMN", help=f"{text} May be repeated.")
        for kind, text in {**KIND_OPTIONS, CATEGORICAL: "Read as categories.", IGNORE: "Leave out."}.items()
    ]
    pairs = [
        click.option(option_of(name), name, multiple=True, metavar=PAIR, help=f"{text} May be repeated.")
        for name, text in {**VALUES, **WORDS}.items()
    ]
    return [
        *kinds,
        click.option("--ignore-text", is_flag=True, default=None, help="Leave out all columns of free text."),
        *pairs,
        click.option(
            "--columns",
            "columns_file",
            type=click.Path(path_type=Path),
            help="YAML file that says all of this, see `orchestrator inspect -o`.",
        ),
    ]


COLUMN_OPTIONS = _options()


def with_columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, but that all that is said of columns is one value: `columns`, by name and then by field.

    Raises:
        UsageError: two of them contradict each other.
        ConfigError: the file is not valid.
    """
    rest = {
        name: value for name, value in given.items() if name not in {*KIND_OPTIONS, *VALUES, *WORDS, "columns_file"}
    }
    wishes = _wishes(given)
    if given.get("columns_file") is not None:
        from orchestrator.config import ColumnsConfig

        file = ColumnsConfig.load(given["columns_file"])
        rest |= {name: getattr(file, name) for name in ("target", "task") if rest.get(name) is None}
        wishes = _over(file, wishes, rest)
        csv = {**file.csv.to_json(), **rest.get("csv", {})}
        rest |= {"csv": csv} if csv else {}
    return {**rest, "columns": wishes} if wishes else rest


def _wishes(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind in KIND_OPTIONS:
        for name in given.get(kind, ()):
            before = found.setdefault(name, {}).setdefault("kind", kind)
            if before != kind:
                raise two_kinds(name, before, kind)
    for field in (*VALUES, *WORDS):
        for pair in given.get(field, ()):
            name, value = _pair(pair, option_of(field))
            wish = found.setdefault(name, {})
            if field in WORDS:
                wish[field] = [*wish.get(field, ()), value]
            elif wish.setdefault(field, value) != value:
                raise UsageError(f"{option_of(field)} {name}: {wish[field]} and {value}; say one of them")
    from orchestrator.columns.wish import ColumnWish

    all_wishes({name: ColumnWish.from_json(wish) for name, wish in found.items()}, given[CATEGORICAL], given[IGNORE])
    return found


def _pair(text: str, option: str) -> tuple[str, str]:
    # names of columns hold such a sign more often than words do
    name, sign, value = text.rpartition("=")
    if not sign or not name:
        raise UsageError(f"{option} {text}: write {PAIR}, such as {option} age=999")
    return name, value


def _over(file: ColumnsConfig, wishes: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a file wishes, with the options of the command line in its place."""
    found = {name: {**wish.to_json(), **wishes.get(name, {})} for name, wish in file.columns.items()}
    found |= {name: wish for name, wish in wishes.items() if name not in found}
    for name in (*options[CATEGORICAL], *options[IGNORE]):
        found.get(name, {}).pop("kind", None)
    # a file may describe the target as one of the columns
    if options["target"] in file.columns and "kind" not in wishes.get(options["target"], {}):
        found[options["target"]].pop("kind", None)
    return {name: wish for name, wish in found.items() if wish}
