"""Dates and times as SQL: each way of writing is rewritten as `@year-month-day clock`, then cast.

A text is named once in each expression, for what is put in may be long itself. A rule that does not match leaves the text as it
is; what has no `@` in the end fits none. Unicode classes and counted repeats would make the patterns slow.
"""
# ruff: noqa: RUF001 - words of many scripts are what it reads

from collections.abc import Iterator
from functools import cache
from itertools import product

from babel import Locale

from spice_core.adapters.duckdb.connections import literal
from spice_core.adapters.duckdb.expressions import matches

Rule = tuple[str, str]

_LANGUAGES = [
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "sv",
    "da",
    "nb",
    "fi",
    "pl",
    "cs",
    "ro",
    "hu",
    "tr",
    "id",
    "ca",
    "ru",
    "uk",
    "el",
]
_WORD = r"[^-0-9\s/.,:;'’()@|=]+"
_WEEKDAY_SIGNS = r"(?:\s?[(（]?(?:[월화수목금토일月火水木金土日]|[A-Z][a-z]{2}|(?:星期|周)[一二三四五六日])[)）]?)?"
_WEEKDAY = rf"(?:{_WORD}\.?,?\s+)?"
_LINK = r"(?:de |del |di |d’|d'|of |den )?"
_ORDINAL = r"(?:st|nd|rd|th|er|º|ª|\.)?"
_MARKS = r"\s?[-/. 년年월月]\s?"
_YEAR = "YEAR"
_YMD = rf"([1-9]\d{{3}}){_MARKS}(\d{{1,2}}){_MARKS}(\d{{1,2}})\s?[일日号號.]?{_WEEKDAY_SIGNS}"
_YYMD = rf"{_YEAR}{_MARKS}(\d{{1,2}}){_MARKS}(\d{{1,2}})\s?[일日.]?{_WEEKDAY_SIGNS}"
_NUMERIC = rf"(\d{{1,2}})[-/. ]\s?(\d{{1,2}})[-/. ]\s?{_YEAR}\.?"
_DAY_NAME = rf"{_WEEKDAY}(\d{{1,2}}){_ORDINAL}[-/ ,]*{_LINK}({_WORD})\.?,?[-/ ]*{_LINK}{_YEAR}\.?"
_NAME_DAY = rf"{_WEEKDAY}({_WORD})\.?[- ](\d{{1,2}}){_ORDINAL},?[- ]\s?([1-9]\d{{3}})"
_YEAR_NAME = rf"([1-9]\d{{3}})\.?[-/ ]+({_WORD})\.?[-/ ]+(\d{{1,2}})\.?"
_CTIME = rf"{_WORD} ({_WORD}) +(\d{{1,2}}) (\d{{1,2}}:\d{{2}}:\d{{2}})(?: [a-z]+)? (\d{{4}})"
_ERA = r"(令和|平成|昭和|大正|明治|民國|民国|[RHSTM]\.?)\s?(元|\d{1,3})\s?[年./-]\s?(\d{1,2})\s?[月./-]\s?(\d{1,2})日?"
_ERA_STARTS = {"令R": 2018, "平H": 1988, "昭S": 1925, "大T民": 1911, "明M": 1867}
_ISO = r"\d{4}-\d{2}-\d{2}"
_BETWEEN = r"(?:[T_:]|,\s?|\s+)"
_CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6}0{0,3})?)?)"
_HALF = r"\s?([AaPp])\.?(?:[Mm]\.?)?"
_UTC = r"(?: ?(?:[Uu][Tt][Cc]|[Gg][Mm][Tt]|[Zz]))?"
_ZONE = r"\s?([+-]\d{2}):?(\d{2})"
_HOUR = r"\s?(?:([AP])[Mm]?)?\s?(\d{1,2})\s?"
_COMPACT = r"(\d{4})(\d{2})(\d{2})T?(\d{2})(\d{2})"
_WIDE_DIGITS = "'０１２３４５６７８９', '0123456789'"


def date_value(order: str, text: str) -> str:
    """Return the SQL of the date that `text` (SQL) is, read as `domain.readings` says of `date_{order}`; else null."""
    if order == "serial":
        return f"CASE WHEN {matches(text, '[1-9][0-9]{4}')} THEN DATE '1899-12-30' + try_cast({text} AS INTEGER) END"
    if order.startswith("mixed_"):
        orders = ("ymd", order.removeprefix("mixed_"), "named")
        return f"coalesce({', '.join(date_value(name, text) for name in orders)})"
    if order == "era":
        return _era(text)
    if order == "ymd":
        compact = (r"(\d{4})(\d{2})(\d{2})", r"@\1-\2-\3")
        written = _day(_rewritten(f"translate({text}, {_WIDE_DIGITS})", (_YMD, r"@\1-\2-\3"), compact))
        return f"CASE WHEN {matches(text, _ISO)} THEN try_cast({text} AS DATE) ELSE {written} END"
    if order == "named":
        rules = (*_years(_DAY_NAME, r"@\3-\2-\1", 3), (_NAME_DAY, r"@\3-\1-\2"), (_YEAR_NAME, r"@\1-\2-\3"))
        return _day(_with_month_number(_rewritten(f"lower({text})", *rules)))
    return _day(_rewritten(text, *(_years(_YYMD, r"@\1-\2-\3", 1) if order == "yymd" else _numeric(order))))


def date_time_value(order: str, text: str) -> str:
    """Return the SQL of the timestamp (UTC) that `text` (SQL) is, read as `date_time_{order}`; else null."""
    if order.startswith("mixed_"):
        orders = dict.fromkeys(("ymd", order.removeprefix("mixed_"), "named"))
        times = [date_time_value(name, text) for name in orders]
        return f"coalesce({', '.join([*times, *(f'{date_value(name, text)}::TIMESTAMP' for name in orders)])})"
    if order == "named":
        days = (*_years(_DAY_NAME, r"@\3-\2-\1", 3), (_NAME_DAY, r"@\3-\1-\2"), (_YEAR_NAME, r"@\1-\2-\3"))
        written = _rewritten(f"lower({text})", *(rule for day in days for rule in _timed(day)), (_CTIME, r"@\4-\1-\2 \3"))
        return _moment(f"upper({_with_month_number(written)})")
    if order != "ymd":
        return _moment(f"upper({_rewritten(text, *(rule for day in _numeric(order) for rule in _timed(day)))})")
    iso = rf"{_ISO}[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,6}}0{{0,3}})?)?\s?(?:Z|z|[+-]\d{{2}}(?::?\d{{2}})?)?"
    plain = f"replace(translate({text}, {_WIDE_DIGITS}), ',', '.')"
    halves = f"regexp_replace(regexp_replace({plain}, '오전|午前|上午', 'A'), '오후|午後|下午', 'P')"
    written = _rewritten(
        halves,
        *_timed((_YMD, r"@\1-\2-\3")),
        (rf"{_YMD}{_HOUR}[:：時时시点點]\s?(\d{{2}})\s?[:：分분]\s?(\d{{1,2}})\s?[秒초]?", r"@\1-\2-\3 \5:\6:\7 \4M"),
        (rf"{_YMD}{_HOUR}[:：時时시点點]\s?(\d{{1,2}})\s?[分분]?", r"@\1-\2-\3 \5:\6 \4M"),
        (rf"{_YMD}{_HOUR}[時时시点點]", r"@\1-\2-\3 \5:00 \4M"),
        (rf"{_COMPACT}(\d{{2}})Z?", r"@\1-\2-\3 \4:\5:\6"),
        (rf"{_COMPACT}Z?", r"@\1-\2-\3 \4:\5"),
    )
    return (
        f"CASE WHEN {matches(text, iso)} THEN try_cast({text} AS TIMESTAMPTZ)::TIMESTAMP ELSE {_moment(f'upper({written})')} END"
    )


def time_value(text: str) -> str:
    """Return the SQL of the time of day `HH:MM:SS[.f]` that `text` (SQL) is, else null."""
    plain = matches(text, r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?")
    padded = f"CASE WHEN {text} ~ '^\\d:.*' THEN '0' || {text} ELSE {text} END"
    whole = f"CASE WHEN {text} ~ '^\\d{{1,2}}:\\d{{2}}$' THEN {padded} || ':00' ELSE {padded} END"
    half = _rewritten(text, (rf"(\d{{1,2}}:[0-5]\d(?::[0-5]\d)?){_HALF}", r"@\1 \2M"))
    return f"CASE WHEN {plain} THEN {whole} ELSE strftime(try_strptime({half}, ['@%I:%M:%S %p', '@%I:%M %p']), '%H:%M:%S') END"


def _numeric(order: str) -> Iterator[Rule]:
    return _years(_NUMERIC, r"@\3-\2-\1" if order == "dmy" else r"@\3-\1-\2", 3)


def _years(pattern: str, by: str, group: int) -> Iterator[Rule]:
    """The rule for years of four digits, and those for two: 69 to 99 are of the century before."""
    if group != 1:
        yield pattern.replace(_YEAR, r"([1-9]\d{3})"), by
    yield pattern.replace(_YEAR, r"'?([0-5]\d|6[0-8])"), by.replace(f"\\{group}", f"20\\{group}")
    yield pattern.replace(_YEAR, r"'?(69|[7-9]\d)"), by.replace(f"\\{group}", f"19\\{group}")


def _timed(day: Rule) -> Iterator[Rule]:
    """The rules for a date with a clock behind it, in 24 or 12 hours, with an offset or without one."""
    pattern, by = day
    yield rf"{pattern}{_BETWEEN}{_CLOCK}{_UTC}", rf"{by} \4"
    yield rf"{pattern}{_BETWEEN}{_CLOCK}{_ZONE}", rf"{by} \4\5:\6"
    yield rf"{pattern}{_BETWEEN}{_CLOCK}{_HALF}", rf"{by} \4 \5M"


def _rewritten(text: str, *rules: Rule) -> str:
    for pattern, by in rules:
        text = f"regexp_replace({text}, {literal(f'^{pattern}$')}, {literal(by)})"
    return f"nullif(regexp_extract({text}, '^@.*'), '')"


def _day(text: str) -> str:
    return f"try_cast(substr({text}, 2) AS DATE)"


def _moment(text: str) -> str:
    halves = "['@%Y-%m-%d %I:%M:%S %p', '@%Y-%m-%d %I:%M %p', '@%Y-%m-%d %I:%M:%S.%f %p']"
    parsed = f"CASE WHEN regexp_matches(t, '[AP]M$') THEN try_strptime(t, {halves})"
    return (
        f"list_transform([{text}], lambda t: {parsed} ELSE try_cast(rtrim(substr(t, 2), ' M') AS TIMESTAMPTZ)::TIMESTAMP END)[1]"
    )


def _era(text: str) -> str:
    era, year, month, day = (f"regexp_extract(t, {literal('^' + _ERA + '$')}, {group})" for group in (1, 2, 3, 4))
    starts = " ".join(f"WHEN {literal(sign)} THEN {start}" for signs, start in _ERA_STARTS.items() for sign in signs)
    number = f"CASE WHEN {year} = '元' THEN 1 ELSE try_cast({year} AS INTEGER) END"
    written = f"'@' || ((CASE left({era}, 1) {starts} END) + {number})::VARCHAR || '-' || {month} || '-' || {day}"
    return f"list_transform([translate({text}, {_WIDE_DIGITS})], lambda t: {_day(written)})[1]"


def _with_month_number(text: str) -> str:
    """`@2024-january-31` as `@2024-01-31`, null where the word is no month."""
    place = f"strpos({literal(_month_names())}, '|' || regexp_extract(t, '-([^-0-9]+)-', 1) || '=')"
    number = f"regexp_extract(substr({literal(_month_names())}, {place}, 20), '=([0-9]{{2}})', 1)"
    by_number = f"CASE WHEN {place} > 0 THEN regexp_replace(t, '-[^-0-9]+-', '-' || {number} || '-') END"
    return f"list_transform([{text}], lambda t: {by_number})[1]"


@cache
def _month_names() -> str:
    """`|january=01|jan=01…` in the languages of `_LANGUAGES`; no name means two months among these."""
    found: dict[str, int] = {"sept": 9}
    for language in _LANGUAGES:
        months = Locale(language).months
        for context, width in product(("format", "stand-alone"), ("wide", "abbreviated")):
            for number, name in months[context][width].items():
                found.setdefault(name.lower().rstrip("."), int(number))
    return "".join(f"|{name}={number:02}" for name, number in found.items() if name.isalpha())
