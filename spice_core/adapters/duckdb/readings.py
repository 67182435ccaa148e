"""The readings of `domain.readings` as SQL: one expression per reading, null where a value does not fit."""

from collections.abc import Collection

from spice_core.adapters.duckdb.calendar_readings import date_time_value, date_value, time_value
from spice_core.adapters.duckdb.connections import literal
from spice_core.adapters.duckdb.expressions import matches
from spice_core.domain.readings import CURRENCY_CODES, CURRENCY_WORDS, FALSE_WORDS, NUMBERS, TRUE_WORDS

_SPACE = r"[\s\x{00A0}\x{202F}\x{2009}]"
_MINUS = r"[+\x{2212}\x{2013}-]"
MONEY = rf"(?:(?:[A-Z]{{0,3}}\p{{Sc}}|{'|'.join((*CURRENCY_CODES, *CURRENCY_WORDS))})\.?)"
_GROUPED = {
    "number_us": r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}|\d+)(?:\.\d*)?|\.\d+",
    "number_eu": r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+",
    "number_space": rf"\d{{1,3}}(?:(?:{_SPACE}|['\x{{2019}}])\d{{3}})+(?:[.,]\d*)?|\d+(?:[.,]\d*)?",
}
_DECIMAL_COMMA = frozenset({"number_eu", "number_space"})
_PATTERNS = {
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "email": r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}",
    "url": r"(?:https?|ftp)://[^\s/$.?#][^\s]*",
    "ip": r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
    r"|(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
    r"|(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?",
    "phone": r"[(]?\+?[(]?\d[\d ()./-]{3,27}\d(?: ?(?:x|ext\.?) ?\d{1,6})?",
}


def fits(reading: str, text: str) -> str:
    """Return the SQL that says whether `text` (SQL, trimmed) fits; null and false say no."""
    if reading in NUMBERS:
        return matches(text, number_pattern(reading))
    if reading in _PATTERNS:
        return matches(text, _PATTERNS[reading])
    return f"{value(reading, text)} IS NOT NULL"


def value(
    reading: str, text: str, *, true_words: Collection[str] = TRUE_WORDS, false_words: Collection[str] = FALSE_WORDS
) -> str:
    """Return the SQL of the value that `text` (SQL, trimmed) has under a reading that is no number."""
    if reading == "boolean":
        is_true, is_false = (f"lower({text}) IN {_words(words)}" for words in (true_words, false_words))
        return f"CASE WHEN {is_true} THEN true WHEN {is_false} THEN false END"
    if reading.startswith("date_time_"):
        return date_time_value(reading.removeprefix("date_time_"), text)
    if reading.startswith("date_"):
        return date_value(reading.removeprefix("date_"), text)
    if reading == "time":
        return time_value(text)
    if reading in _PATTERNS:
        return f"CASE WHEN {matches(text, _PATTERNS[reading])} THEN {text} END"
    return text


def number_pattern(reading: str) -> str:
    """Return the regular expression of a number with sign, brackets, currency, percent and exponent."""
    core = rf"(?:{_GROUPED[reading]})(?:[eE][+-]?\d{{1,3}})?"
    signed = rf"{_MINUS}?{_SPACE}?{MONEY}?{_SPACE}?{_MINUS}?{core}{_SPACE}?(?:{MONEY}|%)?[\x{{2212}}-]?"
    return rf"{signed}|\({_SPACE}?{MONEY}?{_SPACE}?{core}{_SPACE}?(?:{MONEY}|%)?{_SPACE}?\)"


def number_text(reading: str, text: str) -> str:
    """Return the SQL of the plain decimal text of a number: sign, digits, point, exponent; percent not yet divided."""
    keep = "[^0-9,eE-]" if reading in _DECIMAL_COMMA else "[^0-9.eE-]"
    source = rf"regexp_replace({text}, '(\p{{L}}{{2,}}|\p{{Sc}})\.', '')"
    source = f"replace({source}, '.', ',')" if reading == "number_space" else source
    plain = f"regexp_replace(regexp_replace({source}, '[A-DF-Za-df-z]+', '', 'g'), '[\u2212\u2013]', '-')"
    digits = f"regexp_replace({plain}, '{keep}', '', 'g')"
    if reading in _DECIMAL_COMMA:
        digits = f"replace({digits}, ',', '.')"
    trimmed = f"regexp_replace(regexp_replace({digits}, '^[-eE]+|[-eE]+$', '', 'g'), '^[eE]+|[eE]+$', '', 'g')"
    return f"CASE WHEN {text} ~ '^\\(.*|^[^0-9]*[\\x{{2212}}\\x{{2013}}-].*|.*[\\x{{2212}}-]$' THEN '-' ELSE '' END || {trimmed}"


def _words(words: Collection[str]) -> str:
    return "(" + ", ".join(literal(word) for word in sorted(words)) + ")"
