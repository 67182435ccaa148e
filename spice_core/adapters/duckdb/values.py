"""Rows out of DuckDB, in batches, with the values of `domain.values`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb


def batches(connection: duckdb.DuckDBPyConnection, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of `query`, `size` at a time; the result is never whole in memory."""
    reader = connection.sql(query).to_arrow_reader(size)
    for arrow in reader:
        for start in range(0, arrow.num_rows, size):
            part = arrow.slice(start, size)
            columns = [[_plain(value) for value in column.to_pylist()] for column in part.columns]
            yield list(zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    """Timestamps are UTC; DuckDB gives them without a zone."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
