"""Which lists of columns identify the rows of a table."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import duckdb

from spice_core.adapters.duckdb.connections import ROW, name, names, parquet

_FIRST_ROWS = 65_536
_MANY_ROWS = 500_000
_WITNESSES = 8


def unique_keys(
    connection: duckdb.DuckDBPyConnection, table: Path, candidates: Sequence[Sequence[str]], most: int
) -> list[Sequence[str]]:
    """Return the first `most` of `candidates` that have no nulls and no duplicates; first rows tell of most that have."""
    if not candidates:
        return []
    total = int(connection.execute(f"SELECT count(*) FROM {parquet(table)}").fetchall()[0][0])
    left: Sequence[Sequence[str]] = candidates
    if total > _FIRST_ROWS:
        tried = names(list(dict.fromkeys(column for columns in candidates for column in columns)))
        connection.execute(f"CREATE TEMP TABLE first_rows AS SELECT {tried} FROM {parquet(table)} WHERE {ROW} <= {_FIRST_ROWS}")
        left = [columns for columns in left if _differ(connection, f"SELECT {names(columns)} FROM first_rows", columns)]
        connection.execute("DROP TABLE first_rows")
    if total > _MANY_ROWS:
        some = f"{parquet(table)} WHERE {ROW} <= {_MANY_ROWS}"
        left = [columns for columns in left if _differ(connection, f"SELECT {names(columns)} FROM {some}", columns)]
    return list(islice(_unique(connection, table, left, total), most))


def _unique(
    connection: duckdb.DuckDBPyConnection, table: Path, candidates: Sequence[Sequence[str]], total: int
) -> Iterator[Sequence[str]]:
    for columns in candidates:
        if total <= _MANY_ROWS:
            is_unique = _are_unique(connection, table, columns)
        else:
            is_unique = _is_whole(connection, table, columns) and _have_no_twins(connection, table, columns)
        if is_unique:
            yield columns


def _have_no_twins(connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str]) -> bool:
    """Whether no row repeats, by 64-bit hashes: different ones are of different rows; of equal ones some rows are compared."""
    hashed = f"hash({names(columns)})"
    twins = f"SELECT {hashed} AS h FROM {parquet(table)} GROUP BY h HAVING count(*) > 1 LIMIT {_WITNESSES}"
    shared = [str(row[0]) for row in connection.execute(twins).fetchall()]
    if not shared:
        return True
    among = f"SELECT {names(columns)} FROM {parquet(table)} WHERE {hashed} IN ({', '.join(shared)})"
    return _differ(connection, among, columns) and _are_unique(connection, table, columns)


def _is_whole(connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str]) -> bool:
    missing = connection.execute(f"SELECT count(*) FROM {parquet(table)} WHERE {_are_missing(columns)}").fetchall()[0][0]
    return not missing


def _are_unique(connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str]) -> bool:
    return _differ(connection, f"SELECT {names(columns)} FROM {parquet(table)}", columns)


def _differ(connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str]) -> bool:
    """Whether no row of a query has a null or repeats another."""
    counted = f"SELECT count(*) AS __rows, {_are_missing(columns)} AS __is_null FROM ({rows}) GROUP BY {names(columns)}"
    query = f"SELECT coalesce(sum(__rows), 0), count(*), count_if(__is_null) FROM ({counted})"
    total, distinct, missing = connection.execute(query).fetchall()[0]
    return not missing and total == distinct


def _are_missing(columns: Sequence[str]) -> str:
    return " OR ".join(f"{name(column)} IS NULL" for column in columns)
