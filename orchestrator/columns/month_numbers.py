"""Numbers that may be dates although nothing but their digits says so: 202303, and 31012024 with the year last."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.columns.notes import Note

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

YEAR_AND_MONTH = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(?:\.0)?", re.ASCII)
YEAR_AT_THE_END = re.compile(r"\d{7,8}(?:\.0)?", re.ASCII)
DATE_DIGITS = 8
FORMATS, YEARS = ("%d%m%Y", "%m%d%Y"), (1900, 2100)
# fewer different ones may be anything
LEAST_MONTHS, LEAST_YEARS = 6, 2


def month_notes(raw: RawColumn) -> tuple[Note, ...]:
    """About a column of numbers all of which are a year and a month; none if the user has said what they are."""
    if raw.wish.kind is not None or not raw.begins_with(YEAR_AND_MONTH):
        return ()
    if not all(map(YEAR_AND_MONTH.fullmatch, raw.head)):
        return ()
    keys = list(raw.counts)
    if len(keys) < LEAST_MONTHS or len({key[:4] for key in keys}) < LEAST_YEARS:
        return ()
    if not all(map(YEAR_AND_MONTH.fullmatch, keys)):
        return ()
    why = f"has numbers that may be years and months, such as {keys[0][:6]}"
    option = f"--date-format '{raw.name}=%Y%m' reads dates"
    return (Note(column=raw.name, why=why, done="read as numbers", option=option),)


def year_last_notes(raw: RawColumn, done: str) -> tuple[Note, ...]:
    """About a column of eight digits that are all a day, a month and a year; none if the user says what they are.

    Args:
        raw: the column.
        done: what becomes of it.
    """
    if raw.wish.kind is not None or raw.wish.date_format is not None or not raw.begins_with(YEAR_AT_THE_END):
        return ()
    keys = list(raw.counts)
    if len(keys) < LEAST_MONTHS or not all(map(YEAR_AT_THE_END.fullmatch, keys)):
        return ()
    for form in FORMATS:
        if all(_is_date(key.removesuffix(".0").zfill(DATE_DIGITS), form) for key in keys):
            why = f"has numbers that may be dates as {form}, such as {keys[0]}"
            option = f"--date-format '{raw.name}={form}' reads dates"
            if any(len(key.removesuffix(".0")) < DATE_DIGITS for key in keys):
                # 1112024 can be read in two ways
                option += ", once all have eight digits"
            return (Note(column=raw.name, why=why, done=done, option=option),)
    return ()


def _is_date(text: str, form: str) -> bool:
    try:
        return YEARS[0] <= datetime.strptime(text, form).year < YEARS[1]
    except ValueError:
        return False
