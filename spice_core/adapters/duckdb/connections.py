"""DuckDB connections that reach the named files and directories, and nothing else."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped] # has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # has no types

from spice_core.domain.text_dialects import PLACE
from spice_core.errors import UnreadableFile

ROW = "__row"
_CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "enable_external_file_cache": "false",
    "threads": "2",
}


def engine(
    *, memory: str, scratch: Path, paths: Collection[Path] = (), directories: Collection[Path] = ()
) -> duckdb.DuckDBPyConnection:
    """Return a fresh in-memory engine that may read and write `paths` and what is in `directories`, and spill to `scratch`.

    Nothing that runs in it can reach another file, the network, an extension or its own settings.
    """
    connection = duckdb.connect(":memory:", config={**_CONFIG, "memory_limit": memory, "temp_directory": str(scratch)})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET allowed_paths = [{_listed(paths)}]")
    connection.execute(f"SET allowed_directories = [{_listed(directories)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@contextmanager
def connect(*, memory: str, scratch: Path, paths: Collection[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a fresh engine that reaches `paths` only.

    Raises:
        UnreadableFile: DuckDB could not work with a file's content.
    """
    with readable(), engine(memory=memory, scratch=scratch, paths=paths) as connection:
        yield connection


@contextmanager
def readable() -> Iterator[None]:
    """Turn what DuckDB or Arrow says of a file's content into `UnreadableFile`."""
    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfMemoryException, pa.ArrowInvalid) as error:
        raise UnreadableFile(f"The table cannot be read: {_first_line(error)}") from error


def names(columns: Collection[str]) -> str:
    """Return columns as quoted SQL identifiers with commas between."""
    return ", ".join(name(column) for column in columns)


def literal(text: str) -> str:
    """Return `text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """Return `text` as a quoted SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def parquet(path: Path) -> str:
    """Return the SQL that reads a table in Parquet with `__row`: a column of the file, or the row's place where it has none."""
    return f"(SELECT {_row_of(path)}* FROM {parquet_file(path)})"


def placed_parquet(path: Path) -> str:
    """Return the SQL of `parquet` with `PLACE`."""
    return f"(SELECT {_row_of(path)}* FROM read_parquet({literal(str(path))}, {PLACE} = true))"


def parquet_file(path: Path) -> str:
    """Return the SQL that reads a Parquet file as it is."""
    return f"read_parquet({literal(str(path))})"


def copy_to(query: str, into: Path) -> str:
    """Return the SQL that writes `query` to a Parquet file, in the query's order."""
    return f"COPY ({query}) TO {literal(str(into))} (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false)"


def _row_of(path: Path) -> str:
    return "" if ROW in pq.read_schema(path).names else f"{PLACE} + 1 AS {ROW}, "


def _listed(paths: Collection[Path]) -> str:
    return ", ".join(literal(str(path)) for path in paths)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
