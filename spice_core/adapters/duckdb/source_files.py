"""Text, JSON lines and Parquet as source files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from spice_core.adapters.duckdb.json_tables import read_json_table
from spice_core.adapters.duckdb.parquet_tables import read_parquet_table
from spice_core.adapters.duckdb.text_copies import as_utf8
from spice_core.adapters.duckdb.text_looks import sniff
from spice_core.adapters.duckdb.text_sheets import DuckDBTextSheets
from spice_core.adapters.duckdb.whole_sheets import DuckDBWholeSheets
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets, SourceTable


class DuckDBTextFiles(SourceFiles):
    """Takes every file for text: the caller knows that it is."""

    def __init__(self, *, memory: str) -> None:
        """Bound each statement to `memory` (`300MB`)."""
        self._memory = memory

    @contextmanager
    def open(
        self, path: Path, *, folder: Path, delimiter: str | None = None, has_header: bool | None = None
    ) -> Iterator[SourceSheets]:
        dialect = sniff(path, delimiter=delimiter, has_header=has_header)
        with as_utf8(path, dialect.encoding, folder) as source:
            yield DuckDBTextSheets(source, dialect, memory=self._memory, scratch=folder)


class DuckDBJsonFiles(SourceFiles):
    """Takes every file for JSON lines, or for one JSON array of objects."""

    def __init__(self, *, memory: str) -> None:
        """Bound each statement to `memory` (`300MB`)."""
        self._memory = memory

    @contextmanager
    def open(self, path: Path, *, folder: Path, **_: object) -> Iterator[SourceSheets]:
        yield _whole(SourceFormat.JSON_LINES, partial(read_json_table, path), self._memory, folder)


class DuckDBParquetFiles(SourceFiles):
    """Takes every file for Parquet."""

    def __init__(self, *, memory: str) -> None:
        """Bound each statement to `memory` (`300MB`)."""
        self._memory = memory

    @contextmanager
    def open(self, path: Path, *, folder: Path, **_: object) -> Iterator[SourceSheets]:
        yield _whole(SourceFormat.PARQUET, partial(read_parquet_table, path), self._memory, folder)


def _whole(source_format: SourceFormat, read: Callable[..., SourceTable], memory: str, folder: Path) -> SourceSheets:
    def read_into(into: Path) -> SourceTable:
        return read(into=into, memory=memory, scratch=folder)

    return DuckDBWholeSheets(source_format, read_into, memory=memory, scratch=folder)
