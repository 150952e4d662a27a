"""Texts that are written in a way that no CSV reader takes, as plain CSV: with as many lines as before."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.columns.notes import Note
from orchestrator.data.csv.dialect import DELIMITERS, Beginning, take_sample
from orchestrator.data.csv.totals import is_rule

# no cell holds it: it stands for delimiters that are longer, or no single byte
UNIT_SEPARATOR = "\x1f"
MARK = b"\xef\xbb\xbf"
# line ends of other worlds: of Unicode, of mainframes, of records
LINE_ENDS = {"\u2028": "U+2028", "\u2029": "U+2029", "\x85": "U+0085", "\x1e": "U+001E"}
CONTROLS = bytes([*range(9), 11, 12, *range(14, 0x20), 0x7F])
PIECE = 1 << 20
LINES = 1000
# of the lines that must agree
MOST = 0.9
WRAPPED = re.compile(r'"(?:[^"]|"")*"')
WRAPPED_LINE = re.compile(rb'(?m)^"((?:[^"\r\n]|"")*)"(?=\r?$)')
OPENING, CLOSING = "\u201c\u201e\u201d\u00ab\u00bb", "\u201d\u201c\u00bb\u00ab"
SMART_CELL = re.compile(rf"(?:^|[,;\t|])\s*[{OPENING}][^{OPENING}]*[{CLOSING}](?=\s*(?:[,;\t|]|$))")
# of one to three marks, not those that stand in words and numbers
LONG_MARK = re.compile(r"[^\w\s.,'\"()\[\]%€$£°+*=-]{1,3}|[\x01-\x08\x1c-\x1f]")
ALONE = (":", "/", "\\", "#", "&", "@", "!", "?", "<", ">")


@dataclass
class _Draft:
    """A text on its way to plain CSV.

    Attributes:
        origin: what messages call it.
        text: UTF-8.
        notes: what was done.
        mark: the delimiter, if it is known.
    """

    origin: str
    text: bytes
    mark: str | None
    notes: list[Note] = field(default_factory=list)

    @property
    def sample(self) -> Beginning:
        """Its beginning."""
        return take_sample(self.origin, self.text)

    @property
    def lines(self) -> list[str]:
        """The first lines that hold something, without their ends."""
        found = (line.rstrip("\r\n") for line in self.sample.lines[:LINES])
        return [line for line in found if line.strip()]

    def say(self, why: str, done: str, option: str = "") -> None:
        """Adds a note."""
        self.notes.append(Note(why=why, done=done, option=option))


def plainly(origin: str, text: bytes, mark: str | None, known: frozenset[str]) -> tuple[bytes, str | None, list[Note]]:
    """A text as a CSV reader takes it, the delimiter if that is known now, and what was done.

    Args:
        origin: what messages call it.
        text: UTF-8 without a byte order mark.
        mark: the delimiter, if the user says it.
        known: names of columns that are looked for.
    """
    draft = _Draft(origin, text, mark)
    _mend_line_ends(draft)
    if mark is None:
        _unwrap_lines(draft)
    _straighten_quotes(draft)
    if mark is None:
        _find_mark(draft, known)
    if draft.mark is not None and len(draft.mark.encode()) > 1:
        draft.text = draft.text.replace(draft.mark.encode(), UNIT_SEPARATOR.encode())
        draft.mark = UNIT_SEPARATOR
    if draft.mark is None:
        _cut_lines(draft, known)
    _take_out(draft)
    return draft.text, draft.mark, draft.notes


def _mend_line_ends(draft: _Draft) -> None:
    head = draft.text[:PIECE]
    if b"\n" in head or b"\r" in head:
        return
    for end, name in LINE_ENDS.items():
        if head.count(end.encode()) > 1:
            draft.text = draft.text.replace(end.encode(), b"\n")
            draft.say(f"the lines end with {name}", "that is taken as a line break")
            return


def _unwrap_lines(draft: _Draft) -> None:
    """Lines of which each is one quoted cell, as a spreadsheet writes a column into which CSV was pasted."""
    if draft.text.find(b'"') < 0:
        return
    lines = draft.lines
    wrapped = [line for line in lines[1:] if WRAPPED.fullmatch(line)]
    if not wrapped or len(wrapped) < MOST * (len(lines) - 1):
        return
    inner = [line[1:-1].replace('""', '"') if WRAPPED.fullmatch(line) else line for line in lines]
    if not any(_are_even(inner, mark) for mark in DELIMITERS):
        return
    draft.text = WRAPPED_LINE.sub(lambda match: match[1].replace(b'""', b'"'), draft.text)
    draft.say("each line is one quoted cell, which holds the cells of a row", "the outer quotes are left out")


def _are_even(lines: Sequence[str], mark: str) -> bool:
    widths = Counter(len(cells) for cells in csv.reader(lines, delimiter=mark))
    width, count = widths.most_common(1)[0]
    first = next(csv.reader(lines[:1], delimiter=mark))
    return width > 1 and len(first) == width and count >= MOST * len(lines)


def _straighten_quotes(draft: _Draft) -> None:
    """Quotes as word processors write them, if they are around cells and there are no others."""
    lines = draft.lines
    if not any(mark in line for line in lines[:10] for mark in OPENING) or b'"' in draft.text:
        return
    if sum(SMART_CELL.search(line) is not None for line in lines) < MOST * (len(lines) - 1):
        return
    opening, closing = (b"(?:" + b"|".join(mark.encode() for mark in marks) + b")" for marks in (OPENING, CLOSING))
    text = re.sub(rb"(?m)(^|[,;\t|])([ ]*)" + opening, rb'\1\2"', draft.text)
    draft.text = re.sub(closing + rb"(?=[ ]*(?:[,;\t|]|\r?$))", b'"', text, flags=re.M)
    draft.say("the cells stand between typographic quotes", "these are taken as quotes")


def _find_mark(draft: _Draft, known: frozenset[str]) -> None:
    """A delimiter that is none of the usual ones, if all lines agree on it and none of those parts them evenly."""
    lines = [line for line in draft.lines if not is_rule([line]) and not line.startswith("#")]
    if len(lines) < 2 or lines[0].strip() in known:  # noqa: PLR2004
        return
    framed = _framed_mark(lines)
    if framed is None and any(_are_even(lines, mark) for mark in DELIMITERS if mark in lines[0]):
        return
    candidates = [framed] if framed else _marks_of(lines[0])
    rated = []
    for mark in candidates:
        count = lines[0].count(mark)
        agreeing = sum(line.count(mark) == count for line in lines)
        if mark not in DELIMITERS and agreeing >= MOST * len(lines) and _are_named(lines[0].split(mark)):
            rated.append((count, len(mark), mark))
    if rated:
        count, _, draft.mark = max(rated)
        shown = draft.mark if draft.mark.isprintable() else f"U+{ord(draft.mark[0]):04X}"
        draft.say(
            f"the cells are kept apart by '{shown}'",
            f"this is taken as the delimiter, which gives {count + 1} columns",
            "--delimiter takes another one",
        )


def _marks_of(line: str) -> list[str]:
    """What may part the cells of a line; marks that stand in words and numbers only if blanks are around them."""
    found = list(dict.fromkeys(LONG_MARK.findall(line)))
    return [mark if mark not in ALONE else f" {mark} " for mark in found]


def _framed_mark(lines: Sequence[str]) -> str | None:
    """A delimiter of several marks, of which one is a usual one, such as |#|."""
    for mark in DELIMITERS:
        cells = lines[0].split(mark)
        inner = {cell for cell in cells[1::2] if cell}
        if len(cells) > 2 and len(cells) % 2 and len(inner) == 1:  # noqa: PLR2004
            found = f"{mark}{inner.pop()}{mark}"
            if len(found) == 3 and not found[1].isalnum() and found[1] not in ' "':  # noqa: PLR2004
                return found
    return None


def _are_named(cells: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells]
    return len(names) > 1 and all(names) and len(set(names)) == len(names)


def _cut_lines(draft: _Draft, known: frozenset[str]) -> None:
    """Columns of a fixed width: places where all lines have a blank, if nothing else parts the cells."""
    lines = [line for line in draft.lines if not is_rule([line])]
    few = 4
    if len(lines) < few or "  " not in lines[0].strip() or any("\t" in line for line in lines):
        return
    if lines[0].strip() in known or any(mark in line for mark in DELIMITERS for line in lines[:2]):
        return
    if len({len(line.split()) for line in lines}) == 1:
        # blanks that are joined do as well
        return
    gaps = _gaps(lines)
    starts = [place for place in range(len(gaps)) if not gaps[place] and (place == 0 or gaps[place - 1])]
    if not _are_named([lines[0][start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=True)]):
        return
    rows = []
    for line in draft.text.decode("utf-8").split("\n"):
        if any(gaps[place] for place, sign in enumerate(line[: len(gaps)]) if sign not in " \r"):
            return
        cells = [line[start:stop].strip() for start, stop in zip(starts, [*starts[1:], None], strict=True)]
        rows.append(UNIT_SEPARATOR.join(cells) if line.strip() else "")
    draft.text = "\n".join(rows).encode("utf-8")
    draft.mark = UNIT_SEPARATOR
    draft.say(
        "the cells stand below each other, with blanks between them",
        f"lines are cut where all of them have a blank, which gives {len(starts)} columns",
        "--delimiter says what parts them",
    )


def _gaps(lines: Sequence[str]) -> list[bool]:
    """The places at which all lines have a blank, or have ended."""
    width = max(map(len, lines))
    gaps = [True] * width
    for line in lines:
        for place, sign in enumerate(line):
            if sign != " ":
                gaps[place] = False
    return gaps


def _take_out(draft: _Draft) -> None:
    """Characters that nobody sees: control characters, and byte order marks of files that were put together."""
    if MARK in draft.text:
        line = draft.text.count(b"\n", 0, draft.text.find(MARK)) + 1
        draft.text = draft.text.replace(MARK, b"")
        if line > 1:
            draft.say(f"line {line} holds a byte order mark, as if files were put together", "left out")
    kept = b"" if draft.mark is None else draft.mark.encode()
    unseen = bytes(set(CONTROLS) - set(kept))
    pieces = (draft.text[start : start + PIECE] for start in range(0, len(draft.text), PIECE))
    if any(len(piece.translate(None, unseen)) < len(piece) for piece in pieces):
        place = next(at for at, sign in enumerate(draft.text) if sign in unseen)
        line = draft.text.count(b"\n", 0, place) + 1
        # words that they part stay apart
        draft.text = draft.text.translate(bytes.maketrans(unseen, b" " * len(unseen)))
        draft.say(f"line {line} holds a control character", "such characters are read as blanks")
