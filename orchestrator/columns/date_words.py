"""Words in dates: names of months and weekdays, time zones, and what is written where there is no date."""

# lists of words read better in lines than as lists of strings
# ruff: noqa: SIM905, RUF001

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.number_texts import PLACEHOLDERS, plain_texts

_GREEK = """
ιανουάριος ιανουαρίου ιαν|φεβρουάριος φεβρουαρίου φεβ|μάρτιος μαρτίου μάρ|απρίλιος απριλίου απρ
μάιος μαΐου μάι μαΐ μαϊου μαϊ|ιούνιος ιουνίου ιούν|ιούλιος ιουλίου ιούλ|αύγουστος αυγούστου αύγ
σεπτέμβριος σεπτεμβρίου σεπ σεπτ|οκτώβριος οκτωβρίου οκτ|νοέμβριος νοεμβρίου νοέ|δεκέμβριος δεκεμβρίου δεκ
"""


def _bare(word: str) -> str:
    """Without accents, as in capitals."""
    letters = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


# English, German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian, Polish, Czech, Hungarian, Romanian,
# Turkish, Finnish, Russian; none of them means two months
MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar jänner jän janvier janv enero ene gennaio gen janeiro januari styczeń stycznia sty"
            " leden ledna január ianuarie ian ocak tammikuu tammikuuta января янв январь",
            "february feb februar feber février fevrier févr fevr fév febrero febbraio febb fevereiro fev februari luty"
            " lutego lut únor února február febr februarie şubat şub helmikuu helmikuuta февраля фев февр февраль",
            "march mar märz maerz mär mrz mars marzo março marco maart mrt marts marzec marca březen března március"
            " márc martie mart maaliskuu maaliskuuta марта мар март",
            "april apr avril avr abril abr aprile aprilie kwiecień kwietnia kwi duben dubna április ápr nisan nis"
            " huhtikuu huhtikuuta апреля апр апрель",
            "may mai mayo maggio mag maio mei maj maja květen května május máj mayıs toukokuu toukokuuta мая май",
            "june jun juni juin junio giugno giu junho czerwiec czerwca cze červen června június jún iunie iun"
            " haziran haz kesäkuu kesäkuuta июня июн июнь",
            "july jul juli juillet juil julio luglio lug julho lipiec lipca červenec července július júl iulie iul"
            " temmuz heinäkuu heinäkuuta июля июл июль",
            "august aug août aout agosto ago augustus augusti sierpień sierpnia srpen srpna augusztus ağustos ağu"
            " elokuu elokuuta августа авг август",
            "september sep sept septembre septiembre setiembre settembre sett set setembro wrzesień września wrz září"
            " szeptember szept septembrie eylül eyl syyskuu syyskuuta сентября сен сент сентябрь",
            "october oct oktober okt octobre octubre ottobre ott outubro out październik października paź říjen října"
            " október octombrie ekim lokakuu lokakuuta октября окт октябрь",
            "november nov novembre noviembre novembro listopad listopada listopadu noiembrie kasım marraskuu"
            " marraskuuta ноября ноя нояб ноябрь",
            "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro desember des grudzień"
            " grudnia gru prosinec prosince decembrie aralık joulukuu joulukuuta декабря дек декабрь",
        ),
        start=1,
    )
    for name in names.split()
} | {
    spelling: month
    for month, names in enumerate(re.split(r"[|\n]", _GREEK.strip()), start=1)
    for name in names.split()
    for accented in (name, _bare(name))
    # the last sigma of a word in capitals is the same as others
    for spelling in (accented, accented.replace("ς", "σ"))
}
# of these, words that have another meaning in English
AMBIGUOUS_MONTHS = frozenset({"set", "out", "ago", "mag", "gen", "lug", "des", "sty", "lut", "gru", "mart", "giu"})
WEEKDAYS = tuple(
    dict.fromkeys(
        name
        for names in (
            "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
            "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
            "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
            "lunes martes miércoles miercoles jueves viernes sábado sabado domingo mié mie jue vie sáb sab dom",
            "lunedì martedì mercoledì giovedì venerdì domenica lunedi martedi mercoledi giovedi venerdi gio",
            "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira seg ter qua qui sex",
            "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo",
            "måndag tisdag onsdag torsdag fredag lördag söndag mandag lørdag søndag mån tis ons tor tors fre lör sön",
            "poniedziałek wtorek środa czwartek piątek sobota niedziela pon wt śr czw pt sob nd",
        )
        for name in names.split()
    )
)
# of columns
DATE_NAMES = frozenset({"date", "dates", "datum", "fecha", "dob", "birthday", "birthdate", "geburtsdatum"})
# minutes east of Greenwich; RFC 2822, Europe, and those elsewhere that mean one zone
ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360,
    "pst": -480, "pdt": -420, "wet": 0, "west": 60, "cet": 60, "cest": 120, "mez": 60, "mesz": 120, "eet": 120,
    "eest": 180, "msk": 180, "jst": 540, "kst": 540, "aest": 600, "aedt": 660,
}  # fmt: skip

# in the place of a date that is not there yet, or that changes every day
OPEN_WORDS = frozenset(
    """
    open ongoing today now present current currently active never future still until indefinite permanent
    infinity forever tomorrow yesterday
    offen laufend heute jetzt aktuell aktiv unbefristet nie andauernd
    aujourd'hui présent present jamais actuel ouvert indéfini
    hoy actual abierto presente nunca vigente indefinido
    oggi attuale aperto corrente
    hoje atual aberto nunca heden huidig nooit lopend
    """.split()
) | {
    "not yet", "to date", "to present", "till date", "till now", "until now", "up to now", "no end", "no end date",
    "open end", "open ended", "open-ended", "bis heute", "en cours", "en curso", "in corso", "em curso", "no date",
}  # fmt: skip
_ZEROS = (
    r"^(?:0{1,4}[-./]0{1,2}[-./]0{1,4}|1900[-./]0?1[-./]00?|0?1/00?/1900|00?[./-]0?1[./-]1900|0{8})"
    r"(?:[ t]0?0:00(?::00(?:\.0+)?)?z?)?$"
)


def no_dates(texts: pa.Array) -> NDArray[np.bool_]:
    """Which of some normalised texts stand for a missing date wherever they are met: -, tbd, 0000-00-00."""
    plain = plain_texts(texts.cast(pa.string()))
    found = pc.or_(pc.is_in(plain, value_set=_PLACEHOLDERS), pc.match_substring_regex(plain, _ZEROS))
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), bool)


def is_no_date(text: str) -> bool:
    """The same of one text."""
    return bool(no_dates(pa.array([text], pa.string()))[0])


_PLACEHOLDERS = pa.array(sorted(PLACEHOLDERS), pa.string())


def any_of(words: tuple[str, ...]) -> str:
    """A regular expression of words, the longer ones first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
