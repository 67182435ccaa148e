"""Tables as files: reading, profiling and comparing them with SQL engines."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_core.domain.shards import WHOLE, Shards


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written. `encoding` is a Python codec name; `header_row` counts from 0, None without a header."""

    delimiter: str
    quote: str
    encoding: str
    header_row: int | None
    skip_rows: int = 0


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be read: its line in the file (from 1), why, and the text (shortened)."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text table turned into a Parquet file of text columns: no value is interpreted yet.

    Every row has a `__row` (from 1): a column of the file, or the row's place in it where there is no such column; so it is in
    typed tables. An engine may keep a column by value where every cell is written just as it writes that value: the text comes
    back whole.
    """

    path: Path
    columns: Sequence[str]
    row_count: int
    reject_count: int
    rejects: Sequence[RejectedRow]


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column whose type is known before its values: a property type of `domain.values`, with digits where it is a decimal."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that differs between two versions: `before` and `after` by column, None where absent.

    `row` is its number in the new file, or in the old one where it was removed.
    """

    kind: str  # added | changed | removed
    row: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class TableEngine(ABC):
    """An engine for tables in files. No call lets a file's content reach the network, the environment, or another file.

    Memory is bounded by the engine's setting, whatever the file's size. Errors of the file raise `UnreadableFile` and say the
    line. Values are those of `domain.values`: text, int, float, Decimal, bool, date, datetime (UTC), None.
    """

    @abstractmethod
    def sniff(self, path: Path, *, delimiter: str | None = None, has_header: bool | None = None) -> Dialect:
        """Find the dialect of a text table. Raises `UnreadableFile` for what is empty, binary, or of no table.

        What is said is so, and the rest is found for it: where the table starts, its header and its quote are those that it has
        with `delimiter`. With a header said, the first line that holds something is it where none is found, unless only titles
        of one cell stand above the table.
        """

    @abstractmethod
    def read_text_table(self, path: Path, dialect: Dialect, *, into: Path) -> TextTable:
        """Read the table as text into a Parquet file at `into`; ragged rows are rejected one by one, with reasons."""

    @abstractmethod
    def profile(
        self, table: Path, columns: Sequence[str], *, asked: Mapping[str, Sequence[str]] | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        """Return per column of a text table what inference needs (`domain.inference` says which keys).

        Keys: total, empty, distinct (approximate above 10,000), min and max length, up to 1,000 frequent and sampled values,
        how many values fit each reading, and what recognisers say of the sampled values. Readings `asked` for by column are
        counted on every row, others only where a sample makes them plausible; telephone numbers also only where the
        recognisers or the column's name agree. All counts but that of distinct values are exact.
        """

    @abstractmethod
    def unique_keys(self, table: Path, candidates: Sequence[Sequence[str]], *, most: int) -> Sequence[Sequence[str]]:
        """Return the first `most` of `candidates` (lists of columns) that have no nulls and no duplicates in the whole table."""

    @abstractmethod
    def cast(self, table: Path, types: Mapping[str, str], *, dialect_of: Mapping[str, Mapping[str, Any]], into: Path) -> int:
        """Write the typed table (`__row` as it is) to Parquet at `into`; return how many values did not fit and became null with
        their text kept in `__rejects`. `dialect_of` says per column how text is written (decimal comma, day first, …), and what
        it is called in the typed table where that differs (`name`)."""

    @abstractmethod
    def rows(
        self, table: Path, columns: Sequence[str], *, offset: int = 0, limit: int | None = None, batch: int = 1000
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield rows in file order, in batches."""

    @abstractmethod
    def rows_of(
        self, table: Path, columns: Sequence[str], *, key: Sequence[str], values: Sequence[Sequence[Any]], batch: int = 1000
    ) -> Iterator[Sequence[tuple[int, Mapping[str, Any]]]]:
        """Yield the rows whose `key` columns hold one of `values` (each as long as `key`), with their numbers, in file order, in
        batches. Values are compared as the columns hold them, a UUID however it is written; one that a column cannot hold matches
        nothing."""

    @abstractmethod
    def changes(
        self,
        old: Path | None,
        new: Path,
        *,
        key: Sequence[str],
        columns: Sequence[str],
        batch: int = 1000,
        shards: Shards = WHOLE,
    ) -> Iterator[Sequence[RowChange]]:
        """Yield the rows of `shards` that differ by `key` between two typed tables (`old` None: all are added), added and changed
        in the new file's order, then removed. A decimal is the same at every scale. Rows whose key is null or repeated are left
        to the caller (`key_problems`). A row is in the shard of the `key_hash` of its key as text, in every table, for ever."""

    @abstractmethod
    def key_problems(
        self, table: Path, key: Sequence[str], *, limit: int = 200, shards: Shards = WHOLE
    ) -> tuple[int, int, Sequence[int]]:
        """Return how many rows of `shards` have a null in `key`, how many repeat a key seen before, and some of their row
        numbers. A row with a null in `key` is in the first shard."""

    @abstractmethod
    def count_rows(self, table: Path, key: Sequence[str], *, shards: Shards) -> int:
        """Return how many rows of a table are in `shards`."""

    @abstractmethod
    def overlap(self, table: Path, columns: Sequence[str], *, other: Path, other_columns: Sequence[str]) -> tuple[int, int]:
        """Return how many rows of `table` have all of `columns`, and how many of these `other` has in `other_columns`."""

    @abstractmethod
    def write_rows(self, batches: Iterable[Sequence[Sequence[object]]], columns: Sequence[TypedColumn], *, into: Path) -> int:
        """Write rows, a value per column, to a Parquet file whose columns say their types; return how many there were.

        Raises `UnreadableFile` for a value that does not fit its column's type; says which column.
        """

    @abstractmethod
    def merge_rows(self, changes: Path, *, base: Path | None, key: Sequence[str], into: Path) -> int:
        """Write `changes`, and those rows of `base` whose `key` is not among them, to Parquet at `into`; return how many rows.

        Both have the same columns. The rows are in the order of `key`, of all columns where there is none: the same rows are
        the same bytes. Raises `UnreadableFile` where `key` is null or repeats within `changes`.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
