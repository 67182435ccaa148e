"""What a text column holds: counts, samples, and how many values fit each reading."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from spice_core.adapters.duckdb.cells import SPACES, TEXT, source_of, text_of
from spice_core.adapters.duckdb.connections import name, parquet
from spice_core.adapters.duckdb.plain_columns import stored_types
from spice_core.adapters.duckdb.reading_counts import count_all, count_asked, sample_fits
from spice_core.adapters.duckdb.recognisers import recognise
from spice_core.adapters.duckdb.text_lengths import text_lengths
from spice_core.domain.readings import NULL_WORDS

_SAMPLED_CELLS = 600_000
_WHOLE_ROWS = 4000
_SAMPLED_ROWS = 1000
_KEPT_VALUES = 1000
_AT_ONCE = 40
_EXACT_DISTINCT = 10_000
_COUNTED_VALUES = 20_000
_FREQUENT_VALUES = 50
_FREQUENT_ROWS = 200_000


def profile(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], *, asked: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return the evidence that `domain.inference` needs, per column; the readings `asked` for are counted on every row.

    A column of few different values is counted value by value, and what holds for these holds for every row. Of the others a
    sample says which readings to count on every row.
    """
    stored = stored_types(connection, table)
    total = int(connection.execute(f"SELECT count(*) FROM {parquet(table)}").fetchall()[0][0])
    is_whole = total <= _WHOLE_ROWS and total * len(columns) <= _SAMPLED_CELLS
    samples = _samples(connection, table, columns, stored, total, is_whole=is_whole)
    distinct, frequent = ({}, {}) if is_whole else _distinct(connection, table, columns, stored, total)
    whole = samples if is_whole else _count_values(connection, table, stored, distinct)
    found = {column: _facts(total, values) for column, values in whole.items()}
    rest = {column: stored[column] for column in columns if column not in whole}
    found |= _counts(connection, table, rest, total)
    for column in rest:
        found[column]["distinct"] = _distinct_texts(connection, table, column, stored, distinct[column])
    samples |= whole
    sampled = sample_fits(connection, list(samples.values()))
    recognised = recognise(samples)
    for column, fits in zip(samples, sampled, strict=True):
        entry, values = found[column], samples[column]
        more = [value for value in frequent.get(column, ()) if value not in values]
        entry["values"] = [[value, count] for value, count in values.most_common(_KEPT_VALUES - len(more))]
        entry["values"] += [[value, 1] for value in more]
        entry.update(fits)
        entry["recognised"] = recognised[column]
    count_all(connection, table, stored, found, {column: samples[column] for column in rest})
    count_asked(connection, table, stored, found, asked)
    return {column: found[column] for column in columns}


def _samples(
    connection: duckdb.DuckDBPyConnection,
    table: Path,
    columns: Sequence[str],
    stored: Mapping[str, str],
    total: int,
    *,
    is_whole: bool,
) -> dict[str, Counter[str]]:
    """Distinct values with counts: of all rows, or of rows spread evenly over the table."""
    rows = total if is_whole else min(_SAMPLED_ROWS, max(50, _SAMPLED_CELLS // max(1, len(columns))))
    step = max(1, total // max(1, rows))
    found: dict[str, Counter[str]] = {column: Counter() for column in columns}
    for some in _parts(columns):
        cells = ", ".join(text_of(column, stored[column]) for column in some)
        result = connection.execute(f"SELECT {cells} FROM {parquet(table)} WHERE (__row - 1) % {step} = 0").fetchall()
        for column, values in zip(some, zip(*result, strict=True), strict=False):
            found[column] = Counter(value for value in values if value is not None)
    return found


def _distinct(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], stored: Mapping[str, str], total: int
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """About how many distinct values each column has, and the texts that are frequent among rows spread evenly."""
    distinct: dict[str, int] = {}
    frequent: dict[str, list[str]] = {}
    step = max(1, total // _FREQUENT_ROWS)
    for some in _parts(columns):
        counts = [f"approx_count_distinct({name(column)})" for column in some]
        texts = [column for column in some if stored[column] == TEXT]
        counts += [f"approx_top_k({name(column)}, {_FREQUENT_VALUES}) FILTER (__row % {step} = 0)" for column in texts]
        row = connection.execute(f"SELECT {', '.join(counts)} FROM {parquet(table)}").fetchall()[0]
        distinct |= zip(some, map(int, row), strict=False)
        for column, values in zip(texts, row[len(some) :], strict=True):
            frequent[column] = list(dict.fromkeys(filter(None, (value.strip(SPACES) for value in values or () if value))))
    return distinct, frequent


def _count_values(
    connection: duckdb.DuckDBPyConnection, table: Path, stored: Mapping[str, str], distinct: Mapping[str, int]
) -> dict[str, Counter[str]]:
    """All values, with counts, of the columns that have few distinct ones."""
    found: dict[str, Counter[str]] = {}
    budget = _SAMPLED_CELLS
    for column, count in distinct.items():
        if count <= min(_COUNTED_VALUES, budget):
            budget -= count
            groups = f"SELECT {name(column)}, count(*) AS __rows FROM {parquet(table)} GROUP BY ALL"
            texts = (
                f"SELECT {text_of(column, stored[column])} AS __text, sum(__rows)::BIGINT AS __n FROM ({groups}) GROUP BY __text"
            )
            rows = connection.execute(f"SELECT * FROM ({texts}) WHERE __text IS NOT NULL ORDER BY __n DESC, __text").fetchall()
            found[column] = Counter(dict(rows))
    return found


def _facts(total: int, values: Counter[str]) -> dict[str, Any]:
    lengths = [len(value) for value in values]
    return {
        "total": total,
        "empty": total - values.total(),
        "distinct": len(values),
        "min_length": min(lengths, default=0),
        "max_length": max(lengths, default=0),
        "null_words": {value: count for value, count in values.items() if value.lower() in NULL_WORDS},
    }


def _counts(
    connection: duckdb.DuckDBPyConnection, table: Path, stored: Mapping[str, str], total: int
) -> dict[str, dict[str, Any]]:
    """The counts of columns of many distinct values."""
    found: dict[str, dict[str, Any]] = {}
    for column, lengths in text_lengths(table, [column for column, kind in stored.items() if kind == TEXT]).items():
        found[column] = {
            "total": total,
            "empty": total - lengths.given,
            "min_length": lengths.shortest,
            "max_length": lengths.longest,
            "null_words": lengths.null_words,
        }
    for some in _parts([column for column, kind in stored.items() if kind != TEXT]):
        counts = ", ".join(_of_values(name(column), stored[column]) for column in some)
        row = connection.execute(f"SELECT {counts} FROM {parquet(table)}").fetchall()[0]
        for index, column in enumerate(some):
            given, least, most = row[index * 3 : index * 3 + 3]
            found[column] = {
                "total": total,
                "empty": total - given,
                "min_length": least or 0,
                "max_length": most or 0,
                "null_words": {},
            }
    return found


def _distinct_texts(
    connection: duckdb.DuckDBPyConnection, table: Path, column: str, stored: Mapping[str, str], about: int
) -> int:
    """How many distinct texts a column has, approximate where those as written are more than `_EXACT_DISTINCT`."""
    if about > _EXACT_DISTINCT * 1.2:
        return about
    texts = source_of(table, [column], stored)
    return int(connection.execute(f"SELECT count(DISTINCT c0) FROM {texts}").fetchall()[0][0])


def _of_values(cell: str, stored: str) -> str:
    """The count, and the least and the most letters; numbers of one scale have these at the ends of their range, and at zero."""
    if stored != "BIGINT" and not stored.startswith("DECIMAL"):
        return f"count({cell}), min(length({cell}::VARCHAR)), max(length({cell}::VARCHAR))"
    least = f"length((min({cell}) FILTER ({cell} >= 0))::VARCHAR), length((max({cell}) FILTER ({cell} < 0))::VARCHAR)"
    most = f"length(min({cell})::VARCHAR), length(max({cell})::VARCHAR)"
    return f"count({cell}), least({least}), greatest({most})"


def _parts(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]
