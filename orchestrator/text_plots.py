"""Plots and bars made of characters, for a terminal."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from orchestrator.units import show_apart, show_number

# a character of braille has 2 x 4 dots: the bit of each, by column and row
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BRAILLE = 0x2800
PLAIN_DOT = "*"
FULL, EMPTY, PLAIN_FULL, PLAIN_EMPTY = "━", "╌", "#", "-"
# what is over in the first tenth of the time does not stretch the axis
SETTLED_SHARE = 0.1


def bar(share: float, width: int, *, plain: bool = False) -> tuple[str, str]:
    """A bar of `width` characters: the part that is full, and the rest.

    Args:
        share: that is full, from 0 to 1; what is outside is cut.
        width: characters.
        plain: ASCII only.
    """
    full = round(min(1.0, max(0.0, share)) * width)
    signs = (PLAIN_FULL, PLAIN_EMPTY) if plain else (FULL, EMPTY)
    return signs[0] * full, signs[1] * (width - full)


def step_plot(
    steps: Sequence[tuple[float, float]],
    end: float,
    *,
    width: int,
    height: int,
    axis: tuple[str, str] = ("", ""),
    plain: bool = False,
) -> list[str]:
    """A curve that keeps each value until the next one, its range at the left, its times below: `height` + 1 lines.

    Args:
        steps: (time, value) in the order of time, at least one; values that are not finite are left out.
        end: until when the last value holds.
        width: characters of a line, the labels of the range among them.
        height: lines of the curve, 2 at least.
        axis: what is written below its first and its last time.
        plain: ASCII only.
    """
    known = [(at, value) for at, value in steps if math.isfinite(value)]
    if not known:
        return [" " * width] * (height + 1)
    times = [at for at, _ in known]
    start, span = times[0], max(end - times[0], 1e-9)
    settled = known[max(0, bisect_right(times, start + SETTLED_SHARE * span) - 1) :]
    low, high = min(value for _, value in settled), max(value for _, value in settled)
    if low == high:
        # all that has happened is better than a flat line
        low, high = min(value for _, value in known), max(value for _, value in known)
    labels = show_apart(high, low) if high > low else (show_number(high), "")
    margin = max(map(len, labels)) + 1
    columns = max(1, width - margin)
    canvas = _Canvas(columns, height, plain=plain)
    before: int | None = None
    for column in range(canvas.columns):
        at = start + span * (column + 0.5) / canvas.columns
        value = known[max(0, bisect_right(times, at) - 1)][1]
        share = 0.5 if high == low else min(1.0, max(0.0, (value - low) / (high - low)))
        row = round((1.0 - share) * (canvas.rows - 1))
        # a step is drawn as a line from one value to the next
        reached = row if before is None else before
        for between in range(min(row, reached), max(row, reached) + 1):
            canvas.set(column, between)
        before = row
    shown = {0: labels[0], height - 1: labels[1]} if high > low else {height // 2: labels[0]}
    below = f"{'':{margin}}{axis[0]}{axis[1]:>{max(0, columns - len(axis[0]))}}"
    return [*(f"{shown.get(number, ''):>{margin - 1}} {line}" for number, line in enumerate(canvas.lines())), below]


class _Canvas:
    """Dots that are on or off, several to a character."""

    def __init__(self, width: int, height: int, *, plain: bool) -> None:
        self._plain, self._width = plain, width
        self.columns, self.rows = (width, height) if plain else (2 * width, 4 * height)
        self._cells = [[0] * width for _ in range(height)]

    def set(self, column: int, row: int) -> None:
        """Puts a dot there; rows are counted from the top."""
        if self._plain:
            self._cells[row][column] = 1
        else:
            self._cells[row // 4][column // 2] |= DOTS[column % 2][row % 4]

    def lines(self) -> list[str]:
        """Of characters, from the top."""
        if self._plain:
            return ["".join(PLAIN_DOT if cell else " " for cell in cells) for cells in self._cells]
        return ["".join(chr(BRAILLE + cell) if cell else " " for cell in cells) for cells in self._cells]
