"""Keys, references and differences of typed tables."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from spice_core.adapters.duckdb.cells import TEXT
from spice_core.adapters.duckdb.connections import literal, name, names, parquet
from spice_core.adapters.duckdb.plain_columns import scale_of, stored_types
from spice_core.adapters.duckdb.unique_keys import unique_keys
from spice_core.adapters.duckdb.values import batches
from spice_core.domain.shards import HASH_DIGITS, KEY_SEPARATOR, Shards
from spice_core.ports.table_engine import RowChange

_MAX_PARAMETERS = 1000


def key_problems(
    connection: duckdb.DuckDBPyConnection, table: Path, key: Sequence[str], *, limit: int, shards: Shards
) -> tuple[int, int, list[int]]:
    """Count rows with a null in `key` and rows that repeat an earlier key; name some, in file order."""
    keys = names(key)
    nulls = " OR ".join(f"{name(column)} IS NULL" for column in key)
    query = (
        f"SELECT __row, {nulls} AS is_null FROM {parquet(table)} WHERE {_is_in(key, shards)} "
        f"QUALIFY is_null OR row_number() OVER (PARTITION BY {keys} ORDER BY __row) > 1"
    )
    missing, repeated = connection.execute(f"SELECT count_if(is_null), count_if(NOT is_null) FROM ({query})").fetchall()[0]
    rows = connection.execute(f"SELECT __row FROM ({query}) ORDER BY __row LIMIT {int(limit)}").fetchall()
    return int(missing or 0), int(repeated or 0), [int(row[0]) for row in rows]


def overlap(
    connection: duckdb.DuckDBPyConnection, table: Path, columns: Sequence[str], other: Path, other_columns: Sequence[str]
) -> tuple[int, int]:
    """Count the rows whose `columns` are all given, and those of them that a row of `other` has in `other_columns`."""
    given = " AND ".join(f"{name(column)} IS NOT NULL" for column in columns)
    left = ", ".join(f"{name(column)}::VARCHAR AS k{index}" for index, column in enumerate(columns))
    right = ", ".join(f"{name(column)}::VARCHAR AS k{index}" for index, column in enumerate(other_columns))
    using = ", ".join(f"k{index}" for index in range(len(columns)))
    counted = f"SELECT {using}, count(*) AS n FROM (SELECT {left} FROM {parquet(table)} WHERE {given}) GROUP BY {using}"
    query = (
        f"SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE o.found), 0) FROM ({counted}) "
        f"LEFT JOIN (SELECT DISTINCT {right}, true AS found FROM {parquet(other)}) o USING ({using})"
    )
    given_rows, found_rows = connection.execute(query).fetchall()[0]
    return int(given_rows), int(found_rows)


def changes(
    connection: duckdb.DuckDBPyConnection,
    tables: tuple[Path | None, Path],
    key: Sequence[str],
    columns: Sequence[str],
    *,
    batch: int,
    shards: Shards,
) -> Iterator[list[RowChange]]:
    """Yield added and changed rows of `shards` in the new table's order, then removed ones in the old table's order."""
    old, new = tables
    if old is None:
        for rows in batches(
            connection, f"SELECT __row, {names(columns)} FROM ({_keyed(connection, new, key, shards)}) ORDER BY __row", batch
        ):
            yield [RowChange("added", row[0], None, dict(zip(columns, row[1:], strict=True))) for row in rows]
        return
    types, old_types = stored_types(connection, new), stored_types(connection, old)
    before, after = _keyed(connection, old, key, shards), _keyed(connection, new, key, shards)
    join = " AND ".join(f"{_text('o', column, old_types)} = {_text('n', column, types)}" for column in key)
    differs = " OR ".join(_differs(column, old_types, types) for column in columns)
    values = ", ".join([*(f"n.{name(column)}" for column in columns), *(_old(column, old_types) for column in columns)])
    query = (
        f"SELECT n.__row, o.__row IS NULL, {values} FROM ({after}) n LEFT JOIN ({before}) o ON {join} "
        f"WHERE o.__row IS NULL OR {differs} ORDER BY n.__row"
    )
    for rows in batches(connection, query, batch):
        yield [_changed(row, columns) for row in rows]
    removed = ", ".join(_old(column, old_types) for column in columns)
    query = f"SELECT o.__row, {removed} FROM ({before}) o ANTI JOIN ({after}) n ON {join} ORDER BY o.__row"
    for rows in batches(connection, query, batch):
        yield [RowChange("removed", row[0], dict(zip(columns, row[1:], strict=True)), None) for row in rows]


def rows_of(
    connection: duckdb.DuckDBPyConnection,
    table: Path,
    columns: Sequence[str],
    *,
    key: Sequence[str],
    values: Sequence[Sequence[Any]],
    batch: int,
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield the rows whose `key` is among `values`, with their numbers. A UUID is the same one however it is written."""
    if not values:
        return
    types = stored_types(connection, table)
    asked = ", ".join(f"k{index} {types[column]}" for index, column in enumerate(key))
    connection.execute(f"CREATE TEMP TABLE asked ({asked})")
    width = max(1, _MAX_PARAMETERS // len(key))
    cast = ", ".join(f"TRY_CAST(k{index} AS {types[column]})" for index, column in enumerate(key))
    names = ", ".join(f"k{index}" for index in range(len(key)))
    one = f"({', '.join('?' * len(key))})"
    for start in range(0, len(values), width):
        part = values[start : start + width]
        given = [_as_given(value) for entry in part for value in entry]
        connection.execute(f"INSERT INTO asked SELECT {cast} FROM (VALUES {', '.join([one] * len(part))}) v({names})", given)
    same = "coalesce(try_cast({0} AS UUID)::VARCHAR, {0})"
    sides = [(f"t.{name(column)}", f"a.k{index}") for index, column in enumerate(key)]
    for index, column in enumerate(key):
        if types[column] == TEXT and any(_is_uuid(entry[index]) for entry in values):
            sides[index] = (same.format(sides[index][0]), same.format(sides[index][1]))
    join = " AND ".join(f"{there} = {asked}" for there, asked in sides)
    wanted = ", ".join(f"t.{name(column)}" for column in columns)
    query = f"SELECT t.__row, {wanted} FROM {parquet(table)} t SEMI JOIN asked a ON {join} ORDER BY t.__row"
    for rows in batches(connection, query, batch):
        yield [(row[0], dict(zip(columns, row[1:], strict=True))) for row in rows]


def _is_uuid(value: Any) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _as_given(value: Any) -> Any:
    """A time of a table stands without its zone, which is UTC; several types in one list of values meet as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return None if value is None else str(value)


def _changed(row: Sequence[Any], columns: Sequence[str]) -> RowChange:
    width = len(columns)
    after: Mapping[str, Any] = dict(zip(columns, row[2 : 2 + width], strict=True))
    if row[1]:
        return RowChange("added", row[0], None, after)
    return RowChange("changed", row[0], dict(zip(columns, row[2 + width :], strict=True)), after)


def _is_in(key: Sequence[str], shards: Shards) -> str:
    """The condition that a row is in `shards`: `key_hash` in SQL."""
    if shards.is_whole:
        return "true"
    nulls = " OR ".join(f"{name(column)} IS NULL" for column in key)
    texts = ", ".join(f"{name(column)}::VARCHAR" for column in key)
    digits = f"substr(md5(concat_ws({literal(KEY_SEPARATOR)}, {texts})), 1, {HASH_DIGITS})"
    number = f"(CASE WHEN {nulls} THEN 0 ELSE ('0x' || {digits})::UBIGINT END)"
    return f"{number} % {shards.count} IN ({', '.join(map(str, shards.numbers))})"


def count_rows(connection: duckdb.DuckDBPyConnection, table: Path, key: Sequence[str], shards: Shards) -> int:
    """Count the rows in `shards`."""
    query = f"SELECT count(*) FROM {parquet(table)} WHERE {_is_in(key, shards)}"
    return int(connection.execute(query).fetchall()[0][0])


def _keyed(connection: duckdb.DuckDBPyConnection, table: Path, key: Sequence[str], shards: Shards) -> str:
    """The rows of `shards` with a whole key, the first of each."""
    given = " AND ".join(f"{name(column)} IS NOT NULL" for column in key)
    rows = f"SELECT * FROM {parquet(table)} WHERE {given} AND {_is_in(key, shards)}"
    if unique_keys(connection, table, [key], 1):
        return rows
    return f"{rows} QUALIFY row_number() OVER (PARTITION BY {names(key)} ORDER BY __row) = 1"


def _text(table: str, column: str, types: Mapping[str, str]) -> str:
    """The text by which the values of two tables compare: of a number it does not depend on the digits that its column keeps."""
    text = f"{table}.{name(column)}::VARCHAR"
    return f"rtrim(rtrim({text}, '0'), '.')" if scale_of(types[column]) else text


def _differs(column: str, old_types: Mapping[str, str], types: Mapping[str, str]) -> str:
    if column not in old_types:
        return f"n.{name(column)} IS NOT NULL"
    if old_types[column] == types[column]:
        return f"o.{name(column)} IS DISTINCT FROM n.{name(column)}"
    return f"{_text('o', column, old_types)} IS DISTINCT FROM {_text('n', column, types)}"


def _old(column: str, old_types: Mapping[str, str]) -> str:
    return f"o.{name(column)}" if column in old_types else "NULL"
