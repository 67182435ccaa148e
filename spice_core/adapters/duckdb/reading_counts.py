"""How many values of text columns fit each reading."""
# ruff: noqa: RUF001, S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs

from spice_core.adapters.duckdb import readings
from spice_core.adapters.duckdb.cells import TEXT, source_of
from spice_core.adapters.duckdb.connections import name, parquet
from spice_core.adapters.duckdb.expressions import matches
from spice_core.adapters.duckdb.plain_columns import implied_readings, scale_of
from spice_core.domain.inference.numbers import is_phone_name
from spice_core.domain.readings import NULL_WORDS, NUMBERS, READINGS

_PLAUSIBLE = 0.4
_PHONES = 0.3
_SIGNS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile("@"),
    "url": re.compile("://"),
    "uuid": re.compile("-"),
    "ip": re.compile(r"[.:]"),
    "phone": re.compile(r"\d[ .(/-]|\d{5}"),
    "time": re.compile(r"\d:\d"),
    "date_dmy": re.compile(r"\d[-/. ]\s?\d"),
    "date_mdy": re.compile(r"\d[-/. ]\s?\d"),
    "date_yymd": re.compile(r"^'?\d\d\s?[-/. 년年]\s?\d", re.MULTILINE),
    "date_named": re.compile(r"^(?>.*?[^\W\d_]{3}).*\d", re.MULTILINE),
    "date_era": re.compile(r"^(?:[令平昭大明民][和成治正國国]|[RHSTM])[.元\d]", re.MULTILINE),
    "date_time_ymd": re.compile(r"\d\s?[:：時时시点點T]|^\d{14}$", re.MULTILINE),
    "date_time_dmy": re.compile(r"\d:\d"),
    "date_time_mdy": re.compile(r"\d:\d"),
    "date_time_named": re.compile(r"^(?>.*?[^\W\d_]{3}).*\d:\d|^(?>.*?\d:\d).*\d{4}", re.MULTILINE),
}
"""A cheap sign of each reading, looked for in lines of values; it is not counted where none has it.

No other thread runs during a search: what it takes must not grow faster than the text.
"""
_SIGN_WITHIN = 200
"""Characters of a value that a sign is looked for in: a value of any such reading is shorter, or has its sign early."""
_MARKS = {
    "leading_zero": r"[+\x{2212}-]?0\d+",
    "long_number": r"[+\x{2212}-]?\d{19,}",
    "phone": r"\+\d[\d -]{7,}",
    "exponent": r".*\d[eE][+-]?\d+.*",
    "percent": r".*%.*",
    "brackets": r"\(.*\)",
    "currency": rf"[^A-Za-z]*{readings.MONEY}[^A-Za-z]*",
    "grouped": r".*\d[.,'\x{2019}\s\x{00A0}\x{202F}\x{2009}]\d{3}(?:\D.*)?",
    "beyond_double": r"\D*(?:0*[1-9]\d{15,}|[0.,]*[1-9](?:[^\deE]?\d){16,}[^\deE]?[1-9])\D*",
}
"""What to know of values beside their notation. `beyond_double`: over 15 digits of a whole number, or over 17 that count, and
no exponent; programs write 17 of a fraction that a double holds."""


_PLAIN_NUMBER = r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,2}|\.\d{4,9})?"
"""What has no mark but length, and is one number in any notation that it fits; three digits behind a point may be thousands."""


def sample_fits(connection: duckdb.DuckDBPyConnection, samples: Sequence[Counter[str]]) -> list[dict[str, Any]]:
    """How the sampled values of all columns fit all readings: one query, whatever the number of columns."""
    rows = [(index, value, count) for index, values in enumerate(samples) for value, count in values.items()]
    arrow = pa.table(
        {
            "column": pa.array([row[0] for row in rows], pa.int32()),
            "v": pa.array([row[1] for row in rows], pa.string()),
            "n": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    connection.register("sampled", arrow)
    tests = [_counted(reading, places) for reading, places in _possible(samples).items()]
    tests += [f"sum(n) FILTER (WHERE {matches('v', pattern)})" for pattern in _MARKS.values()]
    tests += [digits for reading in NUMBERS for digits in _digits(reading, "v")]
    query = f'SELECT "column", {", ".join(tests)} FROM sampled GROUP BY ALL'
    found: list[dict[str, Any]] = [_evidence([0] * len(tests)) for _ in samples]
    for column, *counts in connection.execute(query).fetchall():
        found[column] = _evidence(counts)
    connection.unregister("sampled")
    return found


def _counted(reading: str, places: Sequence[int]) -> str:
    if not places:
        return "0"
    of = ", ".join(map(str, places))
    return f'sum(n) FILTER (WHERE CASE WHEN "column" IN ({of}) THEN {readings.fits(reading, "v")} END)'


def _possible(samples: Sequence[Iterable[str]]) -> dict[str, list[int]]:
    """Per reading the columns in which some value has its sign: the expressions cost more than the look."""
    found: dict[str, list[int]] = {reading: [] for reading in READINGS}
    for place, values in enumerate(samples):
        lines = "\n".join(value[:_SIGN_WITHIN] for value in values)
        for reading in READINGS:
            if reading not in _SIGNS or _SIGNS[reading].search(lines):
                found[reading].append(place)
    return found


def _fits(reading: str) -> str:
    """The SQL that says whether `c0` fits; plain numbers need not be taken apart to be known."""
    full = readings.fits(reading, "c0")
    if reading not in NUMBERS:
        return full
    is_known = "whole IS NOT NULL" if reading != "number_eu" else "whole IS NOT NULL AND NOT contains(c0, '.')"
    return f"CASE WHEN {is_known} THEN true ELSE {full} END"


def _may_have(mark: str) -> str:
    """The SQL that says whether `c0` is to be looked at for a mark: plain numbers have none but length."""
    return "whole IS NULL OR whole > 15 OR length(c0) > 18" if mark == "beyond_double" else "whole IS NULL"


def _quick_digits(reading: str) -> Iterator[str]:
    """Most digits before and behind the point of `c0`."""
    is_plain = "whole IS NOT NULL" if reading != "number_eu" else "whole IS NOT NULL AND NOT contains(c0, '.')"
    behind = "CASE WHEN contains(c0, '.') THEN length(c0) - strpos(c0, '.') END"
    number, fits = readings.number_text(reading, "c0"), readings.fits(reading, "c0")
    for plain, pattern in (("whole", "^-?0*(\\d+)"), (behind, "\\.(\\d+)")):
        slow = f"CASE WHEN {fits} THEN length(regexp_extract({number}, '{pattern}', 1)) END"
        yield f"max(CASE WHEN {is_plain} THEN {plain} ELSE {slow} END)"


def _digits(reading: str, text: str) -> tuple[str, str]:
    """Most digits before and behind the point."""
    number = readings.number_text(reading, text)
    fits = readings.fits(reading, text)
    before = f"max(length(regexp_extract({number}, '^-?0*(\\d+)', 1))) FILTER (WHERE {fits})"
    behind = f"max(length(regexp_extract({number}, '\\.(\\d+)', 1))) FILTER (WHERE {fits})"
    return before, behind


def _evidence(counts: Sequence[int | None], names: Sequence[str] = READINGS) -> dict[str, Any]:
    given = [int(count or 0) for count in counts]
    fits = dict(zip(names, given, strict=False))
    marks = dict(zip(_MARKS, given[len(names) :], strict=False))
    numbers = [reading for reading in names if reading in NUMBERS]
    rest = given[len(names) + len(_MARKS) :]
    digits = {reading: [rest[index * 2], rest[index * 2 + 1]] for index, reading in enumerate(numbers)}
    return {"fits": fits, "marks": marks, "digits": digits}


def count_all(
    connection: duckdb.DuckDBPyConnection,
    table: Path,
    stored: Mapping[str, str],
    found: Mapping[str, dict[str, Any]],
    samples: Mapping[str, Counter[str]],
) -> None:
    """Replace the sampled counts by exact ones, for the readings that the sample makes plausible."""
    for column, values in samples.items():
        entry = found[column]
        wanted = _plausible(column, entry, values)
        implied = implied_readings(stored[column])
        counted = [reading for reading in wanted if reading not in implied]
        entry.update(_evidence([0] * 99))
        if stored[column] == TEXT:
            if wanted:
                entry.update(_counted_texts(connection, table, column, entry, wanted))
            continue
        if counted:
            tests = ", ".join(f"count_if({readings.fits(reading, 'c0')})" for reading in counted)
            row = connection.execute(f"SELECT {tests} FROM {source_of(table, [column], stored)}").fetchall()[0]
            entry["fits"].update(zip(counted, row, strict=True))
        entry["fits"].update(dict.fromkeys(implied, entry["total"] - entry["empty"]))
        numbers = implied & set(NUMBERS)
        if numbers:
            largest = f"SELECT length(trunc(max(abs({name(column)})))::VARCHAR) FROM {parquet(table)}"
            whole = connection.execute(largest).fetchall()[0][0] or 0
            entry["digits"] = {reading: [whole, scale_of(stored[column])] for reading in NUMBERS if reading in numbers}


def _plausible(column: str, entry: Mapping[str, Any], values: Counter[str]) -> list[str]:
    """The readings that many sampled values fit; telephone numbers only where the rules of numbering or the name agree."""
    nulls = sum(count for value, count in values.items() if value.lower() in NULL_WORDS)
    given = max(1, values.total() - nulls)
    found = [reading for reading in READINGS if entry["fits"][reading] >= _PLAUSIBLE * given]
    recognised = entry["recognised"]
    is_phone = is_phone_name(column) or recognised.get("phone", 0) >= _PHONES * recognised["examined"]
    return [reading for reading in found if reading != "phone" or is_phone]


def _counted_texts(
    connection: duckdb.DuckDBPyConnection, table: Path, column: str, entry: Mapping[str, Any], wanted: Sequence[str]
) -> dict[str, Any]:
    """Where texts repeat, each is looked at once."""
    source = source_of(table, [column], {column: TEXT})
    times = "1"
    if entry["distinct"] <= entry["total"] / 2:
        source, times = f"(SELECT c0, count(*) AS n FROM {source} GROUP BY c0)", "n"
    number = f"CASE WHEN {matches('c0', _PLAIN_NUMBER)} THEN strpos(c0 || '.', '.') - (c0 < '0')::INTEGER - 1 END"
    source = f"(SELECT c0, {times} AS n, {number} AS whole FROM {source} WHERE c0 IS NOT NULL)"
    tests = [f"sum(n) FILTER ({_fits(reading)})" for reading in wanted]
    tests += [f"sum(n) FILTER (CASE WHEN {_may_have(mark)} THEN {matches('c0', _MARKS[mark])} END)" for mark in _MARKS]
    tests += [digits for reading in wanted if reading in NUMBERS for digits in _quick_digits(reading)]
    row = connection.execute(f"SELECT {', '.join(tests)} FROM {source}").fetchall()[0]
    exact = _evidence(row, wanted)
    exact["fits"] = {reading: exact["fits"].get(reading, 0) for reading in READINGS}
    return exact


def count_asked(
    connection: duckdb.DuckDBPyConnection,
    table: Path,
    stored: Mapping[str, str],
    found: Mapping[str, dict[str, Any]],
    asked: Mapping[str, Sequence[str]],
) -> None:
    """Count on every row how many values fit the readings that someone names, plausible or not."""
    for column, names in asked.items():
        if column not in found or not names:
            continue
        tests = [f"count_if({readings.fits(reading, 'c0')})" for reading in names]
        tests += [digits for reading in names if reading in NUMBERS for digits in _digits(reading, "c0")]
        row = connection.execute(f"SELECT {', '.join(tests)} FROM {source_of(table, [column], stored)}").fetchall()[0]
        found[column]["fits"].update(zip(names, row, strict=False))
        numbers = [reading for reading in names if reading in NUMBERS]
        for index, reading in enumerate(numbers):
            found[column]["digits"][reading] = list(row[len(names) + index * 2 : len(names) + index * 2 + 2])
