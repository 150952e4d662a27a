"""Columns of many categories: rare values share a code, and so do those that come later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.columns.features_wish import AUTO, NONE
from orchestrator.columns.notes import Note, rows_text

# a column of more values has rare ones, of which a row says nothing about the next
MANY_VALUES = 50
# a code of fewer training rows is hardly trained
RARE_ROWS = 3
# of a column; what else there is shares codes by a hash
MAX_CODES, SHARED_CODES = 10_000, 1_000


@dataclass(frozen=True, kw_only=True)
class CategoryTable:
    """Which values of a column have a code of their own.

    Attributes:
        kept: these, sorted.
        shared: codes that all others have together, see `CategoricalFeature`.
        values: how many the training rows have.
        rare: how many of them are rare.
        least: rows of a value that is not rare.
    """

    kept: tuple[str, ...]
    shared: int
    values: int
    rare: int = 0
    least: int = 0

    def notes(self, column: str) -> tuple[Note, ...]:
        """What the user should know; nothing where each value has its code."""
        if not self.shared:
            return ()
        why, done = f"has {self.values:,} values", ""
        if self.rare:
            why += f", {self.rare:,} of them in fewer than {rows_text(self.least)}"
            done = "these share one code, which later values that training did not see have, too"
        if self.shared > 1:
            why += f", and more than {MAX_CODES:,} others" if self.rare else f", more than {MAX_CODES:,}"
            done = (
                f"the {len(self.kept):,} most frequent have their own codes; all others, and later values that "
                f"training did not see, share {self.shared:,} codes by a hash"
            )
        option = "--rare-categories none gives each its own"
        return (Note(column=column, why=why, done=done, option=option),)


def table_of(counts: Mapping[str, int], wish: str) -> CategoryTable:
    """The table of a column.

    Args:
        counts: training rows of each value.
        wish: see `FeaturesWish.rare_categories`.
    """
    everything = CategoryTable(kept=tuple(sorted(counts)), shared=0, values=len(counts))
    if wish == NONE or (wish == AUTO and len(counts) <= MANY_VALUES):
        return everything
    least = RARE_ROWS if wish == AUTO else int(wish)
    kept = [value for value, rows in counts.items() if rows >= least]
    rare = len(counts) - len(kept)
    # the rows of the shared code must be enough to train that one
    if len(kept) <= MAX_CODES and sum(counts.values()) - sum(counts[value] for value in kept) < least:
        return everything
    shared = 1
    if len(kept) > MAX_CODES:
        shared = SHARED_CODES
        # equally frequent values in the order of their texts, so that the same rows give the same table
        kept = sorted(kept, key=lambda value: (-counts[value], value))[: MAX_CODES - SHARED_CODES]
    return CategoryTable(kept=tuple(sorted(kept)), shared=shared, values=len(counts), rare=rare, least=least)
