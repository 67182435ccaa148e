"""Rows as tables that Dagster shows at once; it hides JSON behind a click."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg


def tables_of(**named: Sequence[Mapping[str, Any]]) -> dict[str, dg.TableMetadataValue]:
    """Return each of `named` as a table, of those that have rows."""
    return {name: table_of(rows) for name, rows in named.items() if rows}


def table_of(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return `rows` as a table: columns as they come first, a cell that is no plain value as JSON text."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    schema = dg.TableSchema(columns=[dg.TableColumn(name, _type(rows, name)) for name in columns])
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
    return dg.MetadataValue.table(records, schema=schema)


def counts_of(counts: Mapping[str, int], *, name: str) -> list[dict[str, Any]]:
    """Return counts as rows of `name` and `count`, the largest first."""
    return [{name: key, "count": count} for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _cell(value: Any) -> str | int | float | bool | None:
    plain = value is None or isinstance(value, str | int | float | bool)
    return value if plain else json.dumps(value, ensure_ascii=False, default=str)


def _type(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    kinds = {type(row[name]).__name__ for row in rows if row.get(name) is not None}
    found = kinds.pop() if len(kinds) == 1 else ""
    return found if found in {"int", "float", "bool"} else "string"
