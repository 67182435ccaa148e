"""Typed tables out of text tables: each value by its column's reading, what does not fit kept as text."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from spice_core.adapters.duckdb import readings
from spice_core.adapters.duckdb.cells import TEXT, trimmed
from spice_core.adapters.duckdb.connections import copy_to, literal, name, parquet
from spice_core.adapters.duckdb.expressions import matches
from spice_core.adapters.duckdb.plain_columns import REJECTS, implied_readings, scale_of, stored_types, type_of
from spice_core.domain.readings import FALSE_WORDS, NUMBERS, TRUE_WORDS

_WIDTH = 38
_PERCENT_WIDTH = 30


def cast(
    connection: duckdb.DuckDBPyConnection, table: Path, types: Mapping[str, str], how: Mapping[str, Mapping[str, Any]], into: Path
) -> int:
    """Write the typed table with `__row` and `__rejects` (JSON of column to text, null where all fit); return the misfits."""
    stored = stored_types(connection, table)
    texts, values, misfits, names = [], [], [], []
    for index, (source, type_name) in enumerate(types.items()):
        options = how.get(source, {})
        column = str(options.get("name", source))
        names.append(column)
        if _is_kept(stored[source], type_name, options, is_typed=REJECTS in stored):
            texts.append(f"{name(source)} AS t{index}")
            values.append(f"t{index} AS {name(column)}")
            continue
        texts.append(f"{_given(name(source), stored[source], options)} AS t{index}")
        if type_name == "string" or "reading" not in options:
            values.append(f"t{index} AS {name(column)}")
        else:
            values.append(f"{_value(f't{index}', type_name, options)} AS {name(column)}")
            misfits.append((index, column))
    if texts == [f"{name(source)} AS t{index}" for index, source in enumerate(names)] and [*stored] == ["__row", *names, REJECTS]:
        shutil.copyfile(table, into)
        return 0
    rejects = _rejects(misfits)
    typed = (
        f"SELECT __row, {', '.join([*values, *(f't{index}' for index, _ in misfits)])} FROM (SELECT __row, {', '.join(texts)} "
    )
    typed += f"FROM {parquet(table)})"
    columns = ", ".join(name(column) for column in names)
    connection.execute(copy_to(f"SELECT __row, {columns}, {rejects} AS {REJECTS} FROM ({typed})", into))
    if not misfits:
        return 0
    count = f"SELECT coalesce(sum(len(json_keys({REJECTS}))), 0) FROM {parquet(into)} WHERE {REJECTS} IS NOT NULL"
    return int(connection.execute(count).fetchall()[0][0])


def _is_kept(stored: str, type_name: str, options: Mapping[str, Any], *, is_typed: bool) -> bool:
    """Whether a column's texts are kept as the very values that they are read as; of text, where no cell of it is empty text."""
    if options.get("null_words") or options.get("percent"):
        return False
    reading = options.get("reading")
    if stored == TEXT:
        return is_typed and reading is None
    if reading not in implied_readings(stored) or type_name != type_of(stored):
        return False
    if type_name == "boolean":
        return "true" in options.get("true_words", TRUE_WORDS) and "false" in options.get("false_words", FALSE_WORDS)
    return type_name != "decimal" or int(options.get("scale", 2)) == scale_of(stored)


def _given(column: str, stored: str, options: Mapping[str, Any]) -> str:
    """A cell's text, null for the words that mean nothing."""
    whole = column if stored == TEXT else f"{column}::VARCHAR"
    text = trimmed(whole) if "reading" in options else f"nullif({whole}, '')"
    words: Sequence[str] = options.get("null_words", ())
    if not words:
        return text
    nulls = ", ".join(literal(word) for word in words)
    return f"CASE WHEN {trimmed(whole)} IN ({nulls}) THEN NULL ELSE {text} END"


def _rejects(misfits: Sequence[tuple[int, str]]) -> str:
    if not misfits:
        return "NULL::VARCHAR"
    missing = [f"({name(column)} IS NULL AND t{index} IS NOT NULL)" for index, column in misfits]
    pairs = [
        f"{literal(column)}, CASE WHEN {test} THEN t{index} END" for (index, column), test in zip(misfits, missing, strict=True)
    ]
    document = f"json_merge_patch('{{}}', json_object({', '.join(pairs)}))"
    return f"CASE WHEN {' OR '.join(missing)} THEN {document}::VARCHAR END"


def _value(text: str, type_name: str, options: Mapping[str, Any]) -> str:
    reading = str(options["reading"])
    if reading not in NUMBERS:
        words = {key: options[key] for key in ("true_words", "false_words") if key in options}
        return readings.value(reading, text, **words)
    plain = r"-?[0-9]+" if type_name == "integer" else r"-?[0-9]{1,15}(?:\.[0-9]*)?"
    number = _number(readings.number_text(reading, text), text, type_name, options)
    if reading != "number_us" and type_name != "integer":
        return f"CASE WHEN {readings.fits(reading, text)} THEN {number} END"
    quick = f"WHEN {matches(text, plain)} THEN {_number(text, text, type_name, options)}"
    return f"CASE {quick} WHEN {readings.fits(reading, text)} THEN {number} END"


def _number(number: str, text: str, type_name: str, options: Mapping[str, Any]) -> str:
    if type_name == "integer":
        whole = f"regexp_replace({number}, '\\.0*$', '')"
        return f"CASE WHEN {matches(whole, '-?[0-9]+')} THEN try_cast({whole} AS BIGINT) END"
    if type_name == "double":
        return f"try_cast({number} AS DOUBLE)"
    scale = int(options.get("scale", 2))
    pattern = rf"[^.]*(\.[0-9]{{0,{scale}}}0*)?"
    exact = f"CASE WHEN {matches(number, pattern)} THEN {number} END"
    if not options.get("percent"):
        return f"try_cast({exact} AS DECIMAL({_WIDTH}, {scale}))"
    wide = f"DECIMAL({_WIDTH}, {scale + 2})"
    part = f"(try_cast({exact} AS DECIMAL({_PERCENT_WIDTH}, {scale})) * CAST(0.01 AS DECIMAL(3, 2)))::{wide}"
    return f"CASE WHEN contains({text}, '%') THEN {part} ELSE try_cast({exact} AS {wide}) END"
