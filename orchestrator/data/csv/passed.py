"""What is passed over in a file: lines that are no rows, and what the user is told of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.columns.notes import Note

KEEP_OPTION = "--keep-lines keeps such lines"
# numbers of lines in a sentence
SHOWN_LINES = 3


class Reason(StrEnum):
    """Why a line is no row, or not as it stands."""

    COMMENT = "begins with #"
    HEADER = "repeats the header line"
    ABOVE = "repeats what stands above the rows"
    EMPTY = "holds no value"
    RULE = "is a rule"
    TOTAL = "holds totals or counts"
    FOOTER = "stands below the rows"
    CUT = "ends with more delimiters than the header line"


PLURALS = {"is": "are", "has": "have", "a rule": "rules"}
# which nobody would keep, or which are rows
NEVER_KEPT = (Reason.EMPTY, Reason.CUT)


@dataclass
class Passed:
    """Lines that are no rows.

    Attributes:
        counts: how many there are, by reason.
        lines: the numbers of the first ones.
        whole: reasons for which there are lines with a cell for each column, which could be rows.
    """

    counts: dict[Reason, int] = field(default_factory=dict)
    lines: dict[Reason, list[int]] = field(default_factory=dict)
    whole: set[Reason] = field(default_factory=set)

    def add(self, reason: Reason, lines: Iterable[int], count: int | None = None, *, whole: bool = False) -> None:
        """Notes some of them, of which the first are at these lines; `count` is the number of all."""
        given = list(lines)
        self.counts[reason] = self.counts.get(reason, 0) + (len(given) if count is None else count)
        self.lines[reason] = sorted([*self.lines.get(reason, ()), *given])
        if whole and reason not in NEVER_KEPT:
            self.whole.add(reason)

    def notes(self) -> tuple[Note, ...]:
        """A sentence for each reason."""
        return tuple(self._note(reason) for reason in self.counts)

    def _note(self, reason: Reason) -> Note:
        count, lines = self.counts[reason], self.lines[reason]
        if count == 1:
            why = f"line {lines[0]} {reason}"
        else:
            verb, _, rest = str(reason).partition(" ")
            plural = f"{PLURALS.get(verb, verb.removesuffix('s'))} {PLURALS.get(rest, rest)}"
            if count <= min(SHOWN_LINES, len(lines)):
                numbers = ", ".join(map(str, lines[:-1]))
                why = f"lines {numbers} and {lines[-1]} {plural}"
            else:
                why = f"{count:,} lines {plural} (the first is line {lines[0]})"
        done = "the empty cells at the end are left out" if reason is Reason.CUT else "passed over"
        return Note(why=why, done=done, option=KEEP_OPTION if reason in self.whole else "")
