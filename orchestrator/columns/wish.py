"""What a user says about a column, instead of what would be guessed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from orchestrator.errors import UsageError, did_you_mean

IGNORE, CATEGORICAL, DATETIME = "ignore", "categorical", "datetime"
# options of the command line, where they are not called as what they set
OPTIONS = {DATETIME: "--date", "missing": "--na", "values": "--value"}
DECIMAL_MARKS = (".", ",")
# what people call it, and how it is called here
SYNONYMS = {"date": DATETIME}


@dataclass(frozen=True, kw_only=True)
class ColumnWish:
    """What is wished of one column; what is not said is guessed.

    Attributes:
        kind: name of a `ColumnKind`, or `ignore` to leave the column out.
        date_format: of `strptime`, of a column of dates that can be read in two ways.
        decimal: decimal mark of a column of numbers that can be read in two ways, a point or a comma.
        missing: words that stand for a missing value in this column.
        values: words that are values in this column although they stand for a missing one elsewhere, such as "NA"; in a
            column of true and false, those that are true.
    """

    kind: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def is_ignored(self) -> bool:
        """Whether the column is left out."""
        return self.kind == IGNORE

    @property
    def option(self) -> str:
        """An option of the command line that says some of it."""
        said = self.to_json()
        return option_of(self.kind) if self.kind else next(map(option_of, said), "--columns")

    def to_json(self) -> dict[str, Any]:
        """What is said of it, as plain JSON."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        words = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return cls(**{**content, **words})


NO_WISH = ColumnWish()


def option_of(name: str) -> str:
    """The option of the command line that wishes for a kind, or sets a field of a wish."""
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def all_wishes(
    columns: Mapping[str, ColumnWish], categorical: Collection[str], ignore: Collection[str]
) -> dict[str, ColumnWish]:
    """Everything that is wished, by the names of columns.

    Args:
        columns: what is wished of some.
        categorical, ignore: those of these kinds.

    Raises:
        UsageError: two wishes for a column contradict each other.
    """
    found = dict(columns)
    for kind, names in ((CATEGORICAL, categorical), (IGNORE, ignore)):
        for name in names:
            wish = found.get(name, NO_WISH)
            if wish.kind not in (None, kind):
                raise two_kinds(name, str(wish.kind), kind)
            found[name] = replace(wish, kind=kind)
    for name, wish in found.items():
        _check(name, wish)
    return found


def two_kinds(name: str, kind: str, other: str) -> UsageError:
    """The error for a column that cannot be both."""
    one, another = option_of(kind), option_of(other)
    return UsageError(f"{one} {name} and {another} {name}: a column is one or the other; say which")


def _check(name: str, wish: ColumnWish) -> None:
    if wish.decimal not in (None, *DECIMAL_MARKS):
        raise UsageError(f"--decimal {name}={wish.decimal}: a decimal mark is a point or a comma")
    both = [word for word in wish.missing if word in wish.values]
    if both:
        raise UsageError(f"--na {name}={both[0]} and --value {name}={both[0]}: a word is missing or a value; say which")
    said = [item for item in wish.to_json() if item != "kind"]
    if wish.is_ignored and said:
        raise UsageError(f"{option_of(said[0])} {name} and --ignore {name}: a column that is left out is not read")


def plain_columns(value: Any) -> Any:  # noqa: ANN401
    """Columns as people say them: any kind of list, or one alone; what is no list of columns stays as it is."""
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return (value,)
    return value if isinstance(value, Mapping) else tuple(value)


def plain_wish(wish: Any, kinds: Collection[str]) -> Any:  # noqa: ANN401
    """A wish as people write it in YAML and Python, in the form that can be checked.

    Args:
        wish: a `ColumnWish` or its fields; numbers among words are taken, and a word alone instead of a list of them.
        kinds: that there are.

    Raises:
        ValueError: there is no such kind.
    """
    if isinstance(wish, ColumnWish):
        wish = wish.to_json()
    if not isinstance(wish, Mapping):
        return wish
    plain = dict(wish)
    for name in ("missing", "values"):
        words = [plain[name]] if isinstance(plain.get(name), str | int | float) else plain.get(name)
        if isinstance(words, list | tuple):
            plain[name] = [_word(word) for word in words]
    kind = plain.get("kind")
    if isinstance(kind, str):
        plain["kind"] = SYNONYMS.get(kind, kind)
        known = (*kinds, IGNORE)
        if plain["kind"] not in known:
            hint = did_you_mean(kind, known)
            raise ValueError(f"there is no kind '{kind}' of columns (there are: {', '.join(known)}){hint}")
    return plain


def _word(word: Any) -> Any:  # noqa: ANN401
    if isinstance(word, bool):
        raise ValueError(f"the word {word} is what YAML makes of yes, no, on or off without quotes; write it in quotes")  # noqa: TRY004
    return str(word) if isinstance(word, int | float) else word
