"""What reads the files that come in."""

from spice_core.adapters.calamine.reader_process import ReaderLimits
from spice_core.adapters.calamine.source_files import CalamineSourceFiles
from spice_core.adapters.duckdb.grid_sheets import DuckDBGridSheets
from spice_core.adapters.duckdb.source_files import DuckDBJsonFiles, DuckDBParquetFiles, DuckDBTextFiles
from spice_core.adapters.source_files.by_content import SourceFilesByContent
from spice_core.ports.source_files import SourceFiles, SourceFormat
from spice_core.settings import Settings


def source_files_of(settings: Settings) -> SourceFiles:
    """Return the reader of every format, with the bounds of `settings`."""
    memory = settings.duckdb_memory
    workbooks = CalamineSourceFiles(
        sheets_of=lambda grids, folder: DuckDBGridSheets(grids, memory=memory, scratch=folder),
        limits=ReaderLimits(
            memory_bytes=settings.workbook_memory_bytes,
            seconds=settings.workbook_seconds,
            unpacked_bytes=settings.workbook_unpacked_bytes,
        ),
    )
    return SourceFilesByContent(
        {
            SourceFormat.TEXT: DuckDBTextFiles(memory=memory),
            SourceFormat.JSON_LINES: DuckDBJsonFiles(memory=memory),
            SourceFormat.PARQUET: DuckDBParquetFiles(memory=memory),
            SourceFormat.WORKBOOK: workbooks,
        }
    )
