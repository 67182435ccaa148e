"""A floor under the accuracy of types and dialects, on part of the labelled corpus; `benchmarks.inference` measures all of it."""

from pathlib import Path

import pytest

from benchmarks.inference import is_right, ours
from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from tests.corpus.labels import NAMES, Labelled, labelled

CHOSEN = (
    "own__de_rechnungen",
    "own__fr_ventes",
    "own__es_pedidos",
    "own__ko_orders",
    "own__ko_shortdates",
    "own__ja_reiwa",
    "own__zh_kucun",
    "own__us_ledger",
    "own__server_log",
    "own__mixed_dates",
    "own__not_dates",
    "own__preamble",
    "bokeh_sampledata_lincoln_weather",
    "vega_datasets_stocks",
)


def chosen() -> list[Labelled]:
    return [entry for entry in labelled() if entry.file.startswith(tuple(f"{name}." for name in CHOSEN))]


def test_the_labels_are_whole_and_their_files_are_there():
    corpus = labelled()
    assert len(corpus) >= 300
    assert len({entry.file for entry in corpus}) == len(corpus)
    for entry in corpus:
        assert entry.place.stat().st_size < 40_000, entry.file
        assert len(entry.types) == entry.columns, entry.file
        assert set(entry.types) <= {*NAMES, "?"}, entry.file
    held_out = sum(entry.is_held_out for entry in corpus)
    assert 0.3 < held_out / len(corpus) < 0.4


def test_types_and_dialects_of_labelled_files_are_what_a_careful_person_says(tmp_path: Path):
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    wrong: list[str] = []
    total = values = lost = 0
    for entry in chosen():
        (delimiter, types), given, rejected = ours(entry, engine, tmp_path)
        assert (delimiter, len(types)) == (entry.delimiter, entry.columns), entry.file
        values, lost = values + given, lost + rejected
        for column, letter in enumerate(entry.types):
            if letter != "?":
                total += 1
                if not is_right(letter, types[column]):
                    wrong.append(f"{entry.file} column {column}: {types[column]}, not {NAMES[letter]}")
    engine.close()
    assert total > 50
    assert len(wrong) <= total * 0.04, wrong
    assert lost < values * 0.01


@pytest.mark.parametrize(
    ("letter", "found", "is_accepted"), [("d", "double", True), ("D", "string", False), ("x", "boolean", True)]
)
def test_a_label_accepts_what_a_careful_person_would(letter: str, found: str, *, is_accepted: bool):
    assert is_right(letter, found) is is_accepted
