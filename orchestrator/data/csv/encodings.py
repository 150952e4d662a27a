"""Guesses in which of the old encodings a text is written that is not UTF-8."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# the rest of the world has these beside Windows-1252, by what Windows, Unix, DOS and Macs have written
OTHER_SCRIPTS = (
    *("cp1251", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic", "cp1253", "cp1255", "cp1256", "cp874"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
CYRILLIC = frozenset({"cp1251", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic"})
WESTERN, LATIN = "cp1252", ("cp1250", "cp850", "mac_roman")
# letters, and the second byte of one that has two
WORD = re.compile(rb"[A-Za-z]*(?:[\x80-\xff][@-~\x80-\xff]?[A-Za-z]*)+")
MOST_WORDS = 2000
# of the bytes of words that have some above 0x7f: in Latin letters most words have one or two such letters
OTHER_SHARE, LEAST_BYTES = 0.6, 4
# of such words: with signs or capital letters in them, as only another encoding gives them
ODD_SHARE, BETTER = 0.1, 0.25
# what stands in words for all that
INSIDE = "'\u2019\xb7\xad"
NAMES = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250 (Central European)",
    "cp850": "code page 850 (DOS)",
    "mac_roman": "Mac Roman",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_u": "KOI8-U (Cyrillic)",
    "cp866": "code page 866 (Cyrillic)",
    "iso8859_5": "ISO 8859-5 (Cyrillic)",
    "mac_cyrillic": "Mac Cyrillic",
    "cp1253": "Windows-1253 (Greek)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp874": "Windows-874 (Thai)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp932": "Shift JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "cp949": "EUC-KR (Korean)",
}


def guess_encodings(sample: bytes) -> Iterable[str]:
    """Names of encodings that a text may have, as Python calls them, the most likely one first.

    What is mostly in Latin letters is Windows-1252, in which spreadsheets have long saved, unless another one gives far
    fewer odd words. Of other scripts charset-normalizer tells.

    Args:
        sample: some lines of it, with bytes that are not UTF-8.
    """
    words = list(dict.fromkeys(WORD.findall(sample)))[:MOST_WORDS]
    # a dash or a sign of a currency alone says nothing
    long = [word for word in words if len(word) > 1]
    high = sum(len(word.translate(None, bytes(range(0x80)))) for word in long)
    if high >= LEAST_BYTES and high >= OTHER_SHARE * sum(map(len, long)):
        found = _of_other_scripts(b"\n".join(words), sample)
        if not CYRILLIC.isdisjoint(found):
            found = [*(name for name in OTHER_SCRIPTS if name in CYRILLIC), *found]
        odd = {name: _odd_words(words, name) for name in found}
        return (*sorted(odd, key=lambda name: odd[name]), WESTERN)
    odd = {name: _odd_words(long, name) for name in (WESTERN, *LATIN)}
    best = min(LATIN, key=lambda name: odd[name])
    is_better = odd[WESTERN] > ODD_SHARE * len(long) and odd[best] <= BETTER * odd[WESTERN]
    return (best, WESTERN) if is_better else (WESTERN,)


def _of_other_scripts(*texts: bytes) -> list[str]:
    """What is likely of the words alone, and of the whole: of words, a letter of two bytes may be half."""
    # only where a file needs it
    from charset_normalizer import from_bytes

    found = (from_bytes(text, cp_isolation=list(OTHER_SCRIPTS), threshold=0.5).best() for text in texts)
    return [match.encoding for match in found if match is not None]


def _odd_words(words: Iterable[bytes], encoding: str) -> int:
    """How many words have a sign between letters, or a capital letter among small ones, in an encoding."""
    found = 0
    for word in words:
        text = word.decode(encoding, "replace")
        signs = "\ufffd" in text or any(not _is_letter(letter) for letter in text[1:-1])
        capitals = any(letter.isupper() and not letter.isascii() for letter in text[1:])
        found += signs or (capitals and any(map(str.islower, text)))
    return found


def _is_letter(letter: str) -> bool:
    return letter.isalpha() or letter in INSIDE or unicodedata.category(letter).startswith("M")
