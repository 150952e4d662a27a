"""What tasks share that predict numbers: targets are standardised, answers are in the target's own unit."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.clock_notation import DurationNotation
from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.number_notation import NumberNotation
from orchestrator.columns.number_notes import dotted_note, sentinel_note, target_notes
from orchestrator.columns.number_texts import PERCENT
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.sentinels import sentinels_of
from orchestrator.columns.summaries import Moments, Sample
from orchestrator.columns.target_wish import AUTO, BEFORE, TargetWish
from orchestrator.columns.values import Series, number_content, to_numbers
from orchestrator.errors import DataError
from orchestrator.tasks._base import Task
from orchestrator.tasks._moments import durations_note, found_durations
from orchestrator.tasks._skew import RANK, chosen_transform
from orchestrator.tasks.predictions import Difference, Predictions, shapes_differ
from orchestrator.tasks.target import NO_BOUNDS, TargetEncoder, TargetSummary

if TYPE_CHECKING:
    from torch import Tensor


# validation rows beyond the training rows' target are worth a word from so many on, and from this share of them
OUTSIDE_ROWS, OUTSIDE_SHARE = 3, 0.02


@dataclass(frozen=True)
class NumberTask(Task):
    """A number, or several that say something about one."""

    target_type: ClassVar[type[np.generic]] = np.float32
    unmeasured: ClassVar[str] = "the validation part has only one row"

    notation: ClassVar[type[Notation] | None] = NumberNotation

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Task`."""
        if content["classes"]:
            raise ValueError("its classes are not those of its task")
        return cls()

    @classmethod
    def read_notation(cls, content: Mapping[str, Any]) -> Notation:
        """See `Task`: of numbers, or of durations."""
        return (DurationNotation if "short" in content else NumberNotation).from_json(content)

    @classmethod
    def written(cls, raw: RawColumn) -> tuple[Notation | None, tuple[Note, ...]]:
        """See `Task`.

        Raises:
            DataError: the numbers are amounts in several currencies, of which no model can learn what it predicts.
        """
        durations = found_durations(raw)
        if durations is not None:
            return durations.notation, (durations_note(raw, durations),)
        reading, sentinels = raw.number_reading, sentinels_of(raw)
        dotted = dotted_note(raw)
        notes = (*filter(None, [dotted]), *((sentinel_note(raw.name, sentinels),) if sentinels else ()))
        if reading is None or reading.notation is None:
            return None, notes
        currencies = reading.cells.affixes.currencies
        if len(currencies) > 1:
            raise DataError(
                f"{raw.origin}: the target column '{raw.name}' has amounts in several currencies "
                f"({', '.join(currencies)}); convert them to one"
            )
        return reading.notation, (*target_notes(raw.name, reading), *notes)

    def found_in(self, raw: RawColumn, *, sampled: bool = False, asked: bool = False) -> Self:
        """See `Task`."""
        del sampled, asked
        if raw.number_error is not None:
            reading = raw.number_reading
            reason = f"{reading.refusal}; " if reading is not None and reading.refusal else ""
            raise DataError(f"{raw.origin}: a {self.kind} target needs numbers: {reason}{raw.number_error}")
        if len(raw.head) < 2 and len(raw.counts) == 1:  # noqa: PLR2004
            raise DataError(f"{raw.origin}: the target column '{raw.name}' has the same value in every row")
        return self

    def summarise(self, rows: Series, training: Series) -> TargetSummary:
        """See `Task`."""
        del rows
        values = to_numbers(training, str(training.name))
        bounds = (float(values.min()), float(values.max())) if len(values) else NO_BOUNDS
        # of the same rows always the same ones
        keys = np.random.default_rng(zlib.crc32(values.tobytes())).random(len(values))
        return TargetSummary(moments=Moments.of(values), bounds=bounds, sample=Sample.of(values, keys))

    def content_of(self, series: Series) -> bytes:
        """See `Task`."""
        return number_content(to_numbers(series, str(series.name)))

    def fit(self, training: Series, wish: TargetWish = BEFORE) -> TargetEncoder:
        """See `Task`."""
        values = to_numbers(training, str(training.name))
        std = float(values.std())
        bounds = (float(values.min()), float(values.max())) if wish.clip_predictions else None
        transform = chosen_transform(str(training.name), values, wish, self._centre(wish))
        return TargetEncoder(mean=float(values.mean()), std=std if std > 0 else 1.0, bounds=bounds, transform=transform)

    def fit_summary(self, summary: TargetSummary, wish: TargetWish = BEFORE) -> TargetEncoder:
        """See `Task`."""
        bounds = summary.bounds if wish.clip_predictions else None
        transform = chosen_transform("", summary.sample.values, wish, self._centre(wish))
        return TargetEncoder(
            mean=summary.moments.mean, std=summary.moments.std or 1.0, bounds=bounds, transform=transform
        )

    def _centre(self, wish: TargetWish) -> str:
        """What is right by the metric of a wish, which may be one of the user's own."""
        known = {**self.metrics, **self.more_metrics}
        return known.get(wish.metric or "", known[self.default_metric]).centre

    def encoder_notes(
        self, target: str, encoder: TargetEncoder, wish: TargetWish, validation: Series | None = None
    ) -> tuple[Note, ...]:
        """See `Task`."""
        outside = None if validation is None else _outside_note(target, encoder, validation)
        skewed = encoder.transform != BEFORE.target_transform and wish.target_transform == AUTO
        ranks = encoder.transform == RANK
        note = Note(
            column=target,
            why="is skewed, with a long tail" + ("" if ranks else " of large values"),
            done=f"networks learn its {'rank' if ranks else 'logarithm'}, and answers are in its own unit",
            option="--target-transform none",
        )
        return (*([note] if skewed else []), *filter(None, [outside]))

    def encode(self, encoder: TargetEncoder, series: Series) -> NDArray[np.float32]:
        """See `Task`: standardised."""
        values = to_numbers(series, str(series.name))
        return ((values - encoder.mean) / encoder.std).astype(np.float32)

    def decode(self, encoder: TargetEncoder, numbers: NDArray[np.generic]) -> NDArray[np.float64]:
        """Standardised numbers in the target's unit: float64 of the same shape."""
        result: NDArray[np.float64] = numbers.astype(np.float64) * encoder.std + encoder.mean
        return result

    def answered(self, encoder: TargetEncoder, outputs: NDArray[np.generic]) -> NDArray[np.float64]:
        """What standardised outputs say, in the target's unit and within its bounds: float64 of the same shape."""
        values = self.decode(encoder, outputs)
        if encoder.bounds is None:
            return values
        # what is no number must not look like one
        return np.where(np.isfinite(values), np.clip(values, *encoder.bounds), values)

    def average(self, encoder: TargetEncoder, outputs: Tensor) -> Tensor:
        """See `Task`: their mean, each within the target's bounds."""
        bounds = encoder.standard_bounds
        return (outputs if bounds is None else outputs.clamp(*bounds)).mean(0)

    def shares(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Task`."""
        bounds = encoder.standard_bounds
        shares = outputs.astype(np.float64)
        return shares if bounds is None else shares.clip(*bounds)

    def answered_shares(self, encoder: TargetEncoder, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """See `Task`: the last column has all numbers."""
        found = np.asarray(values[self.answers[-1].name], np.float64)
        return (found.reshape(len(found), -1) - encoder.mean) / encoder.std

    def difference(self, answers: Predictions, other: Predictions, tolerance: float = 0.0) -> Difference:
        """See `Task`: how far the numbers of a row are apart."""
        if shapes_differ(answers, other):
            return Difference(len(answers), float(len(answers)), 1.0)
        rows = len(answers)
        mine, theirs = (
            np.column_stack([np.asarray(found.values[column.name]).reshape(rows, -1) for column in found.columns])
            for found in (answers, other)
        )
        distances = np.abs(mine - theirs).max(axis=1, initial=0.0)
        changed = int(np.count_nonzero(distances > tolerance))
        return Difference(changed, float(distances.sum()), float(distances.max(initial=0.0)))

    def scale(self, encoder: TargetEncoder) -> float | None:
        """See `Task`."""
        return encoder.std


def _outside_note(target: str, encoder: TargetEncoder, validation: Series) -> Note | None:
    """Answers are held within bounds that later rows may have left."""
    if encoder.bounds is None:
        return None
    values, (low, high) = to_numbers(validation, str(validation.name)), encoder.bounds
    outside = int(((values < low) | (values > high)).sum())
    if outside < OUTSIDE_ROWS or outside < OUTSIDE_SHARE * len(values):
        return None
    return Note(
        column=target,
        why=f"is beyond the training rows ({low:.6g} to {high:.6g}) in {outside:,} of {len(values):,} validation rows",
        done="predictions stay within these",
        option="--no-clip-predictions",
    )


def is_written_as_number(raw: RawColumn) -> bool:
    """Whether a column is one of numbers that are not written plainly."""
    return raw.number_reading is not None and raw.number_reading.notation is not None


def has_whole_numbers(raw: RawColumn) -> bool:
    """Whether these are whole numbers, but no amounts or shares: stars, rooms, grades."""
    reading = raw.number_reading
    if reading is None or reading.notation is None:
        return False
    affixes = reading.cells.affixes
    # a column without texts is one of numbers with infinite ones among them
    numbers = reading.numbers if len(reading.numbers) else reading.notation.numbers(raw.series, raw.name)
    is_amount = bool(affixes.currencies or affixes.factors) or any(symbol in PERCENT for symbol in affixes.symbols)
    return not is_amount and bool((numbers[~np.isnan(numbers)] % 1 == 0).all())
