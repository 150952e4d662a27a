"""What a user says about how a CSV file is written, instead of what would be found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

# what people call delimiters that are hard to type
MARK_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "blank": " ", "space": " "}
LONGEST_MARK = 5


@dataclass(frozen=True, kw_only=True)
class CsvWish:
    """What is wished of a CSV file; what is not said is found out.

    Attributes:
        delimiter: what keeps the cells apart, such as ";" or "tab"; may have several characters.
        encoding: of the text, such as "cp1250"; a name that Python knows.
        header_line: the number of the line with the names of the columns, from one.
        keep_lines: whether lines below the header that look like totals, units, comments or footers are rows.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header_line: int | None = None
    keep_lines: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError, as configurations want it, for what no file can have."""
        mark = self.mark
        if mark is not None and (not 1 <= len(mark) <= LONGEST_MARK or {*mark} & {'"', "\n", "\r"}):
            raise ValueError(f"--delimiter {mark!r}: give one to {LONGEST_MARK} characters, without quotes among them")
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise ValueError(f"--encoding {self.encoding}: is not known; give a name such as utf-8, cp1250 or gbk")
        if self.header_line is not None and self.header_line < 1:
            raise ValueError(f"--header-line {self.header_line}: lines are counted from 1")

    @property
    def option(self) -> str:
        """An option of the command line that says some of it."""
        return f"--{next(iter(self.to_json()), 'csv').replace('_', '-')}"

    @property
    def mark(self) -> str | None:
        """The delimiter itself."""
        return None if self.delimiter is None else MARK_NAMES.get(self.delimiter.lower(), self.delimiter)

    def to_json(self) -> dict[str, Any]:
        """What is said, as plain JSON."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**content)


PLAIN_CSV = CsvWish()


def _is_encoding(name: str) -> bool:
    try:
        # some names are of codecs from bytes to bytes
        return "a".encode(name).decode(name) == "a"
    except (LookupError, ValueError, TypeError):
        return False
