"""What a text column holds: counts, samples, and how many values fit each reading."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from spice_core.adapters.duckdb.cells import SPACES, TEXT, may_need_trim, source_of, text_of, trimmed
from spice_core.adapters.duckdb.connections import literal, name, parquet
from spice_core.adapters.duckdb.plain_columns import stored_types
from spice_core.adapters.duckdb.reading_counts import count_all, count_asked, sample_fits
from spice_core.adapters.duckdb.recognisers import recognise
from spice_core.domain.readings import NULL_WORDS

_SAMPLED_CELLS = 600_000
_WHOLE_ROWS = 4000
_SAMPLED_ROWS = 1000
_KEPT_VALUES = 1000
_AT_ONCE = 40
_EXACT_DISTINCT = 10_000
_COUNTED_VALUES = 20_000
_FREQUENT_VALUES = 50
_LONGEST_NULL_WORD = 12


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
    whole = samples if is_whole else _count_values(connection, table, columns, stored)
    rest = [column for column in columns if column not in whole]
    found = {column: _facts(total, values) for column, values in whole.items()}
    for column in rest:
        found[column] = _counts(connection, table, column, stored[column], total)
    samples |= whole
    sampled = sample_fits(connection, list(samples.values()))
    recognised = recognise(samples)
    for column, fits in zip(samples, sampled, strict=True):
        entry, values = found[column], samples[column]
        frequent = [value for value in entry.pop("frequent", ()) if value not in values]
        entry["values"] = [[value, count] for value, count in values.most_common(_KEPT_VALUES - len(frequent))]
        entry["values"] += [[value, 1] for value in frequent]
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


def _count_values(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], stored: Mapping[str, str]
) -> dict[str, Counter[str]]:
    """All values, with counts, of the columns that have few distinct ones."""
    distinct: list[int] = []
    for some in _parts(columns):
        counts = ", ".join(f"approx_count_distinct({name(column)})" for column in some)
        distinct += map(int, connection.execute(f"SELECT {counts} FROM {parquet(table)}").fetchall()[0])
    found: dict[str, Counter[str]] = {}
    budget = _SAMPLED_CELLS
    for column, count in zip(columns, distinct, strict=True):
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


def _counts(connection: duckdb.DuckDBPyConnection, table: Path, column: str, stored: str, total: int) -> dict[str, Any]:
    """The counts of a column of many distinct values, approximate where its texts as written are more than `_EXACT_DISTINCT`."""
    cell = name(column)
    query = f"SELECT approx_count_distinct({cell}), {_of_texts(cell) if stored == TEXT else _of_values(cell, stored)} FROM "
    length = f"CASE WHEN {may_need_trim(cell)} THEN length({trimmed(cell)}) ELSE length({cell}) END" if stored == TEXT else "0"
    row = connection.execute(f"{query} (SELECT {cell}, {length} AS __length FROM {parquet(table)})").fetchall()[0]
    distinct, given, shortest, longest, null_words, frequent = row
    if distinct <= _EXACT_DISTINCT * 1.2:
        texts = source_of(table, [column], {column: stored})
        distinct = connection.execute(f"SELECT count(DISTINCT c0) FROM {texts}").fetchall()[0][0]
    return {
        "total": total,
        "empty": total - given,
        "distinct": distinct,
        "min_length": shortest or 0,
        "max_length": longest or 0,
        "null_words": dict(null_words or {}),
        "frequent": list(dict.fromkeys(filter(None, (value.strip(SPACES) for value in frequent or () if value)))),
    }


def _of_texts(cell: str) -> str:
    words = ", ".join(literal(word) for word in sorted(NULL_WORDS))
    text = trimmed(cell)
    word = f"CASE WHEN __length <= {_LONGEST_NULL_WORD} THEN CASE WHEN lower({text}) IN ({words}) THEN {text} END END"
    return f"count(__length), min(__length), max(__length), histogram({word}), approx_top_k({cell}, {_FREQUENT_VALUES})"


def _of_values(cell: str, stored: str) -> str:
    """No value is a word; numbers of one scale have their shortest and longest texts at the ends of their range, and at zero."""
    if stored != "BIGINT" and not stored.startswith("DECIMAL"):
        return f"count({cell}), min(length({cell}::VARCHAR)), max(length({cell}::VARCHAR)), NULL, NULL"
    least = f"length((min({cell}) FILTER ({cell} >= 0))::VARCHAR), length((max({cell}) FILTER ({cell} < 0))::VARCHAR)"
    most = f"length(min({cell})::VARCHAR), length(max({cell})::VARCHAR)"
    return f"count({cell}), least({least}), greatest({most}), NULL, NULL"


def _parts(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]
