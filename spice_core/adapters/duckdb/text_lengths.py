"""How long the texts of a column are, and which of them are words for nothing, over all rows.

Arrow trims and measures a text in a thirtieth of the time that DuckDB takes, which does both letter by letter.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped] # has no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # as above
import pyarrow.parquet as pq  # type: ignore[import-untyped] # as above

from spice_core.adapters.duckdb.cells import SPACES
from spice_core.domain.readings import NULL_WORDS

_BATCH_ROWS = 16_384
_BATCH_BYTES = 16 << 20
_THREADS = 2
_LONGEST_NULL_WORD = 12


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Of trimmed texts, those that are empty left out: how many there are, their lengths in letters, and the null words."""

    given: int
    shortest: int
    longest: int
    null_words: dict[str, int]


def text_lengths(table: Path, columns: Sequence[str]) -> dict[str, TextLengths]:
    """Return what holds for all rows of each of `columns`, which a Parquet file keeps as text."""
    metadata = pq.read_metadata(table)
    parts: dict[str, list[TextLengths]] = {column: [] for column in columns}

    def measure(place: tuple[str, int]) -> tuple[str, TextLengths]:
        column, group = place
        with pq.ParquetFile(table, metadata=metadata) as file:
            rows = _batch_rows(metadata, column, group)
            batches = file.iter_batches(rows, row_groups=[group], columns=[column], use_threads=False)
            return column, _together([_measured(batch.column(0)) for batch in batches])

    with ThreadPoolExecutor(_THREADS) as pool:
        for column, part in pool.map(measure, product(columns, range(metadata.num_row_groups))):
            parts[column].append(part)
    return {column: _together(found) for column, found in parts.items()}


def _batch_rows(metadata: pq.FileMetaData, column: str, group: int) -> int:
    """How many rows are read at once: long texts in few, so that memory does not grow with them."""
    found = metadata.row_group(group)
    size = int(found.column(metadata.schema.names.index(column)).total_uncompressed_size)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * int(found.num_rows) // max(1, size)))


def _measured(cells: pa.Array) -> TextLengths:
    texts = pc.utf8_trim(cells, characters=SPACES)
    lengths = pc.utf8_length(texts)
    given = pc.filter(lengths, pc.greater(lengths, 0))
    ends = pc.min_max(given)
    short = pc.filter(texts, pc.less_equal(lengths, _LONGEST_NULL_WORD))
    words = pc.filter(short, pc.is_in(pc.utf8_lower(short), value_set=pa.array(sorted(NULL_WORDS), pa.string())))
    return TextLengths(len(given), ends["min"].as_py() or 0, ends["max"].as_py() or 0, dict(Counter(words.to_pylist())))


def _together(parts: Sequence[TextLengths]) -> TextLengths:
    words: Counter[str] = Counter()
    for part in parts:
        words.update(part.null_words)
    return TextLengths(
        sum(part.given for part in parts),
        min((part.shortest for part in parts if part.given), default=0),
        max((part.longest for part in parts), default=0),
        dict(words),
    )
