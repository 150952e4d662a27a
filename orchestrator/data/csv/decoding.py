"""From the bytes of a text, in whatever encoding, to UTF-8."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from orchestrator.columns.notes import Note
from orchestrator.data.csv.encodings import NAMES, guess_encodings
from orchestrator.errors import DataError

# longer marks first: that of UTF-16 is the beginning of that of UTF-32
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# where a delimiter or a digit has its zero bytes, by its place in the text
ZERO_PLACES = {
    (4, frozenset({1, 2, 3})): "utf-32-le",
    (4, frozenset({0, 1, 2})): "utf-32-be",
    (2, frozenset({1})): "utf-16-le",
    (2, frozenset({0})): "utf-16-be",
}
PIECE = 1 << 20
HEAD = 4096
# of the bytes of a head: below, zero bytes are damage and not an encoding
ZERO_SHARE, LEAST_ZEROS = 0.1, 4
# a word with other letters than those of ASCII
NOT_ASCII = re.compile(r"\w*[^\x00-\x7f]\w*")
DOS_END = b"\x1a"
# of a text with a few zero bytes among the others
FEW_ZEROS, FEW_ZEROS_SHARE = 10, 0.01
TEXT_BYTES = bytes([*range(9, 14), 0, 0x1A, *range(0x1C, 0x7F), *range(0x80, 0x100)])


def to_utf8(origin: str, content: bytes, encoding: str | None = None) -> tuple[bytes, list[Note]]:
    """The text as UTF-8 without a byte order mark, and what was guessed.

    Args:
        origin: what messages call it.
        content: bytes.
        encoding: of it, if the user says so.

    Raises:
        DataError: the bytes are no text, or not in an encoding that is known.
    """
    if encoding is not None:
        return _decode(origin, content, _ordered(content, encoding)), []
    for mark, marked in MARKS:
        if content.startswith(mark):
            body = content[len(mark) :]
            return _checked(origin, body, len(mark)) if marked == "utf-8" else (_decode(origin, body, marked), [])
    wide = _wide_encoding(content[:HEAD])
    if wide is not None:
        note = Note(why="the file has no byte order mark, but zero bytes", done=f"it is read as {wide.upper()}")
        return _decode(origin, content, wide), [note]
    content, notes = _without_zeros(origin, content, 0)
    error = _utf8_error(content)
    if error is None:
        return content.removesuffix(DOS_END), notes
    text, guessed = _from_old(origin, content, error)
    return text, [*notes, *guessed]


def _without_zeros(origin: str, content: bytes, shift: int) -> tuple[bytes, list[Note]]:
    """A text without a few bytes that are zero: programs leave such behind in cells, or fill up the end of a file.

    Raises:
        DataError: there are many, or other bytes that no text has.
    """
    zero = content.find(0)
    if zero < 0:
        return content, []
    count = content.count(0)
    others = len(content[:HEAD].translate(None, TEXT_BYTES))
    filling = len(content) - len(content.rstrip(b"\0"))
    if others or count - filling > max(FEW_ZEROS, FEW_ZEROS_SHARE * len(content)) or filling == len(content):
        raise DataError(f"{origin}: byte {zero + shift} is zero, so this is not a text file")
    where = f"line {_line(content, zero)} has" if count == 1 else f"from line {_line(content, zero)} on there are"
    what = "a byte that is zero" if count == 1 else f"{count:,} bytes that are zero"
    return content.translate(None, b"\0"), [Note(why=f"{where} {what}", done="left out")]


def _checked(origin: str, content: bytes, shift: int) -> tuple[bytes, list[Note]]:
    """UTF-8 that its mark has promised."""
    content, notes = _without_zeros(origin, content, shift)
    error = _utf8_error(content)
    if error is not None:
        raise _not_utf8(origin, content, error, shift, "although its first bytes say so; save the file as UTF-8")
    return content.removesuffix(DOS_END), notes


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, if the zero bytes are where such texts have them."""
    if head.count(0) < max(LEAST_ZEROS, ZERO_SHARE * len(head)):
        return None
    for (width, places), encoding in ZERO_PLACES.items():
        zeros = {place for place in range(width) if 0 in head[place::width]}
        if zeros == places:
            return encoding
    return None


def _ordered(content: bytes, encoding: str) -> str:
    """An encoding with its byte order, which the name alone does not say where there is no byte order mark."""
    name = codecs.lookup(encoding).name
    if name not in ("utf-16", "utf-32") or any(content.startswith(mark) for mark, _ in MARKS):
        return encoding
    return _wide_encoding(content[:HEAD]) or f"{name}-le"


def _decode(origin: str, content: bytes, encoding: str) -> bytes:
    try:
        text = b"".join(piece.encode("utf-8") for piece in _pieces(content, encoding))
    except UnicodeError as error:
        reason = getattr(error, "reason", "it is not valid")
        remedy = "save the file as UTF-8 and try again, or say --encoding"
        raise DataError(f"{origin}: cannot be read as {encoding.upper()} ({reason}); {remedy}") from None
    if b"\x00" in text:
        raise DataError(f"{origin}: holds zero characters, so this is not a text file")
    return text.removeprefix(codecs.BOM_UTF8).removesuffix(DOS_END)


def _pieces(content: bytes, encoding: str) -> Iterator[str]:
    """The text in pieces, for all of it would need up to four bytes for each letter."""
    decoder = codecs.getincrementaldecoder(encoding)()
    view = memoryview(content)
    for start in range(0, len(content), PIECE):
        yield decoder.decode(view[start : start + PIECE])
    yield decoder.decode(b"", final=True)


def _utf8_error(content: bytes) -> int | None:
    """Where the first byte is that is not UTF-8."""
    if content.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(content)
    for place in range(0, len(content) + 1, PIECE):
        piece = view[place : place + PIECE]
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=place + PIECE > len(content))
        except UnicodeDecodeError as error:
            return place - pending + error.start
    return None


def _from_old(origin: str, content: bytes, error: int) -> tuple[bytes, list[Note]]:
    """An old encoding, see `guess_encodings`, unless the text is UTF-8 that was damaged."""
    sample = content[max(0, error - PIECE) : error + PIECE]
    replaced = sample.decode("utf-8", "replace")
    valid = sum(character > "\x7f" and character != "\ufffd" for character in replaced)
    if valid > replaced.count("\ufffd"):
        raise _not_utf8(origin, content, error, 0, "although the rest is; save the file as UTF-8 and try again")
    for encoding in guess_encodings(content[content.rfind(b"\n", 0, error) + 1 :][:PIECE]):
        try:
            text = b"".join(piece.encode("utf-8") for piece in _pieces(content, encoding))
        except UnicodeError:
            continue
        return text.removesuffix(DOS_END), [_old_note(content, error, encoding)]
    mend = "and the file is not Windows-1252 either; say what it is, such as --encoding shift_jis, or save it as UTF-8"
    raise _not_utf8(origin, content, error, 0, mend)


def _old_note(content: bytes, error: int, encoding: str) -> Note:
    """That a file is read in an old encoding, and which word that gives."""
    begin = content.rfind(b"\n", 0, error) + 1
    end = content.find(b"\n", error)
    line = content[begin : end if end >= 0 else len(content)].decode(encoding, "replace")
    word = next((found[0] for found in NOT_ASCII.finditer(line)), line.strip())
    return Note(
        why=f"the file is not UTF-8 (line {_line(content, error)})",
        done=f"it is read as {NAMES[encoding]}, which gives '{word[:40]}' there",
        option="--encoding NAME reads it otherwise",
    )


def _not_utf8(origin: str, content: bytes, error: int, shift: int, remedy: str) -> DataError:
    return DataError(
        f"{origin}: byte {error + shift} (line {_line(content, error)}) is not UTF-8 (0x{content[error]:02x}), {remedy}"
    )


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
