"""Numbers such as 202303: a year and a month, of which the distance of December and January is 89."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.columns.notes import Note

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

YEAR_AND_MONTH = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(?:\.0)?", re.ASCII)
# fewer different ones may be anything
LEAST_MONTHS, LEAST_YEARS = 6, 2


def month_notes(raw: RawColumn) -> tuple[Note, ...]:
    """About a column of numbers all of which are a year and a month; none if the user has said what they are."""
    if raw.wish.kind is not None or not all(map(YEAR_AND_MONTH.fullmatch, map(str, raw.head))):
        return ()
    keys = list(raw.counts)
    if len(keys) < LEAST_MONTHS or len({key[:4] for key in keys}) < LEAST_YEARS:
        return ()
    if not all(map(YEAR_AND_MONTH.fullmatch, keys)):
        return ()
    why = f"has numbers that may be years and months, such as {keys[0][:6]}"
    option = f"--date-format '{raw.name}=%Y%m' reads dates"
    return (Note(column=raw.name, why=why, done="read as numbers", option=option),)
