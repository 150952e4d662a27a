"""Regular expressions of the texts that `orchestrator.columns.values` reads, for JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

from orchestrator.columns.number_texts import PLACEHOLDERS, SAME
from orchestrator.columns.values import MISSING_STRINGS, TRUTH_STRINGS

# what Python's `str.strip` takes away: \s is another set in every dialect of regular expressions
_SPACE = r"[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
# digits are bounded so that every text that fits is finite in float64
_NUMBER = (
    r"[+-]?(?:(?:[0-9]{1,200}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?:\+?0*[0-9]{1,2}|-[0-9]+))?"
    r"|[0-9](?:\.[0-9]*)?[eE]\+?(?:30[0-7]|[12][0-9]{2}))"
)
_SYNTAX = re.compile(r"[\\^$.*+?()\[\]{}|/]")

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
# day, month and year of all dates that there are
_DATES = (
    ("(?:0[1-9]|1[0-9]|2[0-8])", "(?:0[1-9]|1[0-2])", _YEAR),
    ("(?:29|30)", "(?:0[13-9]|1[0-2])", _YEAR),
    ("31", "(?:0[13578]|1[02])", _YEAR),
    ("29", "02", _LEAP_YEAR),
)
_HOUR, _MINUTE = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_ISO_TIME = rf"(?:[T ]{_HOUR}:{_MINUTE}(?::{_MINUTE}(?:\.[0-9]{{1,6}})?)?(?:Z|[+-]{_HOUR}:{_MINUTE})?)?"


def date_pattern(datetime_format: str) -> str | None:
    """The texts that are dates of a format, or stand for a missing one; None for a directive that is not known here.

    Args:
        datetime_format: of `strptime`, or `ISO8601`. Of the latter the forms that everybody writes are in the pattern,
            and the server reads more of them.
    """
    if datetime_format == "ISO8601":
        forms = [f"{year}-{month}-{day}" for day, month, year in _DATES]
        return _with_missing(f"(?:{'|'.join(forms)}){_ISO_TIME}")
    forms = []
    for day, month, year in _DATES:
        # strptime needs no leading zeros
        short = {"%d": _short(day), "%m": _short(month), "%Y": year}
        short |= {"%H": f"(?:{_HOUR}|[0-9])", "%M": "[0-5]?[0-9]", "%S": "[0-5]?[0-9]"}
        pieces = re.split("(%.)", datetime_format)
        if any(piece not in short for piece in pieces[1::2]):
            return None
        forms.append("".join(short.get(piece) or escape(piece) for piece in pieces))
    return _with_missing(f"(?:{'|'.join(forms)})")


def _short(pattern: str) -> str:
    return "0?2" if pattern == "02" else pattern.replace("0[", "0?[")


def escape(text: str) -> str:
    """A text as a regular expression that only it matches."""
    # re.escape escapes more than the regular expressions of JSON Schema (ECMA-262 in Unicode mode) allow
    return _SYNTAX.sub(r"\\\g<0>", text)


def _any_case(words: Sequence[str]) -> str:
    spelled = (
        "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else escape(letter) for letter in word)
        for word in words
    )
    return "|".join(spelled)


_MISSING = _any_case(sorted(MISSING_STRINGS - {""}))


def _with_missing(pattern: str) -> str:
    return f"^(?:{pattern}|{_SPACE}(?:{_UNKNOWN})?{_SPACE})$"


def any_form(text: str, characters: Mapping[str, str]) -> str:
    """A text in which some characters stand for others, too; letters are as they are."""
    return "".join(f"[{characters[one]}]" if one in characters else escape(one) for one in text)


def in_class(characters: str) -> str:
    """Some characters as the content of a class of characters."""
    return "".join("\\" + one if one in "-^]\\[" else one for one in characters)


# for each character of a plain text, the content of a class of all that stand for it, and of the letters both cases
ANY_CHARACTER = {plain: in_class(plain + others) for plain, others in SAME.items() if not plain.isdigit()}


def word_pattern(words: Iterable[str], characters: Mapping[str, str] = ANY_CHARACTER) -> str:
    """Words as they are read in cells of numbers."""
    cases = {**characters} | {letter: f"{letter}{letter.upper()}" for letter in ascii_lowercase}
    return "|".join(any_form(word, cases) for word in sorted(words))


# those that clients have always been told of
_BLANKS_AND_DASHES = {plain: ANY_CHARACTER[plain] for plain in " -'<>~"}
_UNKNOWN = f"{_MISSING}|{word_pattern(PLACEHOLDERS, _BLANKS_AND_DASHES)}"
NUMBER_PATTERN = f"^{_SPACE}(?:{_NUMBER}|{_UNKNOWN})?{_SPACE}$"
TRUTH_PATTERN = f"^{_SPACE}(?:{_NUMBER}|{_any_case(sorted(TRUTH_STRINGS))}|{_UNKNOWN})?{_SPACE}$"
