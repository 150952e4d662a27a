"""What a user says about a column, instead of what would be guessed."""

from __future__ import annotations

from dataclasses import dataclass

IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class ColumnWish:
    """What is wished of one column; what is not said is guessed.

    Attributes:
        kind: name of a `ColumnKind`, or `ignore` to leave the column out.
        date_format: of `strptime`, of a column of dates that can be read in two ways.
        missing: words that stand for a missing value in this column.
        values: words that are values in this column although they stand for a missing one elsewhere, such as "NA".
    """

    kind: str | None = None
    date_format: str | None = None
    missing: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def is_ignored(self) -> bool:
        """Whether the column is left out."""
        return self.kind == IGNORE


NO_WISH = ColumnWish()
