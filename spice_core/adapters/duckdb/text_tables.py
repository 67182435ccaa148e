"""Text tables: their cells as Parquet."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from spice_core.adapters.duckdb.connections import ROW, connect, copy_to, literal, name, parquet_file
from spice_core.adapters.duckdb.plain_columns import (
    FEWEST_BYTES,
    MOST_PROPOSALS,
    Refuted,
    checked_cells,
    proposed,
    refuted_by,
    sampled_rows,
)
from spice_core.adapters.duckdb.text_copies import (
    CHUNK,
    as_utf8,
    chunks_of,
    has_mixed_ends,
    with_even_ends,
    without_loose_quotes,
)
from spice_core.adapters.duckdb.text_looks import columns_of
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import Dialect, RejectedRow, TextTable

_LONGEST_LINE = 2_000_000
_ENDLESS_LINE = 8 * _LONGEST_LINE
_KEPT_REJECTS = 1000
_MOST_OPEN_QUOTES = 20


@dataclass(frozen=True, slots=True)
class TextRegion:
    """The part of a UTF-8 file that is a table.

    Attributes:
        columns: all that its records have.
        skip: the records before it; `first_line`: the lines before it.
        kept: which columns are read, under which names, without rows that have no value in them; None: all as they are.
    """

    source: Path
    dialect: Dialect
    columns: Sequence[str]
    skip: int
    first_line: int
    kept: Sequence[tuple[str, str]] | None = None


class _MixedEnds(Exception):
    """DuckDB does not read the file, and its lines end in several ways."""


def read_text_table(path: Path, dialect: Dialect, *, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read the table as text into Parquet at `into`, a row number `__row` (from 1) first."""
    columns, skip, first = columns_of(path, dialect)
    with as_utf8(path, dialect.encoding, scratch) as source:
        return read_region(TextRegion(source, dialect, columns, skip, first), into=into, memory=memory, scratch=scratch)


def read_region(region: TextRegion, *, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read a part of a UTF-8 file as text into Parquet at `into`, a row number `__row` (from 1) first.

    DuckDB reads no file in which records end in several ways; of such a one a copy is read, with one way.
    """
    try:
        return _read_whole(region, into, memory, scratch)
    except _MixedEnds:
        with with_even_ends(region.source, scratch) as source:
            return _read_whole(replace(region, source=source), into, memory, scratch)


def _read_whole(region: TextRegion, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read every line, and around those that open a quote and never close it."""
    _refuse_endless_line(region.source)
    with without_loose_quotes(region.source, region.dialect, region.first_line, scratch) as clean:
        reading = replace(region, source=clean)
        table, open_quotes = _read(reading, into, memory, scratch)
        if open_quotes and len(region.columns) > 1:
            table = _read_around(reading, into, memory, scratch)
    return table


def _refuse_endless_line(source: Path) -> None:
    """DuckDB leaves a line out, and says nothing, that is longer than its buffer of 16 times the longest line."""
    start = position = 0
    for chunk in chunks_of(source):
        end = chunk.find(b"\n")
        if (position + end if end >= 0 else position + len(chunk)) - start > _ENDLESS_LINE:
            line = _line_numbers(source, [start])[start]
            raise UnreadableFile(f"Line {line} is over {_ENDLESS_LINE} bytes long: the file is no table.", details={"line": line})
        if end >= 0:
            start = position + chunk.rfind(b"\n") + 1
        position += len(chunk)


def _read(reading: TextRegion, into: Path, memory: str, scratch: Path) -> tuple[TextTable, list[int]]:
    """One pass, and another where a cell refutes what a sample says of its column; also the byte offsets of rows whose open
    quote swallows lines."""
    types = _plain_columns(reading)
    for _ in range(MOST_PROPOSALS):
        try:
            return _written(reading, types, into, memory, scratch)
        except Refuted as refuted:
            types = {index: kind for index, kind in (types or {}).items() if index != refuted.index}
    return _written(reading, {}, into, memory, scratch)


def _plain_columns(reading: TextRegion) -> dict[int, str] | None:
    """The columns to be kept as values; None for a file that is too small for it to matter."""
    if reading.source.stat().st_size < FEWEST_BYTES:
        return None
    rows = sampled_rows(reading.source, reading.dialect, len(reading.columns))
    if reading.kept is not None:
        places = [reading.columns.index(column) for column, _ in reading.kept]
        rows = [[row[place] for place in places] for row in rows]
    return proposed(rows)


def _written(
    reading: TextRegion, types: dict[int, str] | None, into: Path, memory: str, scratch: Path
) -> tuple[TextTable, list[int]]:
    columns = reading.columns if reading.kept is None else [title for _, title in reading.kept]
    source = _kept(reading)
    # What numbers rows keeps a query on one core: where it matters, a row's place in the file is its number.
    query = f"SELECT row_number() OVER () AS {ROW}, * FROM {source}" if types is None else checked_cells(columns, types, source)
    with connect(memory=memory, scratch=scratch, paths=[reading.source, into]) as connection:
        try:
            connection.execute(copy_to(query, into))
        except duckdb.InvalidInputException as error:
            if refuted := refuted_by(error):
                raise refuted from error
            if has_mixed_ends(reading.source):
                raise _MixedEnds from error
            raise
        counted = connection.execute(f"SELECT count(*) FROM {parquet_file(into)}").fetchall()
        count, rejects = _rejects(connection, reading.source)
        rows = connection.execute(
            "SELECT DISTINCT line_byte_position FROM reject_errors WHERE error_type::VARCHAR = 'UNQUOTED VALUE' "
            "AND contains(trim(csv_line, chr(13) || chr(10)), chr(10)) ORDER BY 1"
        ).fetchall()
    table = TextTable(into, tuple(columns), int(counted[0][0]), count, rejects)
    return table, list(_line_starts(reading.source, [int(row[0]) for row in rows]).values())


def _read_around(reading: TextRegion, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read again without the lines that open a quote and never close it: each swallows the rows behind it.

    In a copy such a line is overwritten by one word of its length, which is rejected like any line of too few columns.

    Raises:
        UnreadableFile: there are too many of them; each costs a pass.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv") as copy:
        with reading.source.open("rb") as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        broken: dict[int, str] = {}
        for _ in range(_MOST_OPEN_QUOTES + 1):
            table, offsets = _read(replace(reading, source=Path(copy.name)), into, memory, scratch)
            if not offsets:
                break
            if len(broken) >= _MOST_OPEN_QUOTES:
                raise _too_many_open_quotes(reading.source, offsets[0])
            copy.seek(offsets[0])
            body = copy.readline().rstrip(b"\r\n")
            copy.seek(offsets[0])
            copy.write(b"x" * len(body))
            copy.flush()
            broken |= {
                number: body[:300].decode(errors="replace") for number in _line_numbers(reading.source, offsets[:1]).values()
            }
    named = [
        replace(reject, reason=_reason("UNQUOTED VALUE"), text=broken[reject.line]) if reject.line in broken else reject
        for reject in table.rejects
    ]
    return replace(table, rejects=named)


def _too_many_open_quotes(source: Path, offset: int) -> UnreadableFile:
    line = _line_numbers(source, [offset])[offset]
    return UnreadableFile(
        f"Line {line} opens a quote that is not closed, and so do {_MOST_OPEN_QUOTES} lines before it: close or double them.",
        details={"line": line},
    )


def _kept(reading: TextRegion) -> str:
    if reading.kept is None:
        return _read_csv(reading)
    pairs = ", ".join(f"{name(column)} AS {name(title)}" for column, title in reading.kept)
    filled = " OR ".join(f"trim({name(column)}) <> ''" for column, _ in reading.kept)
    return f"(SELECT {pairs} FROM {_read_csv(reading)} WHERE {filled})"


def _read_csv(reading: TextRegion) -> str:
    dialect = reading.dialect
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in reading.columns)
    return (
        f"read_csv({literal(str(reading.source))}, auto_detect=false, header=false, skip={reading.skip}, "
        f"delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, escape={literal(dialect.quote)}, "
        f"columns={{{columns}}}, max_line_size={_LONGEST_LINE}, store_rejects=true, rejects_limit=0)"
    )


def _rejects(connection: duckdb.DuckDBPyConnection, source: Path) -> tuple[int, list[RejectedRow]]:
    counted = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchall()
    rows = connection.execute(
        "SELECT min(byte_position), any_value(error_type)::VARCHAR, any_value(left(csv_line, 300)), min(line_byte_position) "
        f"FROM reject_errors GROUP BY line ORDER BY line LIMIT {_KEPT_REJECTS}"
    ).fetchall()
    starts = _line_starts(source, [int(row[3]) for row in rows])
    lines = _line_numbers(source, list(starts.values()))
    found = [RejectedRow(lines[starts[int(row[3])]], _reason(row[1]), str(row[2]).strip("\r\n")) for row in rows]
    return (int(counted[0][0])), found


def _reason(error_type: str) -> str:
    return {
        "MISSING COLUMNS": "fewer columns than the table",
        "TOO MANY COLUMNS": "more columns than the table",
        "UNQUOTED VALUE": "a quote that is not closed",
        "LINE SIZE OVER MAXIMUM": "a line that is too long",
        "INVALID ENCODING": "bytes that are no text",
    }.get(error_type, error_type.lower())


def _line_starts(path: Path, positions: Sequence[int]) -> dict[int, int]:
    """The byte offset of the line at each of DuckDB's positions: these count from 1, and after `\\r\\n` from the `\\n`."""
    found: dict[int, int] = {}
    with path.open("rb") as file:
        for position in positions:
            file.seek(position - 1)
            found[position] = position if file.read(1) == b"\n" else position - 1
    return found


def _line_numbers(path: Path, offsets: Sequence[int]) -> dict[int, int]:
    """The line (from 1) that starts at each byte offset; one pass over the file."""
    found: dict[int, int] = {}
    line, position = 1, 0
    with path.open("rb") as file:
        for offset in sorted(set(offsets)):
            while position < offset and (chunk := file.read(min(CHUNK, offset - position))):
                line += chunk.count(b"\n")
                position += len(chunk)
            found[offset] = line
    return found
