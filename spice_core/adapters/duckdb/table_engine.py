"""The table engine in process: DuckDB over files, a connection for every call."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from spice_core.adapters.duckdb import casts, comparisons, merges, profiles, text_looks, text_tables, unique_keys
from spice_core.adapters.duckdb.connections import names, placed_parquet
from spice_core.adapters.duckdb.kept_engines import KeptEngines
from spice_core.adapters.duckdb.values import batches
from spice_core.domain.shards import WHOLE, Shards
from spice_core.domain.text_dialects import PLACE
from spice_core.errors import Closed
from spice_core.ports.table_engine import Dialect, RowChange, TableEngine, TextTable, TypedColumn


class DuckDBTableEngine(TableEngine):
    """Every call has an engine to itself that reaches `scratch`, `roots` and the call's files; large work spills to `scratch`."""

    def __init__(self, *, memory: str, scratch: Path, roots: Sequence[Path] = ()) -> None:
        """Bound each call to `memory` (`300MB`); `scratch` is made if it is not there. In `roots` most tables are kept."""
        self._memory = memory
        self._scratch = scratch
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engines = KeptEngines(memory=memory, scratch=scratch, roots=[scratch, *roots])
        self._is_closed = False

    def sniff(self, path: Path, *, delimiter: str | None = None, has_header: bool | None = None) -> Dialect:
        self._check_open()
        return text_looks.sniff(path, delimiter=delimiter, has_header=has_header)

    def read_text_table(self, path: Path, dialect: Dialect, *, into: Path) -> TextTable:
        self._check_open()
        return text_tables.read_text_table(path, dialect, into=into, memory=self._memory, scratch=self._scratch)

    def profile(
        self, table: Path, columns: Sequence[str], *, asked: Mapping[str, Sequence[str]] | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        with self._connect(table) as connection:
            return profiles.profile(connection, table, columns, asked=asked or {})

    def unique_keys(self, table: Path, candidates: Sequence[Sequence[str]], *, most: int) -> Sequence[Sequence[str]]:
        with self._connect(table) as connection:
            return unique_keys.unique_keys(connection, table, candidates, most)

    def cast(self, table: Path, types: Mapping[str, str], *, dialect_of: Mapping[str, Mapping[str, Any]], into: Path) -> int:
        with self._connect(table, into) as connection:
            return casts.cast(connection, table, types, dialect_of, into)

    def rows(
        self, table: Path, columns: Sequence[str], *, offset: int = 0, limit: int | None = None, batch: int = 1000
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        page = f"WHERE {PLACE} >= {int(offset)}"
        page += "" if limit is None else f" AND {PLACE} < {int(offset) + int(limit)}"
        with self._connect(table) as connection:
            for rows in batches(connection, f"SELECT {names(columns)} FROM {placed_parquet(table)} {page}", batch):
                yield [dict(zip(columns, row, strict=True)) for row in rows]

    def rows_of(
        self, table: Path, columns: Sequence[str], *, key: Sequence[str], values: Sequence[Sequence[Any]], batch: int = 1000
    ) -> Iterator[Sequence[tuple[int, Mapping[str, Any]]]]:
        with self._connect(table) as connection:
            yield from comparisons.rows_of(connection, table, columns, key=key, values=values, batch=batch)

    def changes(
        self,
        old: Path | None,
        new: Path,
        *,
        key: Sequence[str],
        columns: Sequence[str],
        batch: int = 1000,
        shards: Shards = WHOLE,
    ) -> Iterator[Sequence[RowChange]]:
        with self._connect(*filter(None, (old, new))) as connection:
            yield from comparisons.changes(connection, (old, new), key, columns, batch=batch, shards=shards)

    def key_problems(
        self, table: Path, key: Sequence[str], *, limit: int = 200, shards: Shards = WHOLE
    ) -> tuple[int, int, Sequence[int]]:
        with self._connect(table) as connection:
            return comparisons.key_problems(connection, table, key, limit=limit, shards=shards)

    def count_rows(self, table: Path, key: Sequence[str], *, shards: Shards) -> int:
        with self._connect(table) as connection:
            return comparisons.count_rows(connection, table, key, shards)

    def overlap(self, table: Path, columns: Sequence[str], *, other: Path, other_columns: Sequence[str]) -> tuple[int, int]:
        with self._connect(table, other) as connection:
            return comparisons.overlap(connection, table, columns, other, other_columns)

    def write_rows(self, batches: Iterable[Sequence[Sequence[object]]], columns: Sequence[TypedColumn], *, into: Path) -> int:
        self._check_open()
        return merges.write_rows(batches, columns, into)

    def merge_rows(self, changes: Path, *, base: Path | None, key: Sequence[str], into: Path) -> int:
        with self._connect(*filter(None, (changes, base, into))) as connection:
            return merges.merge_rows(connection, changes, base, key, into)

    def close(self) -> None:
        self._is_closed = True
        self._engines.close()

    def _connect(self, *paths: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        self._check_open()
        return self._engines.lend(paths)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The table engine is closed.")
