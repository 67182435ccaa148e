"""What texts are written like: encoding, delimiter, quote, where the table begins, its columns; told from their first lines."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import chardet

from spice_core.adapters.duckdb.text_copies import CHUNK, chunks_of, even_ends
from spice_core.domain.text_dialects import (
    DELIMITERS,
    Layout,
    header_index,
    layouts,
    parse_with_lines,
    table_bounds,
    unique_names,
)
from spice_core.domain.text_encodings import decoded, marked_encoding, plausible_encodings, refuse_binary
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import Dialect

_SAMPLE_CHARACTERS = 400_000
_SAMPLE_LINES = 600
_MOST_COLUMNS = 1000
_DETECTED_BYTES = 65_536
_FEWEST_UTF8 = 3
_SURE, _LIKELY = 0.35, 0.15


def sniff(path: Path, *, delimiter: str | None = None, has_header: bool | None = None) -> Dialect:
    """Find encoding, delimiter, quote, preamble and header of a text table, as far as they are not said.

    Raises:
        UnreadableFile: it is empty, binary, or no table.
    """
    encoding = _encoding_of(path)
    sample = _sample(path, encoding)
    if not sample.strip():
        raise UnreadableFile("The file is empty: upload a table with a header line and rows.")
    layout = _layout(sample, delimiter)
    rows = parse_with_lines(sample, layout.delimiter, layout.quote)
    filled = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if not filled:
        raise UnreadableFile("Line 1 cannot be read: a cell is too long, or a quote is not closed.", details={"line": 1})
    start, header, columns = table_bounds([row for _, row in filled])
    if columns > _MOST_COLUMNS:
        raise UnreadableFile(f"The table has {columns} columns; at most {_MOST_COLUMNS} are read.")
    if delimiter is not None and columns == 1:  # nothing tells a title from the values of one column
        start, header = 0, header_index([row for _, row in filled], columns)
    if has_header and header is None:
        start = header = _said_header([row for _, row in filled[:start]], columns)
    elif has_header is False:
        header = None
    return Dialect(
        delimiter=layout.delimiter,
        quote=layout.quote,
        encoding=encoding,
        header_row=None if header is None else filled[header][0],
        skip_rows=filled[start][0],
    )


def columns_of(path: Path, dialect: Dialect) -> tuple[list[str], int, int]:
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


def _said_header(above: Sequence[Sequence[str]], columns: int) -> int:
    """Which filled row is the header that somebody says there is: the table's first, where but titles stand `above` it."""
    are_titles = columns > 1 and all(sum(bool(cell.strip()) for cell in row) == 1 for row in above)
    return len(above) if are_titles else 0


def _layout(sample: str, delimiter: str | None) -> Layout:
    found = _layout_of(sample) if delimiter is None else _layout_with(delimiter, sample)
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


def _layout_with(delimiter: str, sample: str) -> Layout:
    best = (layout for layout in layouts(sample) if layout.delimiter == delimiter)
    return next(best, Layout(delimiter, '"', 1, 0.0))


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
    text = even_ends(text)
    if not is_whole:
        end = text.rfind("\n")
        if end < 0:
            raise UnreadableFile(f"Line 1 has over {_SAMPLE_CHARACTERS} characters: the file is no table.", details={"line": 1})
        text = text[: end + 1]
    return "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])
