"""Lines below and between rows that sum them up, or say something about the file: what they look like."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from orchestrator.columns.values import is_number_text

TOTALS = """
total totals totales totali totais sum sums summe summen gesamt gesamtsumme endsumme insgesamt subtotal subtotals
sub-total zwischensumme teilsumme zwischentotal teilergebnis gesamtergebnis endergebnis somme sous-total suma subtotale
totale totaal subtotaal toplam итого всего 合計 總計 总计 小計 小计 average mean avg durchschnitt mittelwert moyenne
media gemiddelde count anzahl saldo endsaldo anfangssaldo schlusssaldo abschlusssaldo balance übertrag kontostand
razem łącznie ogółem celkem spolu összesen ukupno skupaj yhteensä totalt sammenlagt σύνολο 합계
"""
PHRASES = """
grand total|sub total|total general|total général|sum total|opening balance|closing balance|ending balance
balance brought forward|balance carried forward|brought forward|carried forward|alter saldo|neuer saldo|alter kontostand
neuer kontostand|row count|number of rows|number of records
"""
TOTAL_WORDS = frozenset(TOTALS.split()) | frozenset(re.split(r"[|\n]", PHRASES.strip()))
# of which a last line may tell, as `describe` of pandas does
# which are the names of nothing else
SUBTOTAL_WORDS = """
subtotal subtotals sub-total zwischensumme teilsumme zwischentotal sous-total subtotale subtotaal
"""
SUBTOTALS = frozenset(SUBTOTAL_WORDS.split()) | {"grand total", "sub total"}
STATISTIC_WORDS = """
min max minimum maximum std stddev sd stdev median variance var standardabweichung p25 p50 p75 25% 50% 75%
"""
STATISTICS = frozenset(STATISTIC_WORDS.split())
# of the largest and the smallest value
HIGHEST, LOWEST = frozenset({"max", "maximum", "maks", "massimo", "máximo"}), frozenset({"min", "minimum", "mínimo"})
# words that make a label of a longer text: "Nord Total", "Total sales 2024"
STEM_WORDS = """
total totals subtotal sub-total sum summe zwischensumme gesamt gesamtsumme endsumme teilsumme ergebnis gesamtergebnis
teilergebnis somme sous-total suma totale totaal subtotaal
"""
STEMS = frozenset(STEM_WORDS.split())
LETTER = r"[^\W\d_]"
STEM = "|".join(sorted(map(re.escape, STEMS), key=len, reverse=True))
LABEL_PHRASE = re.compile(
    rf"(?:(?:{STEM})(?!{LETTER}|-).*|.*(?<!{LETTER})(?<!-)(?:{STEM}))", re.IGNORECASE | re.UNICODE | re.DOTALL
)
# "Count: 40", "Total = 1,234"
COUNTED = re.compile(r"(.*?)\s*[:=]\s*[^\w:=]*\d[\d.,' ]*[^\w:=]*\w{0,3}")
# what databases write below the rows of a query, and programs below what they have written
ROW_COUNT = re.compile(
    r"\(?\d[\d,.]* (?:rows?|records?|tuples?|entries|lines|items|zeilen|datensätze)"
    r"(?: (?:affected|returned|selected|exported|written|found|in set|in total|exportiert)\b.*)?\)?\.?",
    re.IGNORECASE,
)
NUMBER_LIKE = re.compile(r"[^\w]*\d[\d.,'\u2019 \u00a0\u202f]*(?:[eE][-+]?\d+)?[^\w]*\w{0,3}[^\w]*")
LONGEST_LABEL = 60
DECORATION = " \t:*_-=.\u2013\u2014#()[]<>|"
FOOTER_START = re.compile(
    r"\W*(?:source|quelle|note|notes|hinweis|anmerkung|legend|legende|remark|end of|ende|eof|exported|export|generated|"
    r"created|printed|downloaded|report|copyright|©|disclaimer|as of|stand|last updated|erstellt|fuente|fonte)\b",
    re.IGNORECASE,
)
# of the values of a column that are compared with a footer
MANY_VALUES = 1000


def bare_label(cell: str) -> str:
    """A label without what is only there for the eyes."""
    return cell.strip(DECORATION).lower()


def is_total(cell: str) -> bool:
    """Whether it is what people write before totals, and nothing else."""
    label = bare_label(cell)
    if label in TOTAL_WORDS:
        return True
    counted = COUNTED.fullmatch(cell.strip())
    known = counted is not None and bare_label(counted[1]) in TOTAL_WORDS | {"rows", "records", "zeilen", "n"}
    return known or ROW_COUNT.fullmatch(cell.strip()) is not None


def is_subtotal(cell: str) -> bool:
    """Whether it stands before totals, and before nothing else ever."""
    return bare_label(cell) in SUBTOTALS


def is_statistic(cell: str) -> bool:
    """Whether it is the name of a figure about the rows."""
    return bare_label(cell) in STATISTICS


def mentions_total(cell: str) -> bool:
    """Whether such a word begins or ends it, as in "Nord Total"."""
    return len(cell) <= LONGEST_LABEL and LABEL_PHRASE.fullmatch(cell.strip(DECORATION)) is not None


def is_number_like(cell: str) -> bool:
    """Whether it is a number in any notation."""
    return is_number_text(cell) or (len(cell) <= LONGEST_LABEL and NUMBER_LIKE.fullmatch(cell) is not None)


def is_rule(cells: Sequence[str]) -> bool:
    """Whether a line is drawn with characters: dashes and what stands between them."""
    text = "".join(cells)
    if text.strip("-=_+|*~: \t"):
        # rows have thousands of cells, too
        return False
    marks = [cell.strip() for cell in cells if cell.strip()]
    drawn = all(len(mark) > 1 or mark in "+|=" for mark in marks)
    return drawn and len(text.strip()) > 1 and any(sign in text for sign in "-=_*~")


def is_footer(text: str, values: Collection[str], *, apart: bool) -> bool:
    """Whether a line at the end says something about the file, and is no row that was cut off.

    Args:
        text: of its first cell.
        values: some of the first column.
        apart: whether a blank line stands before it.
    """
    text = text.strip()
    if sum(map(str.isalpha, text)) < 2 or text in values:  # noqa: PLR2004
        return is_rule([text])
    if apart or FOOTER_START.match(text):
        return True
    known = [value for value in values if value.strip()]
    if known and not any(character.isalpha() for value in known for character in value):
        return True
    return " " in text and not any(" " in value.strip() for value in known)
