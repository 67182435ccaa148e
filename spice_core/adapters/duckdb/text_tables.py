"""Text tables: what they are written like, and their cells as Parquet."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import csv
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import chardet
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
from spice_core.adapters.duckdb.text_copies import CHUNK, as_utf8, chunks_of, without_loose_quotes
from spice_core.domain.text_dialects import DELIMITERS, Layout, layouts, parse_with_lines, table_bounds, unique_names
from spice_core.domain.text_encodings import decoded, marked_encoding, plausible_encodings, refuse_binary
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import Dialect, RejectedRow, TextTable

_SAMPLE_CHARACTERS = 400_000
_SAMPLE_LINES = 600
_LONGEST_LINE = 2_000_000
_ENDLESS_LINE = 8 * _LONGEST_LINE
_MOST_COLUMNS = 1000
_KEPT_REJECTS = 1000
_MOST_OPEN_QUOTES = 20
_DETECTED_BYTES = 65_536
_FEWEST_UTF8 = 3
_SURE, _LIKELY = 0.35, 0.15


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


def sniff(path: Path) -> Dialect:
    """Find encoding, delimiter, quote, preamble and header of a text table.

    Raises:
        UnreadableFile: it is empty, binary, or no table.
    """
    encoding = _encoding_of(path)
    sample = _sample(path, encoding)
    if not sample.strip():
        raise UnreadableFile("The file is empty: upload a table with a header line and rows.")
    layout = _layout(sample)
    rows = parse_with_lines(sample, layout.delimiter, layout.quote)
    filled = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if not filled:
        raise UnreadableFile("Line 1 cannot be read: a cell is too long, or a quote is not closed.", details={"line": 1})
    start, header, columns = table_bounds([row for _, row in filled])
    if columns > _MOST_COLUMNS:
        raise UnreadableFile(f"The table has {columns} columns; at most {_MOST_COLUMNS} are read.")
    return Dialect(
        delimiter=layout.delimiter,
        quote=layout.quote,
        encoding=encoding,
        header_row=None if header is None else filled[header][0],
        skip_rows=filled[start][0],
    )


def read_text_table(path: Path, dialect: Dialect, *, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read the table as text into Parquet at `into`, a row number `__row` (from 1) first."""
    columns, skip, first = _columns_of(path, dialect)
    with as_utf8(path, dialect.encoding, scratch) as source:
        return read_region(TextRegion(source, dialect, columns, skip, first), into=into, memory=memory, scratch=scratch)


def read_region(region: TextRegion, *, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read a part of a UTF-8 file as text into Parquet at `into`, a row number `__row` (from 1) first."""
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
    """One pass, and another where a cell refutes what a sample says of its column; also the byte offsets of rows whose quote is
    not closed."""
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
            raise (refuted_by(error) or error) from error
        counted = connection.execute(f"SELECT count(*) FROM {parquet_file(into)}").fetchall()
        count, rejects = _rejects(connection, reading.source)
        rows = connection.execute(
            "SELECT DISTINCT line_byte_position FROM reject_errors WHERE error_type::VARCHAR = 'UNQUOTED VALUE' ORDER BY 1"
        ).fetchall()
    table = TextTable(into, tuple(columns), int(counted[0][0]), count, rejects)
    return table, list(_line_starts(reading.source, [int(row[0]) for row in rows]).values())


def _read_around(reading: TextRegion, into: Path, memory: str, scratch: Path) -> TextTable:
    """Read again without the lines that open a quote and never close it: each swallows the rows behind it.

    In a copy such a line is overwritten by one word of its length, which is rejected like any line of too few columns.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv") as copy:
        with reading.source.open("rb") as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        broken: dict[int, str] = {}
        for _ in range(_MOST_OPEN_QUOTES + 1):
            table, offsets = _read(replace(reading, source=Path(copy.name)), into, memory, scratch)
            if not offsets or len(broken) >= _MOST_OPEN_QUOTES:
                break
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


def _columns_of(path: Path, dialect: Dialect) -> tuple[list[str], int, int]:
    """The column names, and how many records, and how many lines, come before the data."""
    sample = _sample(path, dialect.encoding)
    rows = parse_with_lines(sample, dialect.delimiter, dialect.quote)
    first = dialect.skip_rows if dialect.header_row is None else dialect.header_row + 1
    body = [row for line, row in rows if line >= first and any(cell.strip() for cell in row)]
    header = next((row for line, row in rows if line == dialect.header_row), [])
    width = max(len(header), table_bounds(body)[2] if body else 0)
    if header and body and width == len(header) + 1 and any(row[-1].strip() for row in body if len(row) == width):
        width = len(header) if sum(len(row) == len(header) for row in body) > len(body) / 2 else width
    if width > _MOST_COLUMNS:
        raise UnreadableFile(f"The table has {width} columns; at most {_MOST_COLUMNS} are read.")
    names, _ = unique_names([*header, *[""] * (width - len(header))])
    skipped = sum(1 for line, _ in rows if line < first)
    lines = rows[skipped][0] if skipped < len(rows) else sample.count("\n") + 1
    return names, skipped, lines


def _layout(sample: str) -> Layout:
    found = _layout_of(sample)
    if not found.quote and '"' not in sample:  # rows behind the sample may be quoted
        return replace(found, quote='"')
    return found


def _layout_of(sample: str) -> Layout:
    found = layouts(sample)
    if not found:
        return Layout(",", '"', 1, 0.0)
    best = found[0]
    if len(found) > 1 and found[1].delimiter != best.delimiter and found[1].score > best.score * 0.9:
        second = _second_opinion(sample)
        return next((layout for layout in found if layout.delimiter == second), best)
    return best if best.score >= (_LIKELY if best.delimiter in ",;\t|" else _SURE) else Layout(",", '"', 1, 0.0)


def _second_opinion(sample: str) -> str | None:
    import clevercsv  # noqa: PLC0415 - a tenth of the start of a process, for few texts

    try:
        dialect = clevercsv.Detector().detect(sample[:8000], delimiters=list(DELIMITERS))
    except (clevercsv.Error, csv.Error):
        return None
    return dialect.delimiter if dialect else None


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(CHUNK)
    refuse_binary(head)
    marked = marked_encoding(head)
    if marked is not None:
        _decode_all(path, marked)
        return marked
    if b"\0" in head:
        raise UnreadableFile("The file holds NUL bytes: it is binary, not a text table.")
    try:
        _decode_all(path, "utf-8")
    except UnreadableFile as error:
        if "NUL" in error.message:
            raise
        guess = _legacy_encoding(path, error)
    else:
        return "utf-8"
    for encoding in plausible_encodings(guess):
        try:
            _decode_all(path, encoding)
        except UnreadableFile:
            continue
        return encoding
    raise UnreadableFile("The text encoding is not known: save the file as UTF-8.")


def _decode_all(path: Path, encoding: str) -> None:
    for _ in decoded(chunks_of(path), encoding):
        pass


def _legacy_encoding(path: Path, error: UnreadableFile) -> str | None:
    """What a detector takes the lines for that are not ASCII. Raises where most of them are UTF-8: the file mixes encodings."""
    lines: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while size < _DETECTED_BYTES and (line := file.readline(CHUNK)):
            if not line.isascii():
                lines.append(line)
                size += len(line)
    unicode = sum(map(_is_utf8, lines))
    if unicode >= _FEWEST_UTF8 and unicode > 2 * (len(lines) - unicode):
        raise UnreadableFile(
            f"{error.message.partition(':')[0]}, and other lines are: the file mixes encodings; write all of it in UTF-8.",
            details=error.details,
        ) from error
    return chardet.detect(b"".join(lines))["encoding"]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sample(path: Path, encoding: str) -> str:
    """Whole lines from the start of the file, line ends as `\\n`."""
    text = ""
    is_whole = True
    for piece in decoded(chunks_of(path, 1 << 18), encoding):
        text += piece
        if len(text) >= _SAMPLE_CHARACTERS:
            is_whole = False
            break
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not is_whole:
        end = text.rfind("\n")
        if end < 0:
            raise UnreadableFile(f"Line 1 has over {_SAMPLE_CHARACTERS} characters: the file is no table.", details={"line": 1})
        text = text[: end + 1]
    return "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])
