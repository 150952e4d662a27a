"""What was guessed about data, said in a way that people and programs can use."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from types import FrameType
from typing import Any, Self

from orchestrator.units import counted


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that was guessed or done about data, which the user should know.

    Attributes:
        column: that it is about; None for the whole table.
        why: what was seen, as the part of a sentence that follows the column's name.
        done: what was done about it.
        option: what does otherwise, such as "--categorical 'x' keeps it"; empty if nothing does.
    """

    column: str | None = None
    why: str
    done: str
    option: str = ""

    def __str__(self) -> str:
        subject = f"column '{self.column}' " if self.column is not None else ""
        return f"{subject}{self.why}: {self.done}{f' ({self.option})' if self.option else ''}"

    def to_json(self) -> dict[str, str | None]:
        """Plain JSON, with the whole sentence as `text`."""
        return {**asdict(self), "text": str(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError: the content was not written by it.
        """
        return cls(**{item.name: content[item.name] for item in fields(cls)})


def rows_text(count: int) -> str:
    """So many rows, in a sentence."""
    return counted(count, "row")


class DataWarning(UserWarning):
    """A `Note`, where the library is used from Python; `warnings.filterwarnings("ignore", category=...)` takes it."""

    @property
    def note(self) -> Note:
        """What is warned of."""
        found: Note = self.args[0]
        return found


def warn(notes: Iterable[Note]) -> None:
    """Warns of each note once, at the line of the user's that has called this library.

    The command line shows these warnings as sentences, see `cli.base`.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    for note in dict.fromkeys(notes):
        warnings.warn(DataWarning(note), stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]
