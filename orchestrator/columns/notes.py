"""What was guessed about data, said in a way that people and programs can use."""

from __future__ import annotations

from dataclasses import asdict, dataclass


class DataWarning(UserWarning):
    """A `Note`, where the library is used from Python."""


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
