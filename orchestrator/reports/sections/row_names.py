"""How single test rows are named, so that they are found again in the data."""

from __future__ import annotations

from orchestrator.evaluation.kept_answers import KeptAnswers


def row_number(kept: KeptAnswers, row: int) -> int:
    """The number of one of the rows in the data, or among the test rows if that is not known."""
    return int(kept.rows[row] if kept.numbers is None else kept.numbers.numbers[row])


def numbering(kept: KeptAnswers) -> str:
    """What these numbers are, as the end of a sentence."""
    if kept.numbers is None:
        return "a row is named by its place among the test rows, from 0"
    return (
        f"a row is named by its number in {kept.numbers.source}, as `--rows` of `orchestrator explain` counts: 1 is "
        "the first row of data, below the header if there is one"
    )
