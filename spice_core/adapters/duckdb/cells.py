"""Cells of a text table as SQL: trimmed text, whatever the column is kept as."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Mapping, Sequence
from pathlib import Path

from spice_core.adapters.duckdb.connections import literal, name, parquet

SPACES = " \t\r\n\u00a0\u3000\ufeff"
TEXT = "VARCHAR"


def trimmed(text: str) -> str:
    """Return the SQL of a text without the space around it, null where nothing is left."""
    return f"nullif(trim({text}, {literal(SPACES)}), '')"


def text_of(column: str, stored: str) -> str:
    """Return the SQL of a column's trimmed text; `stored` is the SQL type that it is kept as."""
    return trimmed(name(column)) if stored == TEXT else f"{name(column)}::VARCHAR"


def source_of(table: Path, columns: Sequence[str], stored: Mapping[str, str]) -> str:
    """Return the SQL of a table's trimmed texts as `c0`, `c1`, …."""
    texts = ", ".join(f"{text_of(column, stored[column])} AS c{index}" for index, column in enumerate(columns))
    return f"(SELECT {texts} FROM {parquet(table)})"
