"""Text, JSON lines and Parquet as source files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spice_core.adapters.duckdb.text_sheets import DuckDBTextSheets
from spice_core.adapters.duckdb.text_tables import as_utf8, sniff
from spice_core.ports.source_files import SourceFiles, SourceSheets
from spice_core.ports.table_engine import Dialect


class DuckDBTextFiles(SourceFiles):
    """Takes every file for text: the caller knows that it is."""

    def __init__(self, *, memory: str) -> None:
        """Bound each statement to `memory` (`300MB`)."""
        self._memory = memory

    @contextmanager
    def open(self, path: Path, *, folder: Path, dialect: Dialect | None = None) -> Iterator[SourceSheets]:
        dialect = dialect or sniff(path)
        with as_utf8(path, dialect.encoding, folder) as source:
            yield DuckDBTextSheets(source, dialect, memory=self._memory, scratch=folder)
