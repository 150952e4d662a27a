"""Whether texts that differ in case only are one word in several spellings, or different things such as mA and MA."""

# lists of words read better in lines than as lists of strings
# ruff: noqa: SIM905

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from orchestrator.columns.number_texts import UNITS

TOKEN = re.compile(r"[^\W_]+")
# words of one or two letters that mean the same in any case
SHORT_WORDS = frozenset("y n t f j m w d yes no on ok ja si da ne oui non na".split())
# letters of a word that is one in whatever case, and of one in a usual case
SURE, SHORT = 4, 3
# the capital i with a dot, and the small one without
DOTS = frozenset("\u0130\u0131")
# of the rows of the most frequent spelling: others are typing errors
RARE_SHARE = 0.05


def visible(text: str) -> str:
    """Unicode's compatible form, without what is not seen, such as a byte order mark: it comes with copied text."""
    if text.isascii():
        return text
    return "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")


def case_folded(text: str) -> str:
    """A text in small letters; who writes an i with or without its dot, as in Turkish, means I as one without."""
    if not DOTS.isdisjoint(text):
        return without_dots(text)
    return text.casefold()


def without_dots(text: str) -> str:
    """A text in the small letters of Turkish, in which I has no dot."""
    return text.replace("I", "\u0131").replace("\u0130", "i").casefold()


def are_one_word(spellings: Sequence[str], counts: Mapping[str, int]) -> bool:
    """Whether some labels that are the same but for case, blanks and Unicode forms are one.

    Args:
        spellings: the most frequent one first.
        counts: rows of each.
    """
    cased = {" ".join(visible(spelling).split()) for spelling in spellings}
    tokens = [TOKEN.findall(spelling) for spelling in cased]
    if len(cased) == 1 or len({len(found) for found in tokens}) > 1:
        return True
    different = [variants for variants in map(set, zip(*tokens, strict=True)) if len(variants) > 1]
    if any(map(_are_units, different)):
        return False
    are_codes = any(not token.isalpha() for variants in different for token in variants)
    if not are_codes and any(map(_is_word, different)):
        return True
    first, *others = (counts[spelling] for spelling in spellings)
    return sum(others) <= RARE_SHARE * first


def _is_word(variants: set[str]) -> bool:
    """Whether a part of a label that differs in case is a word."""
    length = min(map(len, variants))
    if length >= SURE or next(iter(variants)).lower() in SHORT_WORDS:
        return True
    return length == SHORT and all(token in (token.lower(), token.upper(), token.capitalize()) for token in variants)


def _are_units(variants: set[str]) -> bool:
    """Whether they are units, of which one is a thousand million times the other: mA and MA, mbar and Mbar."""
    return {token[0] for token in variants} == {"m", "M"} and any(token[1:] in UNITS for token in variants)
