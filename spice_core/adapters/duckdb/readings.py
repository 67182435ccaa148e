"""The readings of `domain.readings` as SQL: one expression per reading, null where a value does not fit."""
# ruff: noqa: S608 - SQL expressions are what this module makes, out of its own patterns

from collections.abc import Collection

from spice_core.adapters.duckdb.connections import literal
from spice_core.domain.readings import DATE_TIMES, DATES, FALSE_WORDS, NUMBERS, TRUE_WORDS

_MONEY = r"(?:[$€£¥₩₹₽]|USD|EUR|GBP|JPY|KRW|CHF|CNY|원|円|元)"
_GROUPED = {
    "number_us": r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}|\d+)(?:\.\d*)?|\.\d+",
    "number_eu": r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+",
    "number_space": r"\d{1,3}(?:[\s\x{00A0}\x{202F}'\x{2019}]\d{3})+(?:[.,]\d*)?|\d+(?:[.,]\d*)?",
}
_DECIMAL_COMMA = frozenset({"number_eu", "number_space"})
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6}0{0,3})?)?"
_ZONE = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)"
_DATE_PARTS = {
    "ymd": r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8}|\d{4}\s?[년年]\s?\d{1,2}\s?[월月]\s?\d{1,2}\s?[일日]",
    "dmy": r"\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2})\.?",
    "mdy": r"\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2})",
}
_NAMED = (
    r"(?:\d{1,2}(?:st|nd|rd|th)?[- /.]*[A-Za-z]{3,9}\.?[- /.,]*(?:\d{4}|\d{2})"
    r"|[A-Za-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})"
)
_NAMED_FORMATS = ("%d-%b-%Y", "%d-%B-%Y", "%b-%d-%Y", "%B-%d-%Y")
_SHORT_NAMED_FORMATS = ("%d-%b-%y", "%d-%B-%y")
_FORMATS = {"ymd": "%Y-%m-%d", "dmy": "%d-%m-%Y", "mdy": "%m-%d-%Y"}
_TIME_FORMATS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f")
_TWELVE_HOURS = ("%I:%M:%S %p", "%I:%M %p")
_PATTERNS = {
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "email": r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}",
    "url": r"https?://[^\s/$.?#][^\s]*",
    "ip": r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
    r"|(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
    r"|(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?",
    "time": r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?",
}


def matches(text: str, pattern: str) -> str:
    """Return the SQL that says whether all of `text` (SQL) is of `pattern`."""
    return f"regexp_full_match({text}, {literal(pattern)})"


def fits(reading: str, text: str) -> str:
    """Return the SQL that says whether `text` (SQL, trimmed) fits; null and false say no."""
    if reading in NUMBERS:
        return matches(text, number_pattern(reading))
    if reading in _PATTERNS:
        return matches(text, _PATTERNS[reading])
    return f"{value(reading, text)} IS NOT NULL"


def value(reading: str, text: str) -> str:
    """Return the SQL of the value that `text` (SQL, trimmed) has under a reading that is no number."""
    if reading == "boolean":
        is_true, is_false = (f"lower({text}) IN {_words(words)}" for words in (TRUE_WORDS, FALSE_WORDS))
        return f"CASE WHEN {is_true} THEN true WHEN {is_false} THEN false END"
    if reading in DATES:
        return _date(reading.removeprefix("date_"), text)
    if reading in DATE_TIMES:
        return _date_time(reading.removeprefix("date_time_"), text)
    if reading == "time":
        return f"CASE WHEN {matches(text, _PATTERNS['time'])} THEN {_padded_time(text)} END"
    if reading in _PATTERNS:
        return f"CASE WHEN {matches(text, _PATTERNS[reading])} THEN {text} END"
    return text


def number_pattern(reading: str) -> str:
    """Return the regular expression of a number with sign, brackets, currency, percent and exponent."""
    core = rf"(?:{_GROUPED[reading]})(?:[eE][+-]?\d{{1,3}})?"
    signed = rf"[+\x{{2212}}-]?\s?{_MONEY}?\s?[+\x{{2212}}-]?{core}\s?(?:{_MONEY}|%)?-?"
    return rf"{signed}|\(\s?{_MONEY}?\s?{core}\s?(?:{_MONEY}|%)?\s?\)"


def number_text(reading: str, text: str) -> str:
    """Return the SQL of the plain decimal text of a number: sign, digits, point, exponent; percent not yet divided."""
    keep = "[^0-9,eE-]" if reading in _DECIMAL_COMMA else "[^0-9.eE-]"
    source = f"replace({text}, '.', ',')" if reading == "number_space" else text
    digits = f"regexp_replace(replace(regexp_replace({source}, '[A-DF-Za-df-z]+', '', 'g'), '\u2212', '-'), '{keep}', '', 'g')"
    if reading in _DECIMAL_COMMA:
        digits = f"replace({digits}, ',', '.')"
    plain = f"regexp_replace(regexp_replace({digits}, '^-|-$', '', 'g'), '^[eE]+|[eE]+$', '', 'g')"
    return f"CASE WHEN {text} ~ '^\\(.*|^[^0-9]*[\\x{{2212}}-].*|.*-$' THEN '-' ELSE '' END || {plain}"


def _words(words: Collection[str]) -> str:
    return "(" + ", ".join(literal(word) for word in sorted(words)) + ")"


def _formats(formats: Collection[str]) -> str:
    return "[" + ", ".join(literal(text) for text in formats) + "]"


def _joined(part: str) -> str:
    """Date parts joined by single dashes."""
    return f"rtrim(regexp_replace({part}, '[-/. ,년월일年月日]+', '-', 'g'), '-')"


def _named_joined(part: str) -> str:
    spaced = f"regexp_replace({part}, '(\\d)(st|nd|rd|th)', '\\1')"
    return _joined(f"regexp_replace(replace({spaced}, 'Sept', 'Sep'), '(\\d)([A-Za-z])|([A-Za-z])(\\d)', '\\1\\3-\\2\\4', 'g')")


def _date_stamp(order: str, part: str, times: Collection[str], rest: str) -> str:
    """A timestamp of a date part and a time text (SQL) in one of `times`."""
    tail = f" || ' ' || {rest}" if rest else ""
    suffixes = [f" {time}" for time in times] or [""]
    long = [_FORMATS[order] + suffix for suffix in suffixes]
    short = [_FORMATS[order].replace("%Y", "%y") + suffix for suffix in suffixes]
    branches = []
    if order == "ymd":
        compact = [f"%Y%m%d{suffix}" for suffix in suffixes]
        branches.append((matches(part, r"\d{8}"), f"try_strptime({part}{tail}, {_formats(compact)})"))
        branches.append((matches(part, _DATE_PARTS["ymd"]), f"try_strptime({_joined(part)}{tail}, {_formats(long)})"))
    else:
        numeric = matches(part, _DATE_PARTS[order])
        is_long = f"{part} ~ '.*\\d{{4}}\\.?$'"
        branches.append((f"{numeric} AND {is_long}", f"try_strptime({_joined(part)}{tail}, {_formats(long)})"))
        branches.append((numeric, f"try_strptime({_joined(part)}{tail}, {_formats(short)})"))
        named = [text + suffix for text in _NAMED_FORMATS for suffix in suffixes]
        short_named = [text + suffix for text in _SHORT_NAMED_FORMATS for suffix in suffixes]
        is_named = matches(part, _NAMED)
        branches.append((f"{is_named} AND {is_long}", f"try_strptime({_named_joined(part)}{tail}, {_formats(named)})"))
        branches.append((is_named, f"try_strptime({_named_joined(part)}{tail}, {_formats(short_named)})"))
    return "CASE " + " ".join(f"WHEN {test} THEN {then}" for test, then in branches) + " END"


def _date(order: str, text: str) -> str:
    stamp = _date_stamp(order, text, (), "")
    return f"(SELECT CASE WHEN year(d) BETWEEN 1000 AND 9999 THEN d::DATE END FROM (SELECT {stamp} AS d))"


def _date_time(order: str, text: str) -> str:
    twelve = rf"^(.+?)[ T,]+({_TIME}) ?([AaPp])\.?[Mm]\.?$"
    plain = rf"^(.+?)(?:[ T]|, )({_TIME})$"
    stamps = (
        f"WHEN {matches(text, plain)} THEN "
        + _date_stamp(
            order, f"regexp_extract({text}, {literal(plain)}, 1)", _TIME_FORMATS, f"regexp_extract({text}, {literal(plain)}, 2)"
        )
        + f" WHEN {matches(text, twelve)} THEN "
        + _date_stamp(
            order,
            f"regexp_extract({text}, {literal(twelve)}, 1)",
            _TWELVE_HOURS,
            f"regexp_extract({text}, {literal(twelve)}, 2) || ' ' || upper(regexp_extract({text}, {literal(twelve)}, 3)) || 'M'",
        )
    )
    if order != "ymd":
        return f"CASE {stamps} END"
    iso = rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_TIME}\s?{_ZONE}?"
    return f"CASE WHEN {matches(text, iso)} THEN try_cast({text} AS TIMESTAMPTZ)::TIMESTAMP {stamps} END"


def _padded_time(text: str) -> str:
    padded = f"CASE WHEN {text} ~ '^\\d:.*' THEN '0' || {text} ELSE {text} END"
    return f"CASE WHEN {text} ~ '^\\d{{1,2}}:\\d{{2}}$' THEN {padded} || ':00' ELSE {padded} END"
