"""Typed rows to Parquet files, and changed rows merged into the rows before them."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from spice_core.adapters.duckdb.connections import name, parquet_file
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import TypedColumn

_MOST_DIGITS = 38
_GROUP_ROWS = 100_000
_TYPES = {
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "dateTime": pa.timestamp("us", tz="UTC"),
    "double": pa.float64(),
    "float": pa.float32(),
    "int": pa.int32(),
    "integer": pa.int64(),
    "long": pa.int64(),
    "short": pa.int16(),
    "unsignedLong": pa.uint64(),
}


def write_rows(batches: Iterable[Sequence[Sequence[object]]], columns: Sequence[TypedColumn], into: Path) -> int:
    """See `TableEngine.write_rows`."""
    schema = pa.schema([pa.field(column.name, _arrow_type(column)) for column in columns])
    count = 0
    with pq.ParquetWriter(into, schema, compression="snappy") as writer:
        for rows in batches:
            if rows:
                writer.write_batch(_record_batch(rows, schema))
                count += len(rows)
    return count


def merge_rows(connection: duckdb.DuckDBPyConnection, changes: Path, base: Path | None, key: Sequence[str], into: Path) -> int:
    """See `TableEngine.merge_rows`."""
    if key:
        _check_key(connection, changes, key)
    schema = pq.read_schema(changes)
    names = ", ".join(name(column) for column in schema.names)
    rows = f"SELECT {names} FROM {parquet_file(changes)}"
    if base is not None:
        same = " AND ".join(f"changed.{name(column)} = kept.{name(column)}" for column in key)
        is_changed = f"EXISTS (SELECT 1 FROM {parquet_file(changes)} changed WHERE {same})"
        kept = f"SELECT {names} FROM {parquet_file(base)} kept WHERE NOT {is_changed}"
        rows = f"{rows} UNION ALL {kept}"
    order = ", ".join(name(column) for column in key) if key else "ALL"
    reader = connection.sql(f"SELECT * FROM ({rows}) ORDER BY {order}").to_arrow_reader(_GROUP_ROWS)
    count = 0
    with pq.ParquetWriter(into, schema, compression="snappy") as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count


def _check_key(connection: duckdb.DuckDBPyConnection, table: Path, key: Sequence[str]) -> None:
    names = ", ".join(name(column) for column in key)
    is_null = " OR ".join(f"{name(column)} IS NULL" for column in key)
    query = f"""SELECT (SELECT count(*) FROM {parquet_file(table)} WHERE {is_null}),
                       (SELECT count(*) FROM (SELECT {names} FROM {parquet_file(table)} GROUP BY {names} HAVING count(*) > 1))"""
    ((nulls, repeated),) = connection.execute(query).fetchall()
    if nulls or repeated:
        raise UnreadableFile(
            f"The key ({', '.join(key)}) does not tell rows apart: {nulls} rows have none, {repeated} keys stand in "
            "several rows; choose other key columns"
        )


def _arrow_type(column: TypedColumn) -> Any:
    if column.type == "decimal" and column.precision is not None and column.precision <= _MOST_DIGITS:
        return pa.decimal128(column.precision, column.scale or 0)
    return _TYPES.get(column.type, pa.string())


def _record_batch(rows: Sequence[Sequence[object]], schema: Any) -> Any:
    arrays = [_array([row[place] for row in rows], field) for place, field in enumerate(schema)]
    return pa.record_batch(arrays, schema=schema)


def _array(values: Sequence[object], field: Any) -> Any:
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError) as error:
        raise UnreadableFile(f"Column {field.name}: a value does not fit its type {field.type}: {str(error)[:200]}") from error
