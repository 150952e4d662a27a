"""Characters, signs and words that people write numbers with."""

# lists of words read better in lines than as lists of strings
# ruff: noqa: SIM905

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

# what is taken off the ends of a cell, the same set for every engine of regular expressions
BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
BLANKS += "\u2028\u2029\u202f\u205f\u3000"

# several characters that mean the same: the first one is what they are read as
SAME: Mapping[str, str] = {
    " ": "\xa0\u2007\u2008\u2009\u200a\u202f",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d",
    "'": "\u2018\u2019\u02bc\xb4`",
    "<": "\u2264\u2a7d",
    ">": "\u2265\u2a7e",
    "~": "\u2248\u223c",
    # of full width, and those that Arabic and Persian write between digits
    ".": "\uff0e\u066b\xb7\u2219\u22c5",
    ",": "\uff0c\u066c",
    "%": "\uff05\u066a",
    "$": "\uff04",
    "\xa5": "\uffe5",
    "\xa3": "\uffe1",
    "\u20a9": "\uffe6",
    "(": "\uff08",
    ")": "\uff09",
    "+": "\uff0b",
} | {
    # digits of Arabic, Persian, Devanagari and full width
    str(digit): "".join(chr(first + digit) for first in (0x660, 0x6F0, 0x966, 0xFF10))
    for digit in range(10)
}
_PLAIN = str.maketrans({other: plain for plain, others in SAME.items() for other in others})
_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})
_FOREIGN = "[" + "".join(other for others in SAME.values() for other in others) + "]"

# words that stand for a missing number wherever they are met, lower-cased, with plain characters
PLACEHOLDERS = frozenset(
    """
    - -- --- ---- . .. ... * ** *** / // _ # ?? ??? ./. -/- -.- =
    missing unknown unk n.d. n.d nd n/d n.a. n.a nil undefined pending tbd tba tbc error err invalid
    #ref! #div/0! #value! #name? #num! #null! #error! #wert! #bezug! #zahl! ##### k.a. unbekannt fehlt s/d
    """.split()
) | {
    "not available",
    "not applicable",
    "not detected",
    "not known",
    "no data",
    "keine angabe",
    "k. a.",
    "n. d.",
    "n. a.",
}

# what programs write for a number that is too large for them
INFINITE = tuple("inf +inf -inf infinity +infinity -infinity \u221e +\u221e -\u221e 1.#inf -1.#inf".split())

# spellings of one currency
CURRENCIES: Mapping[str, tuple[str, ...]] = {
    "USD": ("$", "US$", "USD", "U$S", "dollar", "dollars"),
    "EUR": ("\u20ac", "EUR", "Euro", "Euros"),
    "GBP": ("\xa3", "GBP"),
    "JPY": ("\xa5", "JPY", "JP\xa5", "\u5186", "yen"),
    "CNY": ("CNY", "RMB", "CN\xa5", "\u5143"),
    "CHF": ("CHF", "Fr.", "SFr."),
    "INR": ("\u20b9", "INR", "Rs", "Rs."),
    "BRL": ("R$", "BRL"),
    "CAD": ("C$", "CA$", "CAD"),
    "AUD": ("A$", "AU$", "AUD"),
    "NZD": ("NZ$", "NZD"),
    "HKD": ("HK$", "HKD"),
    "SGD": ("S$", "SGD"),
    "MXN": ("MX$", "Mex$", "MXN"),
    "SEK": ("SEK",),
    "NOK": ("NOK",),
    "DKK": ("DKK",),
    "ISK": ("ISK",),
    "kr": ("kr", "kr."),
    "PLN": ("z\u0142", "PLN"),
    "CZK": ("K\u010d", "CZK"),
    "HUF": ("Ft", "HUF"),
    "RON": ("RON", "lei"),
    "BGN": ("BGN", "\u043b\u0432", "\u043b\u0432."),
    "TRY": ("\u20ba", "TRY", "TL"),
    "RUB": ("\u20bd", "RUB", "\u0440\u0443\u0431", "\u0440\u0443\u0431."),
    "UAH": ("\u20b4", "UAH"),
    "KRW": ("\u20a9", "KRW", "\uc6d0"),
    "ILS": ("\u20aa", "ILS", "NIS"),
    "VND": ("\u20ab", "VND"),
    "THB": ("\u0e3f", "THB"),
    "PHP": ("\u20b1", "PHP"),
    "NGN": ("\u20a6", "NGN"),
    "ZAR": ("ZAR",),
    "IDR": ("Rp", "Rp.", "IDR"),
    "MYR": ("RM", "MYR"),
    "AED": ("AED",),
    "SAR": ("SAR",),
    "EGP": ("EGP",),
    "CLP": ("CLP",),
    "COP": ("COP",),
    "ARS": ("ARS", "AR$"),
    "PEN": ("S/", "S/.", "PEN"),
    "BTC": ("\u20bf", "BTC"),
    "ETH": ("ETH",),
    "cent": ("\xa2", "ct", "cents"),
}
CURRENCY_OF: Mapping[str, str] = {
    form: code
    for code, forms in CURRENCIES.items()
    for name in forms
    for form in (name, name.lower(), name.upper(), name.capitalize())
}

PERCENT = ("%", "\u2030", "pct", "percent", "per cent", "Prozent")
# that may be glued to a number; others need a blank, because 12A is a seat
UNITS = frozenset(
    """
    nm \xb5m \u03bcm um mm cm dm m km in inch inches ft feet yd mi mile miles nmi
    m\xb2 m2 qm sqm cm\xb2 cm2 mm\xb2 mm2 km\xb2 km2
    ha sqft ft\xb2 ft2 ac acre acres m\xb3 m3 cm\xb3 cm3 ccm cc dm\xb3 ft\xb3 ft3
    ng \xb5g \u03bcg ug mg g kg t lb lbs oz st gr ml mL cl cL dl dL l L hl liter litre liters litres gal
    ns \xb5s us ms s sec secs min mins h hr hrs hour hours d day days wk week weeks mo mon month months
    y yr yrs year years
    Hz kHz MHz GHz THz B kB KB MB GB TB PB KiB MiB GiB TiB bit bits Kbit Mbit Gbit kbps Mbps Gbps
    W kW MW GW Wh kWh MWh GWh J kJ MJ cal kcal hp bhp PS V mV kV A mA Ah mAh \u2126 ohm Nm N kN
    Pa hPa kPa MPa bar mbar psi mmHg \xb0 \xb0C \xb0F \xbaC \xbaF \u2103 \u2109 C F K dB dBm dBi px dpi ppi
    rpm RPM fps mpg
    km/h kmh kph mph m/s ft/s knots kn mg/l mg/L mg/dl mg/dL g/l g/L g/dl g/dL \xb5g/l \xb5g/L ng/ml ng/mL mmol/l mmol/L
    \xb5mol/l \xb5mol/L IU/l IU/L U/l U/L IU mol mmol ppm ppb g/km kmpl bpm pts pt
    gm gms kgs ltr ltrs pcs pax deg x \xd7 pp bp bps
    ' " \u2032 \u2033
    """.split()
)
LOWER_UNITS = frozenset(map(str.lower, UNITS))

# what prices are for; without a currency in front of the number only these are, behind a stroke
PER = {
    form: forms.split()[0]
    for forms in (
        "hour hr hrs h hours stunde std heure hora ora uur",
        "day d days tag jour d\xeda dia giorno dag",
        "night nt nights nacht nuit noche noite notte",
        "week wk weeks w woche semaine semana settimana",
        "month mo mon mth months monat mois mes m\xeas mese maand",
        "year yr yrs y annum years jahr an ann\xe9e a\xf1o ano anno jaar",
        "person pers pax pp people kopf",
        "unit units item piece pc pcs st\xfcck stk each ea user seat share",
        "sqft sf ft\xb2",
        "m\xb2 m2 sqm qm",
        "kg kilo", "lb lbs", "l liter litre", "kwh", "mi mile", "km", "t ton tonne",
    )
    for form in forms.split()
}  # fmt: skip
# rents of a calendar month and of a week, a year
PER_SHORT = {
    "pcm": "month",
    "p.c.m.": "month",
    "pw": "week",
    "p.w.": "week",
    "pa": "year",
    "p.a.": "year",
    "each": "unit",
}

# powers of ten that a letter or a word stands for
FACTORS: Mapping[str, int] = {
    form: power
    for power, forms in {
        3: "k K \u5343 \ucc9c tsd Tsd tsd. Tsd. thousand Thousand",
        4: "\u4e07 \u842c \ub9cc",
        5: "lakh Lakh lakhs Lakhs lac Lac",
        6: "M m mn Mn mio Mio mio. Mio. million Million millions Millions",
        7: "cr Cr crore Crore crores Crores",
        8: "\u5104 \u4ebf \uc5b5",
        9: "B b bn Bn mrd Mrd mrd. Mrd. billion Billion billions Billions",
        12: "T tn Tn trillion Trillion trillions Trillions",
    }.items()
    for form in forms.split()
}
# hundredths of another currency beside them, in a column with both only
CENTS: Mapping[str, int] = {
    form: -2 for name in CURRENCIES["cent"] for form in (name, name.lower(), name.upper(), name.capitalize())
}
POWERS: Mapping[str, int] = {**FACTORS, **CENTS}
WITH_CENTS = frozenset({"USD", "EUR", "CAD", "AUD", "NZD", "HKD", "SGD", "ZAR"})
# metres, bytes, tonnes and Kelvin, unless there are others or a currency beside them
DOUBTFUL_FACTORS = frozenset({"m", "b", "T"})

# what follows a number without being a unit
NOT_UNITS = frozenset(
    """
    am pm a.m. p.m. o'clock uhr st nd rd th ad bc ce bce
    jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july august september
    october november december januar februar m\xe4rz mai juni juli oktober dezember
    mon tue wed thu fri sat sun
    """.split()
)


def plain_text(text: str) -> str:
    """A cell without blanks around it, with one character for each of those that mean the same."""
    return text.strip(BLANKS).translate(_PLAIN)


def lowered(text: str) -> str:
    """A text with the letters A to Z in lower case: others differ between libraries."""
    return text.translate(_LOWER)


def plain_texts(texts: pa.Array) -> pa.Array:
    """`plain_text` of each of many texts."""
    texts = pc.utf8_trim(texts, characters=BLANKS)
    if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
        return texts
    if not pc.any(pc.match_substring_regex(texts, _FOREIGN)).as_py():
        return texts
    for plain, others in SAME.items():
        # most texts have one of these characters at most
        if pc.any(pc.match_substring_regex(texts, f"[{others}]")).as_py():
            texts = pc.replace_substring_regex(texts, f"[{others}]", plain)
    return texts
