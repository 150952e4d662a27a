"""Lines of styled text, and what makes them fit into a width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

from orchestrator.plain_text import one_line

# (text, style of rich) one after the other
Piece = tuple[str, str]
Line = tuple[Piece, ...]

SEPARATOR = " · "
ELLIPSIS = "…"
AS_ASCII = str.maketrans({"·": "-", "…": "."})


def width_of(line: Line) -> int:
    """Cells that a line takes in a terminal."""
    return sum(cell_len(text) for text, _ in line)


def text_of(line: Line) -> str:
    """Without styles."""
    return "".join(text for text, _ in line)


def fitted_text(text: str, width: int) -> str:
    """A text of exactly `width` cells: cut with an ellipsis, or filled up."""
    if cell_len(text) > width:
        return set_cell_size(text, max(0, width - 1)) + ELLIPSIS[: max(0, width)]
    return set_cell_size(text, width)


def driving_nothing(line: Line) -> Line:
    """The same line; what would drive a terminal in its texts is shown as Python writes it."""
    return tuple((one_line(text), style) for text, style in line)


def as_ascii(line: Line) -> Line:
    """The same line for a terminal that knows no other characters."""
    return tuple((text.translate(AS_ASCII).encode("ascii", "replace").decode("ascii"), style) for text, style in line)


def cut(line: Line, width: int) -> Line:
    """The part of a line that fits."""
    if width_of(line) <= width:
        return line
    kept: list[Piece] = []
    left = width
    for text, style in line:
        length = cell_len(text)
        if length >= left:
            # a line that is cut has more text than fits, here or in the pieces that follow
            kept.append((fitted_text(text + ELLIPSIS, left), style))
            break
        kept.append((text, style))
        left -= length
    return tuple(kept)


def padded(line: Line, width: int) -> Line:
    """A line of exactly `width` cells."""
    line = cut(line, width)
    return (*line, (" " * (width - width_of(line)), ""))


def joined(pieces: Iterable[Piece], separator: str = SEPARATOR) -> Line:
    """Pieces in a line, with something between them."""
    found: list[Piece] = []
    for piece in pieces:
        if found:
            found.append((separator, "dim"))
        found.append(piece)
    return tuple(found)


def wrapped(words: Sequence[str], width: int, lines: int) -> list[str]:
    """Words, put together with commas, in at most so many lines; the last one says with an ellipsis if some are left.

    Args:
        words: none of which is broken.
        width: of a line.
        lines: at most.
    """
    found: list[str] = [""]
    for number, word in enumerate(words):
        piece = word + ("," if number + 1 < len(words) else "")
        longer = f"{found[-1]} {piece}" if found[-1] else piece
        if cell_len(longer) <= width or not found[-1]:
            found[-1] = longer
        elif len(found) < lines:
            found.append(piece)
        else:
            found[-1] = f"{found[-1]} {ELLIPSIS}"
            break
    return [line if cell_len(line) <= width else fitted_text(line, width) for line in found]


def beside(left: Sequence[Line], right: Sequence[Line], width: int, gap: int = 3) -> list[Line]:
    """Two blocks next to each other.

    Args:
        left, right: the blocks.
        width: of the left one.
        gap: cells between them.
    """
    rows = []
    for number in range(max(len(left), len(right))):
        first = left[number] if number < len(left) else ()
        second = right[number] if number < len(right) else ()
        rows.append((*padded(first, width), (" " * gap, ""), *second) if second else first)
    return rows
