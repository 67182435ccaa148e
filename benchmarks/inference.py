"""Types and dialects on the labelled corpora: ours beside DuckDB's sniffer, Polars, csv-detective and clevercsv.

    python -m benchmarks.inference                 # every file; both shares, with and without the held-out third, are printed
    SPICE_CSV_DETECTIVE=…/bin/python python -m benchmarks.inference

csv-detective needs another pandas than ours: name the Python of a virtual environment that has it. Polars is told the delimiter,
which it does not look for; the finer types that peers do not know (email, phone, …) count as right for them where they say text.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from benchmarks.report import Pairs, Row, write
from benchmarks.text_dialects import text_rows
from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.domain.inference import complex_type
from spice_core.errors import SpiceError
from spice_core.services.infer_types import InferTypes
from tests.corpus.labels import ACCEPTED, NAMES, Labelled, labelled

Answer = tuple[str, Sequence[str]]
"""The delimiter and the types by column, in our names."""
Peer = Callable[[Labelled], Answer]

_FINER = frozenset("eupgk")
_DUCKDB = {
    **dict.fromkeys(("BIGINT", "INTEGER", "HUGEINT", "UBIGINT"), "integer"),
    **dict.fromkeys(("DOUBLE", "FLOAT"), "double"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "dateTime",
    "TIME": "time",
    "UUID": "uuid",
    "TIMESTAMP WITH TIME ZONE": "dateTime",
}
_POLARS = {"Int64": "integer", "Int128": "integer", "Float64": "double", "Boolean": "boolean", "Date": "date", "Time": "time"}
_DETECTIVE = {"int": "integer", "float": "double", "bool": "boolean", "date": "date", "datetime": "dateTime", "json": "object"}
_DETECTIVE_SCRIPT = """
import json, logging, sys
from csv_detective import routine
logging.disable(logging.CRITICAL)
for path in sys.argv[1:]:
    try:
        found = routine(file_path=path, num_rows=-1, save_results=False, output_profile=False, output_schema=False)
        columns = [found["columns"][name]["python_type"] for name in found["header"]]
        print(json.dumps({"file": path, "delimiter": found.get("separator") or "", "types": columns}), flush=True)
    except Exception as error:
        print(json.dumps({"file": path, "delimiter": "", "types": [], "error": repr(error)[:200]}), flush=True)
"""


def main() -> int:
    """Measure all, print the tables, and write the rows."""
    corpus = labelled()
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDBTableEngine(memory="300MB", scratch=Path(folder) / "scratch")
        peers: dict[str, Mapping[str, Answer]] = {
            "ours": _all(corpus, lambda entry: _ours(entry, engine, Path(folder))),
            "duckdb": _all(corpus, _duckdb),
            "polars": _all(corpus, _polars),
        }
        engine.close()
    if python := os.environ.get("SPICE_CSV_DETECTIVE"):
        peers["csv-detective"] = _detective(corpus, python)
    _print_types(corpus, peers)
    rows = [*_rows(corpus, peers), *text_rows()]
    if "--dry" not in sys.argv:
        write(rows)
    return 0


def ours(entry: Labelled, engine: DuckDBTableEngine, folder: Path) -> tuple[Answer, int, int]:
    """Return our answer for a file, how many of its values were given, and how many fit no type of theirs (kept as rejects)."""
    dialect = engine.sniff(entry.place)
    table = engine.read_text_table(entry.place, dialect, into=folder / "text.parquet")
    found = InferTypes(tables=engine, scratch=folder).of_text_table(table.path, table.columns)
    types = [complex_type(found.types[name]) for name in table.columns]
    given = sum(int(facts["total"]) - int(facts["empty"]) for facts in found.evidence.values())
    return (dialect.delimiter, types), given, sum(column.rejected for column in found.types.values())


def is_right(letter: str, found: str, *, is_peer: bool = False) -> bool:
    """Whether a type is one that a careful person accepts for the label."""
    return found in ACCEPTED[letter] or (is_peer and letter in _FINER and found == "string")


def score(corpus: Sequence[Labelled], answers: Mapping[str, Answer], *, is_peer: bool) -> tuple[Counter[str], Counter[str]]:
    """Return how many columns of each label are right, and how many there are; of a file with another width all are wrong."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for entry in corpus:
        _, types = answers[entry.file]
        for index, letter in enumerate(entry.types):
            if letter != "?":
                total[NAMES[letter]] += 1
                is_whole = len(types) == entry.columns
                right[NAMES[letter]] += is_whole and is_right(letter, types[index], is_peer=is_peer)
    return right, total


def _ours(entry: Labelled, engine: DuckDBTableEngine, folder: Path) -> Answer:
    return ours(entry, engine, folder)[0]


def _all(corpus: Sequence[Labelled], peer: Peer) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for entry in corpus:
        try:
            found[entry.file] = peer(entry)
        except (SpiceError, duckdb.Error, ValueError, OSError) as error:
            print(f"{entry.file}: {error.__class__.__name__}: {str(error)[:100]}", file=sys.stderr)
            found[entry.file] = ("", ())
    return found


def _duckdb(entry: Labelled) -> Answer:
    with duckdb.connect() as connection:
        row = connection.execute("SELECT Delimiter, Columns FROM sniff_csv(?, sample_size=-1)", [str(entry.place)]).fetchall()[0]
    return str(row[0]), [_DUCKDB.get(str(column["type"]), "string") for column in row[1]]


def _polars(entry: Labelled) -> Answer:
    import polars  # noqa: PLC0415 - a peer, not installed for everybody

    encoding = "utf8" if entry.encoding.startswith("utf-8") else "utf8-lossy"
    try:
        table = polars.read_csv(
            entry.place,
            separator=entry.delimiter,
            has_header=entry.header_row is not None,
            skip_rows=entry.header_row or 0,
            try_parse_dates=True,
            infer_schema_length=None,
            encoding=encoding,
            truncate_ragged_lines=True,
        )
    except polars.exceptions.PolarsError as error:
        raise ValueError(str(error)[:100]) from error
    return entry.delimiter, [
        "dateTime" if str(kind).startswith("Datetime") else _POLARS.get(str(kind), "string") for kind in table.dtypes
    ]


def _detective(corpus: Sequence[Labelled], python: str) -> dict[str, Answer]:
    command = [python, "-c", _DETECTIVE_SCRIPT, *(str(entry.place) for entry in corpus)]
    lines = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    found: dict[str, Answer] = {entry.file: ("", ()) for entry in corpus}
    for line in lines:
        if line.startswith("{"):
            answer = json.loads(line)
            types = [_DETECTIVE.get(kind, "string") for kind in answer["types"]]
            found[Path(answer["file"]).name] = (answer["delimiter"], types)
    return found


def _print_types(corpus: Sequence[Labelled], peers: Mapping[str, Mapping[str, Answer]]) -> None:
    scores = {name: score(corpus, answers, is_peer=name != "ours") for name, answers in peers.items()}
    print(f"{'':14}" + "".join(f"{name:>16}" for name in peers))
    for label in sorted(scores["ours"][1]):
        print(f"{label:14}" + "".join(f"{right[label]:>10}/{total[label]:<5}" for right, total in scores.values()))


def _rows(corpus: Sequence[Labelled], peers: Mapping[str, Mapping[str, Answer]]) -> Iterator[Row]:
    parts = {
        "all": corpus,
        "tuned": [entry for entry in corpus if not entry.is_held_out],
        "held out": [entry for entry in corpus if entry.is_held_out],
    }
    for part, entries in parts.items():
        for what, measure in (("types", _type_share), ("dates", _date_share), ("booleans", _boolean_share)):
            yield from _compared(f"{what}, {part}", entries, peers, measure, bar=0.94 if what == "types" else None)
    for what, measure in (("delimiter", _delimiter_share), ("column count", _width_share)):
        yield from _compared(what, corpus, peers, measure, bar=None)


def _compared(
    case: str,
    corpus: Sequence[Labelled],
    peers: Mapping[str, Mapping[str, Answer]],
    measure: Callable[[Sequence[Labelled], Mapping[str, Answer], bool], float],
    *,
    bar: float | None,
) -> Iterator[Row]:
    mine = measure(corpus, peers["ours"], False)
    for name, answers in peers.items():
        if name != "ours":
            theirs = measure(corpus, answers, True)
            pairs = Pairs([round(mine, 4)], [max(0.0001, round(theirs, 4))])
            row = Row.of("inference", case, name, pairs, unit="share right", bar=None)
            yield row if bar is None else Row(**{**_fields(row), "bar": bar, "holds": mine >= bar})


def _fields(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in Row.__slots__}


def _share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], labels: frozenset[str] | None, *, is_peer: bool) -> float:
    right, total = score(corpus, answers, is_peer=is_peer)
    chosen = labels or frozenset(total)
    return sum(right[name] for name in chosen) / max(1, sum(total[name] for name in chosen))


def _type_share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], is_peer: bool) -> float:
    return _share(corpus, answers, None, is_peer=is_peer)


def _date_share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], is_peer: bool) -> float:
    return _share(corpus, answers, frozenset({"date", "dateTime"}), is_peer=is_peer)


def _boolean_share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], is_peer: bool) -> float:
    return _share(corpus, answers, frozenset({"boolean"}), is_peer=is_peer)


def _delimiter_share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], is_peer: bool) -> float:  # noqa: ARG001 - a measure
    several = [entry for entry in corpus if entry.columns > 1]
    return sum(answers[entry.file][0] == entry.delimiter for entry in several) / len(several)


def _width_share(corpus: Sequence[Labelled], answers: Mapping[str, Answer], is_peer: bool) -> float:  # noqa: ARG001 - a measure
    return sum(len(answers[entry.file][1]) == entry.columns for entry in corpus) / len(corpus)


if __name__ == "__main__":
    raise SystemExit(main())
