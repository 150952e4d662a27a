"""What stands before and behind the numbers of a column: currencies, units, factors such as k and M."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.number_texts import (
    CENTS,
    CURRENCIES,
    CURRENCY_OF,
    DOUBTFUL_FACTORS,
    FACTORS,
    LOWER_UNITS,
    NOT_UNITS,
    PER,
    PER_SHORT,
    PERCENT,
    UNITS,
    WITH_CENTS,
)

# a number with whatever is around it; a unit may end with a digit, as in m2
_SHAPE = (
    r"^(?P<before>[^0-9]{0,12}?)(?:[.,]?[0-9](?:[0-9., ']*[0-9])?)(?:[eE][-+]?[0-9]{1,2})?"
    r"(?P<behind>(?:[^0-9]{0,30}|[^0-9]{0,20}[a-z][23](?:/[a-z]+)?))$"
)
_LIMIT = re.compile(r"^(?:[<>~]=?|[cC]a\.) ?")
_DASH = re.compile(r"^(?:[.,]-{0,2}|/[-=])")
_WORDS = re.compile(r"[^\W\d_]+(?:[ ./][^\W\d_]+)*\.?[23\xb2\xb3]?")
# words of which one makes a number negative: places on the earth, credit and debit
_NEGATIVE: Mapping[frozenset[str], str] = {
    frozenset(pair): pair[-1]
    for pair in (
        ("N", "S"),
        ("E", "W"),
        ("E", "O"),
        ("CR", "DR"),
        ("C", "D"),
        ("H", "S"),
        ("HABEN", "SOLL"),
        ("DR",),
        ("CR",),
    )
}
_SAME_UNITS = {"\u2103": "\xb0C", "\u2109": "\xb0F", "\xbaC": "\xb0C", "\xbaF": "\xb0F"}
_LETTER = re.compile("[A-Za-z]")
_FRACTION = "[0-9][.,][0-9]"
# percent of something, such as the volume
_PERCENT_OF = re.compile("[%\u2030] ?[A-Za-z][A-Za-z./]{0,9}")
# what a price is for, behind a number, or behind its currency
_FOR = "per|pro|je|an?|par|por|al|im"
_RATE = re.compile(
    rf"(?P<before>.*?) ?(?:(?P<mark>/|(?:{_FOR})\b) ?(?P<what>[^\W\d_]{{1,12}}[\xb2\xb3]?|m2)"
    r"|(?P<short>pcm|p\.c\.m\.|pw|p\.w\.|pa|p\.a\.|each))\.?",
    re.IGNORECASE,
)
_MOST_FORMS, _LONGEST_UNIT = 300, 24
# one other unit in so few cells is a typing error, more are a column of several units
_OTHER_UNITS = 0.02
# other letters in more cells than this are no typing errors
_OTHER_LETTERS = 0.1
# points of so many, a quotation mark of Excel, blanks of programmers, and amounts with words around them or a rate
_RATIO = r"^[0-9]+/(?P<total>[0-9]+)$"
_AMOUNT = r"[$\x{20ac}\x{a3}\x{a5}\x{20b9}] ?[0-9][0-9.,]*[kKM]?"
_MORE = (
    _RATIO,
    r"^['\"][0-9.,]+['\"]?$",
    r"^[0-9]{1,3}(?:_[0-9]{3})+$",
    rf"^[A-Za-z][A-Za-z .:]{{0,19}}{_AMOUNT}$",
    rf"^{_AMOUNT} ?(?:/ ?[a-z]+|[a-z][a-z. ]{{1,19}})$",
    r"^[0-9][0-9.,]* ?/ ?[a-z]{1,10}$",
)
_FIRST, _MORE_SHARE, _MORE_DIFFERENT = 50, 0.9, 5
# that are told of, if so many of the cells are numbers
_MOST_UNITS, _TOLD_SHARE = 6, 0.5


@dataclass(frozen=True, kw_only=True)
class Affixes:
    """Of the numbers of a column.

    Attributes:
        symbols: signs, codes and units, in all forms in which they may be written.
        factors: letters and words that stand for thousands or millions.
        currencies: rows of each currency.
        share: of the numbers that have a symbol.
        negative: those of the symbols that make a number negative, such as S for south and DR for a debit.
        refusal: why they make it no column of numbers, as a part of a sentence; empty if they do not.
        rate: what the amounts are for, such as "/mo"; empty if they do not say it.
        rate_share: of the numbers that say it.
        are_codes: whether letters behind the numbers tell things apart, such as seats 3F and 17M: none is a factor.
    """

    symbols: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    currencies: Mapping[str, int]
    share: float = 0.0
    negative: tuple[str, ...] = ()
    refusal: str = ""
    rate: str = ""
    rate_share: float = 0.0
    are_codes: bool = False


@dataclass(frozen=True)
class _Affix:
    """Of some cells: a symbol, a factor, and what an amount is for, empty if there is none."""

    symbol: str = ""
    factor: str = ""
    rate: str = ""


def more_than_numbers(plain: pa.Array, counts: NDArray[np.int64]) -> str:
    """That nearly all texts are such as $45/hr or 27/30, as a part of a sentence; empty if they are not.

    Args:
        plain: `plain_texts`.
        counts: rows of each, 0 for those that are read as numbers.
    """
    if not any(pc.any(pc.match_substring_regex(plain[:_FIRST], form)).as_py() for form in _MORE):
        return ""
    rates = pc.extract_regex(plain, _RATIO)
    totals = pc.unique(pc.struct_field(rates, "total").drop_null())
    forms = _MORE if len(totals) == 1 else _MORE[1:]
    found = [pc.match_substring_regex(plain, form).to_numpy(zero_copy_only=False) for form in forms]
    such = np.logical_or.reduce(found) & (counts > 0)
    if counts[such].sum() < _MORE_SHARE * counts.sum() or such.sum() < _MORE_DIFFERENT:
        return ""
    return f"there is more than a number in them, such as '{plain[int(np.flatnonzero(such)[0])].as_py()}'"


def find_affixes(plain: pa.Array, counts: NDArray[np.int64]) -> Affixes:
    """What stands around the numbers among some texts.

    Args:
        plain: `plain_texts`.
        counts: rows of each.
    """
    found = pc.extract_regex(plain, _SHAPE)
    there = pc.is_valid(found).to_numpy(zero_copy_only=False)
    rows, amounts = counts[there], Counter[tuple[str, str]]()
    parts = found.filter(pa.array(there))
    keys = pc.binary_join_element_wise(pc.struct_field(parts, "before"), pc.struct_field(parts, "behind"), "0")
    forms = pc.dictionary_encode(keys)
    totals = np.bincount(forms.indices.to_numpy(), weights=rows, minlength=len(forms.dictionary))
    for form, total in zip(forms.dictionary.to_pylist(), totals.tolist(), strict=True):
        before, _, behind = form.partition("0")
        amounts[before, behind] += int(total)
    read: Counter[_Affix] = Counter()
    # 12A is a seat, but 12.5abc has a unit, whatever it is
    are_measures = 2 * (pc.sum(pc.match_substring_regex(plain, _FRACTION)).as_py() or 0) >= len(plain)
    for (before, behind), total in amounts.most_common(_MOST_FORMS):
        affix = _read(before, behind, may_be_glued=are_measures)
        if affix is not None:
            read[affix] += total
    if (signs := _signs(plain, amounts)) is not None:
        return signs
    affixes = _weighed(_settled(read))
    if letters := _telling_letters(amounts):
        refusal = f"its numbers end with different letters ({', '.join(letters)}), as codes do"
        affixes = Affixes(currencies=affixes.currencies, refusal=refusal, are_codes=True)
    is_told = sum(read.values()) >= _TOLD_SHARE * counts.sum()
    return affixes if is_told else replace(affixes, refusal="")


def _signs(plain: pa.Array, amounts: Counter[tuple[str, str]]) -> Affixes | None:
    """Words that say which numbers are negative; None if there are others, or such as stand at codes, too."""
    forms: dict[str, set[str]] = {}
    totals, currencies = Counter[str](), Counter[str]()
    for (before, behind), total in amounts.items():
        head, tail = before.strip(" +-("), _DASH.sub("", behind, count=1).strip(" +-)")
        if head in CURRENCY_OF:
            currencies[head] += total
            head = ""
        form = head or tail
        word = form.strip("\xb0\xba ").upper()
        totals[word] += total
        forms.setdefault(word, set()).add(form)
    words = frozenset(totals) - {""}
    negative = _NEGATIVE.get(words)
    if negative is None or len(totals) < 2:  # noqa: PLR2004
        return None
    if len(words) == 1 and forms[negative] != {negative}:
        # 5 Cr are crores
        return None
    # the size 36C is no credit of 36
    fractions = pc.sum(pc.match_substring_regex(plain, _FRACTION)).as_py() or 0
    if len(negative) == 1 and 2 * fractions < len(plain) and not any("\xb0" in form for form in forms[negative]):
        return None
    known = {other for word, found in forms.items() for form in found for other in _blanks(form, word)} - {""}
    symbols = sorted(
        known | {form for form, code in CURRENCY_OF.items() if code in {CURRENCY_OF[c] for c in currencies}}
    )
    return Affixes(
        symbols=tuple(symbols),
        currencies=dict(Counter({CURRENCY_OF[code]: total for code, total in currencies.items()})),
        share=1.0,
        negative=tuple(symbol for symbol in symbols if symbol.strip("\xb0\xba ").upper() == negative),
    )


def _blanks(form: str, word: str) -> tuple[str, ...]:
    """A sign with and without a blank behind its degrees."""
    degrees = form.strip()[:1] if form.strip()[:1] in "\xb0\xba" else ""
    return (form, f"{degrees}{word}", f"{degrees} {word}" if degrees else form)


def _telling_letters(amounts: Counter[tuple[str, str]]) -> list[str]:
    """Single letters glued to numbers, if there are several, and others than those for thousands and millions."""
    letters: Counter[str] = Counter()
    for (before, behind), total in amounts.items():
        if not before.strip(" +-(") and _LETTER.fullmatch(behind):
            letters[behind] += total
    # 5A alone are amperes, and 5k beside 3M thousands; 5A beside 3M are neither
    strange = sum(total for letter, total in letters.items() if letter not in FACTORS)
    several = len({letter.upper() for letter in letters}) > 1
    return sorted(letters)[:_MOST_UNITS] if several and strange > _OTHER_LETTERS * letters.total() else []


def _read(before: str, behind: str, *, may_be_glued: bool = False) -> _Affix | None:
    """What stands around some numbers; None if it is nothing that numbers have around them.

    Args:
        before, behind: them.
        may_be_glued: whether a word without a blank before it can be a unit that is not known.
    """
    head = _LIMIT.sub("", before.strip(" "), count=1).strip(" +-(")
    spaced = behind.startswith(" ")
    tail = _DASH.sub("", behind, count=1).strip(" +-)")
    if head and head not in CURRENCY_OF:
        return None
    if not tail:
        return _Affix(head)
    if tail in FACTORS:
        return _Affix(head, tail)
    for factor in sorted(FACTORS, key=len, reverse=True):
        if tail.startswith(factor) and tail[len(factor) :].strip() in CURRENCY_OF:
            return _Affix(tail[len(factor) :].strip(), factor)
    word = tail.lower().rstrip(".")
    is_known = tail in UNITS or (len(word) > 1 and word in LOWER_UNITS) or _PERCENT_OF.fullmatch(tail)
    if tail in CURRENCY_OF or tail in PERCENT or is_known:
        return None if head and CURRENCY_OF.get(tail) != CURRENCY_OF[head] else _Affix(tail)
    per = tail.partition("/")
    spaced = spaced or (may_be_glued and len(tail) > 1)
    is_word = spaced and len(tail) <= _LONGEST_UNIT and _WORDS.fullmatch(tail) is not None
    is_rate = per[0] in CURRENCY_OF and _WORDS.fullmatch(per[2]) is not None
    if not (is_word or is_rate) or tail.lower().split()[0] in NOT_UNITS or head:
        return _read_rate(head, tail)
    return _Affix(tail)


def _read_rate(head: str, tail: str) -> _Affix | None:
    """What stands around amounts that are for something, such as $ and /mo; None if they are not."""
    found = _RATE.fullmatch(tail)
    if found is None:
        return None
    before = found["before"].strip()
    if not head and not before:
        is_known = found["mark"] == "/" and found["what"].lower() in PER
        return _Affix(tail) if is_known else None
    amount = _read(head, before) if before else _Affix(head)
    if amount is None or amount.symbol not in CURRENCY_OF:
        return None
    # with the currency, if that is behind the number, too
    return replace(amount, rate=tail.removeprefix(amount.factor).strip())


def _rate_key(rate: str) -> str:
    """One name for the forms of what an amount is for."""
    found = _RATE.fullmatch(rate)
    what = "" if found is None else (found["what"] or "").lower()
    return PER_SHORT.get(rate.lower()) or PER.get(what) or PER.get(what.removesuffix("s")) or what


def _settled(read: Counter[_Affix]) -> Counter[_Affix]:
    """A single letter that may be a unit is one if no other factor or currency stands beside it."""
    factors = {affix.factor for affix in read} - {""}
    if not factors or not factors <= DOUBTFUL_FACTORS or any(affix.symbol in CURRENCY_OF for affix in read):
        return read
    settled: Counter[_Affix] = Counter()
    for affix, total in read.items():
        settled[_Affix(affix.symbol or affix.factor)] += total
    return settled


def _weighed(read: Counter[_Affix]) -> Affixes:
    currencies: Counter[str] = Counter()
    units: dict[str, Counter[str]] = {}
    for affix, total in read.items():
        if affix.symbol in CURRENCY_OF:
            currencies[CURRENCY_OF[affix.symbol]] += total
        elif affix.symbol:
            units.setdefault(_unit(affix.symbol), Counter())[affix.symbol] += total
    sizes = Counter({name: sum(forms.values()) for name, forms in units.items()})
    with_symbol = sum(sizes.values()) + sum(currencies.values())
    found = Affixes(currencies=dict(currencies), share=with_symbol / max(sum(read.values()), 1))
    forms: list[str] = []
    if sizes:
        (main, size), *_ = sizes.most_common(1)
        if with_symbol - size > _OTHER_UNITS * with_symbol:
            names = [next(iter(units[name])) for name in sizes] + [CURRENCIES[code][0] for code in currencies]
            # of many more, they are rather the names of streets
            refusal = f"its numbers have different units ({', '.join(names)})" if len(names) <= _MOST_UNITS else ""
            return Affixes(currencies=dict(currencies), refusal=refusal)
        forms = [form for form, _ in units[main].most_common()]
        forms += [other for form in forms for other in _other_numbers(form) if other not in forms]
    elif currencies:
        seen = [affix.symbol for affix, _ in read.most_common() if affix.symbol in CURRENCY_OF]
        every = [form for form, code in CURRENCY_OF.items() if code in currencies]
        forms = [*seen, *every]
    rates, rate_share = _rates(read)
    if len(rates) > 1:
        return Affixes(
            currencies=dict(currencies), refusal=f"its amounts are for different things ({', '.join(rates)})"
        )
    forms += next(iter(rates.values()), ())
    factors = {affix.factor for affix in read} - {""}
    hundredths: set[str] = set()
    others = currencies.keys() - {"cent"}
    if "cent" in currencies and len(others) == 1 and others <= WITH_CENTS:
        hundredths = set(CENTS)
        del currencies["cent"]
        forms = [form for form in forms if form not in CENTS]
        found = replace(found, currencies=dict(currencies))
    if factors:
        # the next higher factor may come later; a doubtful one only if it is there
        factors |= FACTORS.keys() - (DOUBTFUL_FACTORS - factors)
    return Affixes(
        symbols=tuple(dict.fromkeys(forms)),
        factors=tuple(sorted(factors | hundredths)),
        currencies=found.currencies,
        share=found.share,
        rate=next(iter(rates), ""),
        rate_share=rate_share,
    )


def _rates(read: Counter[_Affix]) -> tuple[dict[str, list[str]], float]:
    """The forms of what amounts are for, by one of them each, and the share of the numbers that have one."""
    totals: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = {}
    for affix, total in read.items():
        if affix.rate:
            key = _rate_key(affix.rate)
            totals[key] += total
            forms.setdefault(key, Counter())[affix.rate] += total
    few = _OTHER_UNITS * totals.total()
    kept = [[form for form, _ in forms[key].most_common()] for key, total in totals.most_common() if total > few]
    return {names[0]: names for names in kept[:_MOST_UNITS]}, totals.total() / max(read.total(), 1)


def _unit(form: str) -> str:
    """One name for the forms of a unit: in any case, but for a first m or M, and singular or plural."""
    # the sign for micro is no letter of the Greek alphabet, but looks like one
    name = _SAME_UNITS.get(form, form).rstrip(".").replace("\xb5", "u").replace("\u03bc", "u")
    lower = name[:1] + name[1:].lower() if name[:1] in "mM" else name.lower()
    if len(lower) > len("min") and lower.isalpha():
        for ending in ("es", "en", "s", "e", "n"):
            if lower.endswith(ending) and len(lower) - len(ending) >= len("min"):
                return lower.removesuffix(ending).lower()
        return lower.lower()
    return lower


def _other_numbers(form: str) -> tuple[str, ...]:
    """The plural of an English unit, or its singular."""
    if len(form) <= len("min") or not form.isascii() or not form.isalpha():
        return ()
    return (form.removesuffix("s"),) if form.endswith("s") else (form + "s",)
