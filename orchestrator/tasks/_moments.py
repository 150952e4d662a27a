"""Targets that are durations, whose seconds are predicted, and those that are moments, which cannot be predicted."""

from __future__ import annotations

import pandas as pd

from orchestrator.columns.clock_inference import FoundClock, find_clock
from orchestrator.columns.date_inference import find_dates
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn


def found_durations(raw: RawColumn) -> FoundClock | None:
    """How the durations of a target are written; None if it has none, or numbers of one unit."""
    is_typed = pd.api.types.is_timedelta64_dtype(raw.series.dtype)
    if not is_typed and (raw.number_error is None or _is_of_numbers(raw)):
        return None
    found = find_clock(raw)
    return found if found is not None and found.is_duration and not found.refusal else None


def durations_note(raw: RawColumn, found: FoundClock) -> Note:
    """What the user should know about a target of durations."""
    seconds = found.notation.plain(raw.series)
    row = int(seconds.notna().to_numpy().argmax())
    shown = str(raw.series.iloc[row]).strip()
    return Note(
        column=raw.name,
        why=f"has durations such as '{shown}'",
        done=f"their seconds are predicted, '{shown}' as {seconds.iloc[row]:.15g}",
        option="--task multiclass predicts each as a class",
    )


def moments_refusal(raw: RawColumn) -> str | None:
    """Why a target cannot be predicted that has dates or times of the day; None if it has neither."""
    if pd.api.types.is_timedelta64_dtype(raw.series.dtype) or (raw.number_error is None or _is_of_numbers(raw)):
        return None
    dates = find_dates(raw)
    if dates is not None and not dates.refusal:
        return _refusal(raw, "dates", "the days from a fixed date to each")
    clock = find_clock(raw)
    if clock is not None and not clock.is_duration and not clock.refusal:
        return _refusal(raw, "times of the day", "the minutes since midnight, or the seconds if they are durations")
    return None


def _refusal(raw: RawColumn, what: str, number: str) -> str:
    return (
        f"{raw.origin}: the target column '{raw.name}' has {what}, which cannot be predicted as such; make a column "
        f"with a number, such as {number}, and predict that, or say --task multiclass if each is a class"
    )


def _is_of_numbers(raw: RawColumn) -> bool:
    return raw.number_reading is not None and raw.number_reading.notation is not None
