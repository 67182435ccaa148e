"""Delimiter and column count of labelled texts with preambles, notes and broken rows: ours beside DuckDB's sniffer and clevercsv.

DuckDB is asked with each of its settings that forgive something; the row that counts is the best of them for each measure. Of
clevercsv the column count is what most records have under the dialect that it finds.
"""

import csv
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import clevercsv
import duckdb

from benchmarks.report import Pairs, Row
from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.errors import SpiceError
from tests.corpus.text_labels import TextFile, text_files

Answer = tuple[str, int]
"""The delimiter, and how many columns."""

_SETTINGS = {
    "duckdb": "",
    "duckdb padded": ", null_padding=true, strict_mode=false",
    "duckdb forgiving": ", ignore_errors=true, strict_mode=false",
}
_CLEVERCSV_CHARACTERS = 2_000  # it takes minutes on more of a wide table
_FAILURES = (SpiceError, duckdb.Error, clevercsv.Error, csv.Error, ValueError, OSError)


def text_rows() -> Iterator[Row]:
    """Yield ours beside each peer: delimiter and column count, over all files, those tuned on, and those held out."""
    corpus = text_files()
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDBTableEngine(memory="300MB", scratch=Path(folder) / "scratch")
        answers = {"ours": _all(corpus, lambda entry: _ours(entry, engine, Path(folder)))}
        engine.close()
    answers |= {name: _all(corpus, _duckdb(options)) for name, options in _SETTINGS.items()}
    answers["clevercsv"] = _all(corpus, _clevercsv)
    parts = {
        "all": corpus,
        "tuned": [entry for entry in corpus if not entry.is_held_out],
        "held out": [entry for entry in corpus if entry.is_held_out],
    }
    for part, entries in parts.items():
        for what, is_right in (("delimiter", _delimiter_is_right), ("column count", _count_is_right)):
            yield from _compared(f"texts: {what}, {part}", entries, answers, is_right)


def _compared(
    case: str,
    entries: Sequence[TextFile],
    answers: Mapping[str, Mapping[str, Answer]],
    is_right: Callable[[TextFile, Answer], bool],
) -> Iterator[Row]:
    shares = {name: sum(is_right(entry, given[entry.file]) for entry in entries) for name, given in answers.items()}
    print(f"{case} of {len(entries)}: " + ", ".join(f"{name} {count}" for name, count in shares.items()))
    best = max(count for name, count in shares.items() if name.startswith("duckdb"))
    for name, count in (("duckdb, best setting", best), ("clevercsv", shares["clevercsv"])):
        pairs = Pairs([round(shares["ours"] / len(entries), 4)], [max(0.0001, round(count / len(entries), 4))])
        yield Row.of("inference", case, name, pairs, unit="share right", bar=None)


def _delimiter_is_right(entry: TextFile, answer: Answer) -> bool:
    return answer[0] == entry.delimiter


def _count_is_right(entry: TextFile, answer: Answer) -> bool:
    return answer[1] in entry.columns


def _all(corpus: Sequence[TextFile], peer: Callable[[TextFile], Answer]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for entry in corpus:
        try:
            found[entry.file] = peer(entry)
        except _FAILURES:
            found[entry.file] = ("", 0)
    return found


def _ours(entry: TextFile, engine: DuckDBTableEngine, folder: Path) -> Answer:
    dialect = engine.sniff(entry.place)
    return dialect.delimiter, len(engine.read_text_table(entry.place, dialect, into=folder / "text.parquet").columns)


def _duckdb(options: str) -> Callable[[TextFile], Answer]:
    def sniffed(entry: TextFile) -> Answer:
        with duckdb.connect() as connection:
            asked = f"SELECT Delimiter, len(Columns) FROM sniff_csv(?, sample_size=-1{options})"  # noqa: S608 - one of ours
            row = connection.execute(asked, [str(entry.place)]).fetchall()[0]
        return str(row[0]), int(row[1])

    return sniffed


def _clevercsv(entry: TextFile) -> Answer:
    text = entry.place.read_text(encoding="utf-8", errors="replace")
    dialect = clevercsv.Detector().detect(text[:_CLEVERCSV_CHARACTERS])
    if dialect is None or dialect.delimiter is None:
        return "", 0
    widths = Counter(len(row) for row in clevercsv.reader(text.splitlines(keepends=True), dialect))
    return str(dialect.delimiter), widths.most_common(1)[0][0]
