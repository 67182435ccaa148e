"""Columns of a large text whose every cell is written as DuckDB itself writes a value: kept as that value.

The text comes back by a cast, so that nothing is lost: a text table with such columns says what one of texts says, and is read
many times faster. A sample of the file proposes columns, every cell decides: one that does not come back as it was refutes the
proposal (`Refuted`), and the column is read as text.
"""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from spice_core.adapters.duckdb.connections import literal, name, parquet
from spice_core.domain.readings import NUMBERS
from spice_core.domain.text_dialects import parse_with_lines
from spice_core.ports.table_engine import Dialect

FEWEST_BYTES = 4_000_000
"""Smaller files are read as text: there is nothing to gain."""
MOST_PROPOSALS = 4
_PLACES = 32
_PLACE_BYTES = 32_768
_FEWEST_SAMPLED = 20
_MARK = "is not written plainly: column "
_FORMS = {
    "BIGINT": re.compile(r"0|-?[1-9]\d{0,16}"),
    "DATE": re.compile(r"\d{4}-\d\d-\d\d"),
    "TIMESTAMP": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{0,5}[1-9])?"),
    "BOOLEAN": re.compile("true|false"),
}
_LENGTHS = {"BIGINT": "< 19", "DATE": "= 10", "TIMESTAMP": "BETWEEN 19 AND 26"}
"""In bytes. Longer whole numbers are names; `infinity` and years of five digits are no dates here."""
_FRACTION = re.compile(r"-?(?:0|[1-9]\d*)\.(\d{1,9})")
_THOUSANDS = 3
_IMPLIED = {
    "BIGINT": frozenset(NUMBERS),
    "DATE": frozenset({"date_ymd"}),
    "TIMESTAMP": frozenset({"date_time_ymd"}),
    "BOOLEAN": frozenset({"boolean"}),
}
_TYPES = {"BIGINT": "integer", "DATE": "date", "TIMESTAMP": "dateTime", "BOOLEAN": "boolean"}
REJECTS = "__rejects"
"""The column of a typed table that holds the texts which do not fit; a large text has it from the beginning."""


class Refuted(Exception):
    """A cell is not of the type that the sample proposed for its column (an index)."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def proposed(rows: Sequence[Sequence[str]]) -> dict[int, str]:
    """Return the columns, by index, in which all sampled cells that hold anything are plain values, with the SQL type."""
    found: dict[int, str] = {}
    for index, cells in enumerate(zip(*rows, strict=True)):
        given = [cell for cell in cells if cell]
        sql_type = _type_of(given) if len(given) >= _FEWEST_SAMPLED else None
        if sql_type is not None:
            found[index] = sql_type
    return found


def sampled_rows(path: Path, dialect: Dialect, width: int) -> list[list[str]]:
    """Return rows of `width` cells from places spread over a UTF-8 file; a row that begins in quotes may be read wrongly."""
    found: list[list[str]] = []
    for text in _places(path):
        records = parse_with_lines(text, dialect.delimiter, dialect.quote)
        found += [record for _, record in records if len(record) == width]
    return found


def checked_cells(columns: Sequence[str], types: Mapping[int, str], source: str) -> str:
    """Return the SQL of all columns of `source`, those of `types` as values; an empty cell is null. Then `REJECTS`.

    Every value is made before it is compared: in a CASE alone it would be made twice.
    """
    values = "".join(f", try_cast({name(columns[index])} AS {sql_type}) AS {_value(index)}" for index, sql_type in types.items())
    written = (
        f"{_checked(name(column), types[index], index) if index in types else _empty_as_null(name(column))} AS {name(column)}"
        for index, column in enumerate(columns)
    )
    return f"SELECT {', '.join(written)}, NULL::VARCHAR AS {REJECTS} FROM (SELECT *{values} FROM {source})"


def refuted_by(error: duckdb.Error) -> Refuted | None:
    """Return which proposal an error of the statement refutes, None where it is another error."""
    index = str(error).partition(_MARK)[2]
    return Refuted(int(index)) if index.isdecimal() else None


def stored_types(connection: duckdb.DuckDBPyConnection, table: Path) -> dict[str, str]:
    """Return the SQL type of each column of a Parquet file."""
    return {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {parquet(table)}").fetchall()}


def implied_readings(sql_type: str) -> frozenset[str]:
    """Return the readings that every text of a column kept as `sql_type` fits, whatever it is; none for text."""
    return frozenset({"number_us", "number_space"}) if sql_type.startswith("DECIMAL") else _IMPLIED.get(sql_type, frozenset())


def type_of(sql_type: str) -> str:
    """Return the property type whose values are of a SQL type."""
    return "decimal" if sql_type.startswith("DECIMAL") else _TYPES.get(sql_type, "string")


def scale_of(sql_type: str) -> int:
    """Return the digits behind the point of a type of numbers."""
    return int(sql_type.rstrip(")").rpartition(",")[2]) if sql_type.startswith("DECIMAL") else 0


def _empty_as_null(column: str) -> str:
    return f"nullif({column}, '')"


def _type_of(given: Sequence[str]) -> str | None:
    for sql_type, form in _FORMS.items():
        if all(map(form.fullmatch, given)):
            return sql_type
    scales = {len(found[1]) if (found := _FRACTION.fullmatch(cell)) else 0 for cell in given}
    if len(scales) == 1 and not scales & {0, _THOUSANDS}:  # 1.234 may be a thousand and some
        return f"DECIMAL(18,{scales.pop()})"
    return None


def _value(index: int) -> str:
    return f"__value_{index}"


def _checked(column: str, sql_type: str, index: int) -> str:
    value = _value(index)
    length = f" AND strlen({column}) {_LENGTHS[sql_type]}" if sql_type in _LENGTHS else ""
    otherwise = f"WHEN {_empty_as_null(column)} IS NULL THEN NULL ELSE error({literal(f'{_MARK}{index}')})"
    return f"CASE WHEN {value}::VARCHAR = {column}{length} THEN {value} {otherwise} END"


def _places(path: Path) -> Iterator[str]:
    """Whole lines from places spread evenly over the file, its first lines left out."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for place in range(_PLACES):
            file.seek((2 * place + 1) * size // (2 * _PLACES))
            whole = file.read(_PLACE_BYTES).partition(b"\n")[2].rpartition(b"\n")[0]
            yield whole.decode(errors="replace").replace("\r\n", "\n")
