"""Parquet files as tables of text that state their types."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from spice_core.adapters.duckdb.connections import connect, copy_to, name, parquet_file
from spice_core.adapters.duckdb.found_tables import MOST_COLUMNS
from spice_core.domain.text_dialects import unique_names
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceTable
from spice_core.ports.table_engine import TextTable

_TYPES: Mapping[str, str] = {
    "BOOLEAN": "boolean",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "integer"),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL"), "decimal"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "double"),
    "DATE": "date",
    "TIME": "time",
    "VARCHAR": "string",
    "ENUM": "string",
}
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")


def read_parquet_table(path: Path, *, into: Path, memory: str, scratch: Path) -> SourceTable:
    """Write the columns as text to Parquet at `into`, a row number `__row` (from 1) first; say which types they had.

    Raises:
        UnreadableFile: the file is damaged, or has too many columns.
    """
    try:
        with connect(memory=memory, scratch=scratch, paths=[path, into]) as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {parquet_file(path)}").fetchall()
            columns = [(str(row[0]), str(row[1])) for row in found]
            names, notes = _names(columns)
            texts = ", ".join(
                f"{_text(name(column), kind)} AS {name(title)}" for (column, kind), title in zip(columns, names, strict=True)
            )
            connection.execute(copy_to(f"SELECT row_number() OVER () AS __row, {texts} FROM {parquet_file(path)}", into))
            count = connection.execute(f"SELECT count(*) FROM {parquet_file(into)}").fetchall()
    except duckdb.Error as error:
        short = " ".join(str(error).split())[:200]
        raise UnreadableFile(f"The Parquet file is damaged: write it again ({short}).") from error
    types = {title: stated for (_, kind), title in zip(columns, names, strict=True) if (stated := _stated(kind)) is not None}
    return SourceTable(TextTable(into, tuple(names), int(count[0][0]), 0, ()), types=types, notes=notes)


def _names(columns: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    if len(columns) > MOST_COLUMNS:
        raise UnreadableFile(f"The table has {len(columns)} columns; at most {MOST_COLUMNS} are read.")
    names, notes = unique_names([column for column, _ in columns])
    notes += [
        f"column {name!r} holds bytes, written as base64"
        for (_, kind), name in zip(columns, names, strict=True)
        if kind == "BLOB"
    ]
    return names, notes


def _kind(kind: str) -> str:
    """A type without its parameters."""
    return re.sub(r"\(.*", "", kind, flags=re.DOTALL)


def _stated(kind: str) -> str | None:
    if kind.endswith("]") or kind.startswith(_NESTED):
        return None
    return "dateTime" if kind.startswith("TIMESTAMP") else _TYPES.get(_kind(kind))


def _text(column: str, kind: str) -> str:
    if kind.endswith("]") or kind.startswith(_NESTED):
        return f"to_json({column})::VARCHAR"
    if kind == "BLOB":
        return f"to_base64({column})"
    if kind == "TIMESTAMP_NS":
        return f"{column}::TIMESTAMP::VARCHAR"
    if _stated(kind) == "string":
        return f"replace({column}::VARCHAR, chr(0), '')"
    return f"{column}::VARCHAR"
