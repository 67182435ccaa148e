"""How often delimiter and column count of labelled text files are found, on those looked at while tuning and those held out."""

from pathlib import Path

import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.errors import UnreadableFile
from tests.corpus.text_labels import TextFile, text_files

FLOORS = {"tuned": (0.98, 0.94), "held out": (0.95, 0.93)}


def found(entry: TextFile, engine: DuckDBTableEngine, folder: Path) -> tuple[str, int]:
    try:
        dialect = engine.sniff(entry.place)
        return dialect.delimiter, len(engine.read_text_table(entry.place, dialect, into=folder / "text.parquet").columns)
    except UnreadableFile as error:
        return error.message, 0


@pytest.mark.parametrize("part", FLOORS)
def test_delimiters_and_column_counts_of_labelled_texts_are_found(part: str, tmp_path: Path) -> None:
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    entries = [entry for entry in text_files() if entry.is_held_out == (part == "held out")]
    answers = [(entry, found(entry, engine, tmp_path)) for entry in entries]
    engine.close()
    delimiters = sum(answer[0] == entry.delimiter for entry, answer in answers) / len(entries)
    columns = sum(answer[1] in entry.columns for entry, answer in answers) / len(entries)
    wrong = [(entry.file, answer) for entry, answer in answers if answer[1] not in entry.columns or answer[0] != entry.delimiter]
    assert (delimiters, columns) >= FLOORS[part], wrong if part == "tuned" else len(wrong)
    assert columns >= FLOORS[part][1], wrong if part == "tuned" else len(wrong)


def test_every_labelled_text_is_there_with_its_source_and_half_are_held_out() -> None:
    entries = text_files()
    assert len(entries) >= 97
    assert all(entry.place.exists() and entry.source and entry.version and entry.path and entry.licence for entry in entries)
    assert {path.name for path in (entries[0].place.parent).iterdir()} == {entry.file for entry in entries}
    assert 0.35 < sum(entry.is_held_out for entry in entries) / len(entries) < 0.65
