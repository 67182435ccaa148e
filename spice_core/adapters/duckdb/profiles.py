"""What a text column holds: counts, samples, and how many values fit each reading."""
# ruff: noqa: RUF001, S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs

from spice_core.adapters.duckdb import readings
from spice_core.adapters.duckdb.connections import literal, name, parquet
from spice_core.adapters.duckdb.expressions import matches
from spice_core.adapters.duckdb.recognisers import recognise
from spice_core.domain.readings import NULL_WORDS, NUMBERS, READINGS

SPACES = " \t\r\n\u00a0\u3000\ufeff"
_SAMPLED_CELLS = 600_000
_WHOLE_ROWS = 4000
_SAMPLED_ROWS = 1000
_KEPT_VALUES = 1000
_AT_ONCE = 40
_EXACT_DISTINCT = 10_000
_COUNTED_VALUES = 20_000
_PLAUSIBLE = 0.4

_SIGNS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile("@"),
    "url": re.compile("://"),
    "uuid": re.compile("-"),
    "ip": re.compile(r"[.:]"),
    "phone": re.compile(r"\d[ .(/-]|\d{5}"),
    "time": re.compile(r"\d:\d"),
    "date_dmy": re.compile(r"\d[-/. ]\s?\d"),
    "date_mdy": re.compile(r"\d[-/. ]\s?\d"),
    "date_yymd": re.compile(r"^'?\d\d\s?[-/. 년年]\s?\d"),
    "date_named": re.compile(r"[^\W\d_]{3}.*\d"),
    "date_era": re.compile(r"^(?:[令平昭大明民][和成治正國国]|[RHSTM])[.元\d]"),
    "date_time_ymd": re.compile(r"\d\s?[:：時时시点點T]|^\d{14}$"),
    "date_time_dmy": re.compile(r"\d:\d"),
    "date_time_mdy": re.compile(r"\d:\d"),
    "date_time_named": re.compile(r"[^\W\d_]{3}.*\d:\d|\d:\d.*\d{4}"),
}
"""A cheap sign of each reading; it is not counted where no value has it."""
_MARKS = {
    "leading_zero": r"[+\x{2212}-]?0\d+",
    "long_number": r"[+\x{2212}-]?\d{19,}",
    "phone": r"\+\d[\d -]{7,}",
    "exponent": r".*\d[eE][+-]?\d+.*",
    "percent": r".*%.*",
    "brackets": r"\(.*\)",
    "currency": rf"[^A-Za-z]*{readings.MONEY}[^A-Za-z]*",
    "grouped": r".*\d[.,'\x{2019}\s\x{00A0}\x{202F}\x{2009}]\d{3}(?:\D.*)?",
}


def trimmed(column: str) -> str:
    """Return the SQL of a column's text without the space around it, null where nothing is left."""
    return f"nullif(trim({column}, {literal(SPACES)}), '')"


def profile(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], *, asked: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return the evidence that `domain.inference` needs, per column; the readings `asked` for are counted on every row."""
    found: dict[str, dict[str, Any]] = {}
    for some in _parts(columns):
        found |= _counts(connection, table, some)
    total = max((int(entry["total"]) for entry in found.values()), default=0)
    is_whole = total <= _WHOLE_ROWS and total * len(columns) <= _SAMPLED_CELLS
    samples = _samples(connection, table, columns, total, is_whole=is_whole)
    exact = set(columns) if is_whole else _count_values(connection, table, found, samples)
    sampled = _sample_fits(connection, samples)
    recognised = recognise(dict(zip(columns, samples, strict=True)))
    for index, column in enumerate(columns):
        entry, values = found[column], samples[index]
        frequent = [value for value in entry.pop("frequent") if value is not None and value not in values]
        entry["values"] = [[value, count] for value, count in values.most_common(_KEPT_VALUES - len(frequent))]
        entry["values"] += [[value, 1] for value in frequent]
        entry.update(sampled[index])
        entry["recognised"] = recognised[column]
    rest = {column: values for column, values in zip(columns, samples, strict=True) if column not in exact}
    _count_all(connection, table, found, rest)
    _count_asked(connection, table, found, asked)
    return found


def _parts(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]


def _source(table: Path, columns: Sequence[str]) -> str:
    cells = ", ".join(f"{trimmed(name(column))} AS c{index}" for index, column in enumerate(columns))
    return f"(SELECT {cells} FROM {parquet(table)})"


def _counts(connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    words = ", ".join(literal(word) for word in sorted(NULL_WORDS))
    parts = ["count(*)"]
    for index in range(len(columns)):
        cell = f"c{index}"
        parts += [
            f"count({cell})",
            f"approx_count_distinct({cell})",
            f"min(length({cell}))",
            f"max(length({cell}))",
            f"histogram({cell}) FILTER (length({cell}) <= 12 AND lower({cell}) IN ({words}))",
            f"approx_top_k({cell}, 50)",
        ]
    total, *rest = connection.execute(f"SELECT {', '.join(parts)} FROM {_source(table, columns)}").fetchall()[0]
    found: dict[str, dict[str, Any]] = {}
    for index, column in enumerate(columns):
        given, distinct, shortest, longest, nulls, frequent = rest[index * 6 : index * 6 + 6]
        found[column] = {
            "total": total,
            "empty": total - given,
            "distinct": distinct,
            "min_length": shortest or 0,
            "max_length": longest or 0,
            "null_words": dict(nulls or {}),
            "frequent": list(frequent or ()),
        }
    _count_distinct(connection, table, found)
    return found


def _count_distinct(connection: duckdb.DuckDBPyConnection, table: Path, found: dict[str, dict[str, Any]]) -> None:
    """Make the distinct counts exact where they are small."""
    few = [column for column, entry in found.items() if entry["distinct"] <= _EXACT_DISTINCT * 1.2]
    if few:
        counts = ", ".join(f"count(DISTINCT c{index})" for index in range(len(few)))
        row = connection.execute(f"SELECT {counts} FROM {_source(table, few)}").fetchall()[0]
        for column, count in zip(few, row, strict=True):
            found[column]["distinct"] = count


def _samples(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], total: int, *, is_whole: bool
) -> list[Counter[str]]:
    """Distinct values with counts: of all rows, or of rows spread evenly over the table."""
    rows = total if is_whole else min(_SAMPLED_ROWS, max(50, _SAMPLED_CELLS // max(1, len(columns))))
    step = max(1, total // max(1, rows))
    found: list[Counter[str]] = []
    for some in _parts(columns):
        cells = ", ".join(trimmed(name(column)) for column in some)
        result = connection.execute(f"SELECT {cells} FROM {parquet(table)} WHERE (__row - 1) % {step} = 0").fetchall()
        found += [Counter(value for value in values if value is not None) for values in zip(*result, strict=True)] or [
            Counter() for _ in some
        ]
    return found


def _count_values(
    connection: duckdb.DuckDBPyConnection, table: Path, found: Mapping[str, dict[str, Any]], samples: list[Counter[str]]
) -> set[str]:
    """Where a column has few distinct values, count them all: what holds for these holds for every row."""
    exact: set[str] = set()
    budget = _SAMPLED_CELLS
    for index, (column, entry) in enumerate(found.items()):
        if entry["distinct"] <= min(_COUNTED_VALUES, budget):
            budget -= entry["distinct"]
            query = f"SELECT c0, count(*) FROM {_source(table, [column])} WHERE c0 IS NOT NULL GROUP BY c0"
            samples[index] = Counter(dict(connection.execute(query).fetchall()))
            exact.add(column)
    return exact


def _sample_fits(connection: duckdb.DuckDBPyConnection, samples: Sequence[Counter[str]]) -> list[dict[str, Any]]:
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
        missing = dict(_SIGNS)
        for value in values:
            for reading in [reading for reading, sign in missing.items() if sign.search(value)]:
                del missing[reading]
            if not missing:
                break
        for reading in READINGS:
            if reading not in missing:
                found[reading].append(place)
    return found


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


def _count_all(
    connection: duckdb.DuckDBPyConnection, table: Path, found: Mapping[str, dict[str, Any]], samples: Mapping[str, Counter[str]]
) -> None:
    """Replace the sampled counts by exact ones, for the readings that the sample makes plausible."""
    wanted: dict[str, list[str]] = {}
    for column, values in samples.items():
        nulls = sum(count for value, count in values.items() if value.lower() in NULL_WORDS)
        given = max(1, values.total() - nulls)
        fits = found[column]["fits"]
        if names := [reading for reading in READINGS if fits[reading] >= _PLAUSIBLE * given]:
            wanted[column] = names
        else:
            found[column].update(_evidence([0] * 99))
    for columns in _parts(list(wanted)):
        tests: list[str] = []
        for index, column in enumerate(columns):
            cell = f"c{index}"
            tests += [f"count_if({readings.fits(reading, cell)})" for reading in wanted[column]]
            tests += [f"count_if({matches(cell, pattern)})" for pattern in _MARKS.values()]
            tests += [digits for reading in wanted[column] if reading in NUMBERS for digits in _digits(reading, cell)]
        row = list(connection.execute(f"SELECT {', '.join(tests)} FROM {_source(table, columns)}").fetchall()[0])
        for column in columns:
            names = wanted[column]
            size = len(names) + len(_MARKS) + 2 * sum(reading in NUMBERS for reading in names)
            exact = _evidence(row[:size], names)
            exact["fits"] = {reading: exact["fits"].get(reading, 0) for reading in READINGS}
            found[column].update(exact)
            del row[:size]


def _count_asked(
    connection: duckdb.DuckDBPyConnection, table: Path, found: Mapping[str, dict[str, Any]], asked: Mapping[str, Sequence[str]]
) -> None:
    """Count on every row how many values fit the readings that someone names, plausible or not."""
    for column, names in asked.items():
        if column not in found or not names:
            continue
        tests = [f"count_if({readings.fits(reading, 'c0')})" for reading in names]
        tests += [digits for reading in names if reading in NUMBERS for digits in _digits(reading, "c0")]
        row = connection.execute(f"SELECT {', '.join(tests)} FROM {_source(table, [column])}").fetchall()[0]
        found[column]["fits"].update(zip(names, row, strict=False))
        numbers = [reading for reading in names if reading in NUMBERS]
        for index, reading in enumerate(numbers):
            found[column]["digits"][reading] = list(row[len(names) + index * 2 : len(names) + index * 2 + 2])
