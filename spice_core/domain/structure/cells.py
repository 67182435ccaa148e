"""What a cell of a sheet is by its text: the same recognisers as for text tables, and the words that tell totals and notes."""

import re
from enum import IntEnum

from spice_core.domain.readings import NULL_WORDS
from spice_core.domain.text_dialects import is_date, is_number

COLONS = (":", "\uff1a")
"""What ends the name in front of a value."""

_LONGEST_VALUE = 60
_MONTH = (
    r"(?:jan|feb|mar|mär|mrz|apr|avr|abr|may|mai|maj|jun|jul|aug|aoû|ago|sep|set|oct|okt|out|nov|dec|dez|déc|dic)"
    r"[a-zéûôç]{0,7}\.?"
)
_NAMED_DATE = re.compile(
    rf"\d{{1,2}}(?:st|nd|rd|th|\.)?[- /]?{_MONTH}[- /,]*\d{{2,4}}(?: \d{{1,2}}:\d{{2}}.*)?"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{4}}\s?[년年]\s?\d{{1,2}}\s?[월月](?:\s?\d{{1,2}}\s?[일日])?",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?:(?:usd|eur|gbp|jpy|krw|chf|cny|[a-z]{0,2}\$|[€£¥₩₹₽])\s*)?([-+\u2212(]?\s?[\d.][\d.,'\s]*%?\)?)-?"
    r"(?:\s*(?:usd|eur|gbp|jpy|krw|chf|cny|kr|zł|[€£¥₩₹₽$]|원|円|元))?",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(.*\d)\s?(?:\*{1,3}|[†‡¹²³⁴⁵]|\[\w{1,2}\]|\([a-z]\)|[a-z])")
_EXPLAINED = re.compile(r"([^(]*\d[^(]*?)\s*\([^()]*\)")
_SEPARATOR = re.compile(r"[-=_*~.#+─━═]{3,}")
_PLACEHOLDER = re.compile(r"[.:\-\u2013\u2014*]{1,3}|\[[a-z]\]")
_TOTAL = re.compile(
    r"(?:(?:grand|sub|net|overall|column)[- ]?)?totals?(?: \(.*\))?:?|sum:?|summe:?|gesamt(?:summe)?:?|insgesamt:?"
    r"|zwischensumme:?|sous[- ]total:?|total g[ée]n[ée]ral:?|totale:?|totaal:?|totalt:?|razem:?|suma:?|итого:?|всего:?|yhteensä:?"
    r"|합\s*계|총\s*계|소\s*계|전\s*체|누\s*계|合\s*計|総\s*計|小\s*計|总\s*计|合\s*计|小\s*计|計|계",
    re.IGNORECASE,
)
_TOTAL_OF = re.compile(r"(?:(?:sub)?total(?: of| for)?:? (?P<after>.+)|(?P<before>.+?)[ -]+(?:sub)?totals?:?)", re.IGNORECASE)
_NOTE = re.compile(
    r"(?:page \d|seite \d|página \d|\d+ ?쪽|notes?|sources?|footnotes?|remarks?|nb|n\.b"
    r"|disclaimer|legend|key|copyright|last updated|generated|exported"
    r"|end of|quelle|hinweis|anmerkung|stand|fonte|nota|fuente|remarque|bron|källa|kilde|źródło|примечание|источник"
    r"|주|출처|비고|자료|참고|注|注記|備考|出典|資料)(?:\b|\s|:|\uff1a|\)|\d)|[*†‡※©¹²³#]|\(\d\)|\[\d\]|\d\)|주\)|자료[:\uff1a]",
    re.IGNORECASE,
)
_PAIR = re.compile(r"([^:\uff1a=]{1,40}?)\s*[:\uff1a]\s+(\S.*)|([^:\uff1a\s]{1,40})\uff1a(\S.*)")


class Kind(IntEnum):
    """What a cell holds. `YEAR` is a whole number that may be a year; `NULL` a word or mark that stands for nothing."""

    EMPTY = 0
    NULL = 1
    TEXT = 2
    NUMBER = 3
    YEAR = 4
    DATE = 5


def kind_of(text: str) -> Kind:
    """Return what a trimmed text is."""
    if not text:
        return Kind.EMPTY
    if len(text) > _LONGEST_VALUE:
        return Kind.TEXT
    if text.casefold() in NULL_WORDS or _PLACEHOLDER.fullmatch(text):
        return Kind.NULL
    return _kind_of_value(text) if any(char.isdecimal() for char in text) else Kind.TEXT


def _kind_of_value(text: str) -> Kind:
    if is_number(text):
        is_year = text.isdecimal() and len(text) == 4 and 1800 <= int(text) <= 2200
        return Kind.YEAR if is_year else Kind.NUMBER
    if is_date(text) or _NAMED_DATE.fullmatch(text):
        return Kind.DATE
    return Kind.NUMBER if _is_adorned_number(text) else Kind.TEXT


def _is_adorned_number(text: str) -> bool:
    """Whether it is a number with a currency, one that a footnote marks, or one that brackets explain: `6.3% (1.5 million)`."""
    explained = _EXPLAINED.fullmatch(text)
    if explained is not None:
        text = explained[1]
    marked = _MARKED.fullmatch(text)
    bare = _MONEY.fullmatch(marked[1] if marked and not text[0].isalpha() else text)
    return bare is not None and is_number(bare[1].strip())


def without_colon(text: str) -> str:
    """Return the name in front of a value without the colon that ends it."""
    return text.rstrip(":\uff1a ")


def is_total(text: str) -> bool:
    """Return whether a row that begins with `text` is a total."""
    return _TOTAL.fullmatch(text) is not None


def totalled(text: str) -> str | None:
    """Return of what a row that begins with `text` is a total (`East` of `East Total`), None where it is none."""
    found = _TOTAL_OF.fullmatch(text)
    return None if found is None else (found["after"] or found["before"])


def is_note(text: str) -> bool:
    """Return whether a line reads as a remark on a table: a source, a footnote, a generated-at line."""
    return _NOTE.match(text) is not None


def is_separator(text: str) -> bool:
    """Return whether a text only draws a line."""
    return _SEPARATOR.fullmatch(text) is not None


def pair_in(text: str) -> tuple[str, str] | None:
    """Return the name and the value that one text holds, `Report date: 2024-01-31`; None where it is a plain text."""
    found = _PAIR.fullmatch(text) if len(text) <= 200 else None
    if found is None:
        return None
    name, value = (found[1], found[2]) if found[1] else (found[3], found[4])
    is_remark = is_note(text) and kind_of(value) <= Kind.TEXT
    return None if is_remark else (name, value)
