"""Columns of dates and times: which way of writing, and which order of day, month and year."""

import re
from collections.abc import Mapping, Sequence

from spice_core.domain.inference.column_types import (
    HINTED_SHARE,
    SHARE,
    ColumnType,
    Evidence,
    is_enough,
    sureness,
    values_of,
)
from spice_core.domain.readings import DATE_TIMES, DATES

_NAME = re.compile(
    r"date|day\b|_dt\b|^dt|ymd|birth|dob|datum|fecha|(?:^|_)data(?:$|_)|일자|날짜|생년월일|년월일|日付|日期|年月日|時刻|일시|time|_at$",
    re.IGNORECASE,
)
_SERIAL_NAME = re.compile(r"date|datum|fecha|(?:^|_)dob(?:$|_)|birth|일자|날짜|日付|日期", re.IGNORECASE)
_NUMERIC = re.compile(r"\d{1,2}\s?[-/. ]\s?\d{1,2}\s?[-/. ]\s?'?\d{2,4}(?!\d)")
_SHORT = re.compile(r"'?(\d{2})[-/. ]\s?(\d{1,2})[-/. ]\s?(\d{2})(?!\d)")
_FIRST_SERIAL, _LAST_SERIAL = 18264, 73050
_ORDER_WORDS = {
    "ymd": "year first",
    "dmy": "day first",
    "mdy": "month first",
    "yymd": "a year of two digits first",
    "named": "months by name",
    "era": "years of an era",
}


def compact_date_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the date of a column of YYYYMMDD (or the time of YYYYMMDDHHMMSS): these are numbers too, so all must fit."""
    fits = facts["fits"]
    if not is_enough(fits["number_us"], given):
        return None
    values = list(values_of(facts))
    has_name = bool(_NAME.search(column))
    for reading, length, kind in (("date_ymd", 8, "date"), ("date_time_ymd", 14, "dateTime")):
        near = all(len(value) == length and "1900" <= value[:4] <= "2100" for value in values)
        if fits[reading] == given and near and (len(values) >= 3 or has_name):
            form = "YYYYMMDD" + ("HHMMSS" if length == 14 else "")
            return ColumnType(column, kind, sureness(given, given), f"all {given} values are written {form}", reading)
    if _SERIAL_NAME.search(column) and facts["fits"]["number_us"] == given and _are_serials(values):
        reason = f"all {given} values may be days as spreadsheets count them, and the name says date"
        return ColumnType(column, "date", 0.75, reason, "date_serial", is_ambiguous=True, alternatives=("number_us",))
    return None


def date_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the date that a column is, None where it is none."""
    return _calendar(column, facts, given, kind="date", names=DATES)


def date_time_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the moment that a column is, None where it is none."""
    return _calendar(column, facts, given, kind="dateTime", names=DATE_TIMES)


def _calendar(column: str, facts: Evidence, given: int, *, kind: str, names: Sequence[str]) -> ColumnType | None:
    counts = _counts(facts["fits"], kind, names)
    year_first, day_first, month_first = names
    dots = any("." in value[:6] for value in list(values_of(facts))[:20])
    order = [year_first, day_first, month_first] if dots else [year_first, month_first, day_first]
    share = HINTED_SHARE if _NAME.search(column) else SHARE
    rest = [name for name in counts if name not in order]
    reading = max([*order, *rest], key=lambda name: (counts[name], -[*order, *rest].index(name)))
    if kind == "date" and _is_year_first(facts, counts, given):
        reading = "date_yymd"
        counts["date_yymd"] = facts["fits"]["date_yymd"]
    if not is_enough(counts[reading], given, share):
        return None
    is_open = reading.rpartition("_")[2] in {"dmy", "mdy"} and facts["fits"][day_first] == facts["fits"][month_first]
    is_ambiguous = is_open and any(_NUMERIC.match(value) for value in values_of(facts))
    others = tuple(name for name in (day_first, month_first) if name.rpartition("_")[2] != reading.rpartition("_")[2])
    return ColumnType(
        column,
        kind,
        round(max(0.0, sureness(counts[reading], given) - (0.05 if is_ambiguous else 0.0)), 4),
        _reason(reading, kind, counts[reading], given, is_ambiguous=is_ambiguous, has_short=_has_short_years(facts)),
        reading,
        rejected=given - counts[reading],
        is_ambiguous=is_ambiguous,
        alternatives=others if is_ambiguous else (),
    )


def _counts(fits: Mapping[str, int], kind: str, names: Sequence[str]) -> dict[str, int]:
    """How many values fit each reading. No value fits two of year first, month by name, and year last: their counts add up."""
    year_first, day_first, month_first = names
    counts = {name: fits[name] for name in names}
    prefix = "date_" if kind == "date" else "date_time_"
    named = counts[f"{prefix}named"] = fits[f"{prefix}named"]
    if kind == "date":
        counts["date_era"] = fits["date_era"]
        counts["date_yymd"] = fits["date_yymd"] if fits["date_yymd"] > max(fits[day_first], fits[month_first]) else 0
        for mixed, name in (("date_mixed_dmy", day_first), ("date_mixed_mdy", month_first)):
            parts = (fits[year_first], fits[name], named)
            counts[mixed] = sum(parts) if sum(map(bool, parts)) > 1 else 0
        return counts
    mixtures = ("date_time_mixed_ymd", "date_time_mixed_dmy", "date_time_mixed_mdy")
    for mixed, name, date in zip(mixtures, names, DATES, strict=True):
        others = 0 if name == year_first else fits[name] + fits[date]
        timed = fits[year_first] + named + (0 if name == year_first else fits[name])
        counts[mixed] = fits[year_first] + named + fits["date_ymd"] + fits["date_named"] + others if timed else 0
    return counts


def _is_year_first(facts: Evidence, counts: Mapping[str, int], given: int) -> bool:
    """Whether two-digit years stand first: the first parts vary less than the last, which are all days of a month."""
    fits = facts["fits"]
    if fits["date_yymd"] < given * SHARE or max(counts.values()) > fits["date_yymd"]:
        return False
    parts = [found.groups() for value in values_of(facts) if (found := _SHORT.match(value))]
    firsts, lasts = {first for first, _, _ in parts}, {last for _, _, last in parts}
    return len(parts) >= 5 and all("01" <= last <= "31" for last in lasts) and len(firsts) * 2 < len(lasts)


def _has_short_years(facts: Evidence) -> bool:
    return any(
        re.search(r"(?:^|\D)\d{1,2}[-/. ]+(?:\d{1,2}|\w{3,9})[-/. ]+'?\d{2}$", value) for value in list(values_of(facts))[:20]
    )


def _reason(reading: str, kind: str, fits: int, given: int, *, is_ambiguous: bool, has_short: bool) -> str:
    what = "dates" if kind == "date" else "dates with a time"
    order = _ORDER_WORDS[reading.rpartition("_")[2]]
    reason = f"{fits} of {given} values are {what}, {order}"
    if "_mixed_" in reading:
        reason += ", some written otherwise" if not reading.endswith("_ymd") else ", some without a time"
    if has_short:
        reason += "; two-digit years 69 to 99 are 1969 to 1999, the others 2000 to 2068"
    if is_ambiguous:
        reason += "; no value settles whether the day or the month comes first"
    return reason


def _are_serials(values: Sequence[str]) -> bool:
    return bool(values) and all(
        len(value) == 5 and value.isascii() and value.isdigit() and _FIRST_SERIAL <= int(value) <= _LAST_SERIAL
        for value in values
    )
