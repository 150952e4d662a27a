"""Numbers that are names of something: codes with zeros in front, barcodes, postal codes, keys of many digits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from pandas.api.types import is_bool_dtype, is_float_dtype

from orchestrator.columns.code_notation import NUMBER, WHOLE_NUMBER, ZERO_LED, whole_key
from orchestrator.columns.number_codes import why_written_so
from orchestrator.columns.raw_column import HEAD_ROWS, SOME_ROWS, RawColumn
from orchestrator.columns.values import Series, category_keys, count_keys

# a few zeros in front among other numbers are rather a habit of somebody who typed them
ZERO_LED_SHARE = 0.05
# of rows: words among codes
OTHER_SHARE = 0.1
DECIMAL_CODE = re.compile(r"\d{2}\.\d{1,2}", re.ASCII)
# such as those of customs: 0101.21
LONG_DECIMAL_CODE = re.compile(r"\d{3,}\.\d+", re.ASCII)
# Excel writes 4006381333931 so, and its last digits are lost
SHORTENED_CODE = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+", re.ASCII)
DECIMAL_CODES_SHARE = 0.2
# float64 holds all whole numbers of 15 digits, and round ones of more
LONG = re.compile(r"\d{16,}", re.ASCII)
FIRST_LONG = 1e15
ROUND = "000"
MOST = 0.5
BARCODE = re.compile(r"\d{8,14}", re.ASCII)
MIN_BARCODES = 5
PHONE = re.compile(r"\+\d{7,15}", re.ASCII)
NAMED_CODE = re.compile(r"\d{3,14}", re.ASCII)
NAMED_PHONE = re.compile(r"\d{6,15}", re.ASCII)
PHONE_NAMES = frozenset({"phone", "telephone", "telefon", "tel", "mobile", "fax", "msisdn", "phonenumber"})
POSTAL_NAMES = frozenset({"zip", "zipcode", "plz", "postleitzahl", "postcode", "postal", "postalcode", "fips"})
ARTICLE_NAMES = frozenset({"ean", "ean13", "gtin", "upc", "isbn", "isbn13", "barcode", "sku"})
WORDS_OF_A_NAME = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+|[^\W\d_a-zA-Z]+")


def words_of(name: str) -> list[str]:
    """The words of a column's name in lower case: `ZipCode`, `zip_code` and `Zip code` have the same two."""
    return [word.lower() for word in WORDS_OF_A_NAME.findall(name)]


def why_code(raw: RawColumn) -> str | None:
    """What shows that the numbers of a column are names, as the part of a sentence after the column's name."""
    if is_bool_dtype(raw.series.dtype):
        return None
    if _are_plain_fractions(raw):
        return why_written_so(raw)
    if not raw.head:
        return None
    return _zeros(raw) or why_written_so(raw) or _other_codes(raw)


def _are_plain_fractions(raw: RawColumn) -> bool:
    """Whether there are neither zeros in front nor other codes that are whole, as in most columns of numbers: quick."""
    # in a longer column zeros in front are looked for among some rows only
    if len(raw.series) > SOME_ROWS or raw.numbers is None or raw.may_lead_with_zero:
        return False
    first = raw.numbers[:HEAD_ROWS]
    known = first[~np.isnan(first)]
    return bool((known % 1 != 0).any() and (np.abs(known) < FIRST_LONG).all())


def are_fractions(keys: Iterable[str]) -> bool:
    """Whether some numbers are not whole."""
    return not all(map(WHOLE_NUMBER.fullmatch, keys))


def some_zeros(raw: RawColumn) -> str | None:
    """A number with zeros in front, in a column that is one of numbers for all that."""
    if not raw.may_lead_with_zero:
        return None
    return next((key for key in raw.counts if _is_zero_led(key)), None)


def _zeros(raw: RawColumn) -> str | None:
    # to count what all rows say takes long where each has a text of its own, such as a date
    if not raw.may_lead_with_zero or not _may_be_numbers(raw.some_rows):
        return None
    led = {key: count for key, count in raw.counts.items() if ZERO_LED.fullmatch(key)}
    numbers = [key for key in raw.counts if NUMBER.fullmatch(key)]
    if not led or sum(raw.counts[key] for key in numbers) < (1 - OTHER_SHARE) * raw.rows:
        return None
    shown = min(led, key=lambda key: (-led[key], key))
    if all(map(str.isdigit, (key.lstrip("+-") for key in numbers))):
        fixed = len({len(key) for key in numbers}) == 1
        if fixed or sum(led.values()) >= ZERO_LED_SHARE * raw.rows:
            return f"has codes with zeros in front, such as {shown}"
    elif _are_decimal_codes(numbers) and len(numbers) <= DECIMAL_CODES_SHARE * raw.rows:
        return f"has codes with zeros in front, such as {shown}"
    return None


def _are_decimal_codes(keys: Sequence[str]) -> bool:
    if all(map(DECIMAL_CODE.fullmatch, keys)):
        return True
    return len({key.find(".") for key in keys}) == 1 and all(map(LONG_DECIMAL_CODE.fullmatch, keys))


def shortened_code(raw: RawColumn) -> str | None:
    """A number such as 4.00638E+12 in a column of codes by its name, of which the last digits are lost; else None."""
    words = words_of(raw.name)
    names = POSTAL_NAMES | ARTICLE_NAMES | PHONE_NAMES
    if names.isdisjoint([*words, "".join(words[-2:])]):
        return None
    texts = (cell.strip() for cell in raw.first_cells if isinstance(cell, str))
    return next((text for text in texts if SHORTENED_CODE.fullmatch(text)), None)


def _may_be_numbers(some: Series) -> bool:
    """Whether at least half of some rows are numbers."""
    counts = count_keys(*category_keys(some))
    numbers = sum(count for key, count in counts.items() if NUMBER.fullmatch(key))
    return 2 * numbers >= sum(counts.values())


def _is_zero_led(key: str) -> bool:
    return ZERO_LED.fullmatch(key) is not None and NUMBER.fullmatch(key) is not None


def _other_codes(raw: RawColumn) -> str | None:
    """What the first rows suggest, if all rows say the same."""
    found = _codes_in(raw, raw.head)
    return found and _codes_in(raw, raw.counts)


def _codes_in(raw: RawColumn, counts: dict[str, int]) -> str | None:
    keys = list(map(whole_key, counts))
    rows = sum(counts.values())
    if all(map(PHONE.fullmatch, counts)):
        return "has numbers of phones"
    if not is_float_dtype(raw.series.dtype):
        long = [key for key in counts if LONG.fullmatch(key.lstrip("+-")) and not key.endswith(ROUND)]
        if sum(counts[key] for key in long) >= MOST * rows:
            return f"has whole numbers of more digits than a number holds exactly, such as {long[0]}"
    if _are_barcodes(keys):
        return f"has barcodes, such as {keys[0]}: their last digit is the check digit"
    words = words_of(raw.name)
    if not PHONE_NAMES.isdisjoint(words) and all(map(NAMED_PHONE.fullmatch, keys)):
        return f"has numbers of phones by its name, such as {keys[0]}"
    named = not (POSTAL_NAMES | ARTICLE_NAMES).isdisjoint([*words, "".join(words[-2:])])
    if named and all(map(NAMED_CODE.fullmatch, keys)):
        return f"has whole numbers that are codes by its name, such as {keys[0]}"
    return None


def _are_barcodes(keys: Sequence[str]) -> bool:
    """Whether all are numbers of GS1 (EAN, UPC, GTIN, ISBN) with their check digit; by chance one in 100,000 lists."""
    return len(keys) >= MIN_BARCODES and all(BARCODE.fullmatch(key) and _checks(key) for key in keys)


def _checks(key: str) -> bool:
    # from the right, every second digit counts three times
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(key))) % 10 == 0
