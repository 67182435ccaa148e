"""The rows of a table or query, streamed from one snapshot."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.columns import fingerprint, reader_of
from spice_core.adapters.sql_source.sources import from_clause, highest
from spice_core.adapters.sql_source.watermarks import Cursor, WindowDigest, cursor_of, since, watermark_column, window_start
from spice_core.errors import InvalidSource
from spice_core.ports.connector import ReadEnd, Reading, SourceSpec
from spice_core.ports.table_engine import TypedColumn

_BATCH_ROWS = 5000
Guard = Callable[[], Any]


class SqlReading(Reading):
    """Rows in the database's own order: all of them, or those at or above the watermark's window."""

    def __init__(
        self,
        connection: Connection,
        spec: SourceSpec,
        columns: Sequence[TypedColumn],
        *,
        cursor: str | None,
        options: SqlOptions,
        guard: Guard,
    ) -> None:
        """`guard` makes a context in which errors of the database become ours."""
        self._connection = connection
        self._spec = spec
        self.columns: Sequence[TypedColumn] = columns
        self._options = options
        self._guard = guard
        self._source = from_clause(spec, columns)
        self._readers = [reader_of(column) for column in columns]
        self._print = fingerprint(columns)
        self._digest = WindowDigest()
        self._mark = mark = watermark_column(columns, spec.watermark_column) if spec.watermark_column else None
        self._place = columns.index(mark) if mark else None
        self._start = self._window_of(cursor_of(cursor, mark, self._print)) if mark else None
        self.is_full = self._start is None
        self._highest = self._highest_mark() if mark else None

    def batches(self) -> Iterator[Sequence[Sequence[object]]]:
        kept_from = None if self._highest is None else window_start(self._highest, self._spec.overlap)
        count = 0
        with self._guard(), self._streamed(self._rows()) as result:
            for rows in result.partitions(_BATCH_ROWS):
                batch = [[read(value) for read, value in zip(self._readers, row, strict=True)] for row in rows]
                count += len(batch)
                if count > self._options.max_rows:
                    raise InvalidSource(
                        f"more than {self._options.max_rows} rows: SPICE_SQL_SOURCE_MAX_ROWS, or a query of fewer"
                    )
                if self._place is not None:
                    self._note_window(batch, kept_from)
                yield batch

    def end(self) -> ReadEnd:
        if self._mark is None:
            return ReadEnd(cursor=None, revision=None)
        return ReadEnd(Cursor(self._print, self._mark, self._highest).text(), self._digest.text())

    def token(self, *, most: int) -> str | None:
        """Return the change token of the window, None where it has more than `most` rows or there is none."""
        if self._start is None:
            return None
        digest = WindowDigest()
        with self._guard(), self._streamed(self._rows()) as result:
            for rows in result.partitions(_BATCH_ROWS):
                for row in rows:
                    digest.add([read(value) for read, value in zip(self._readers, row, strict=True)])
                if digest.count > most:
                    return None
        return digest.text()

    def _note_window(self, batch: Sequence[Sequence[Any]], kept_from: Any) -> None:
        place = self._place or 0
        for row in batch:
            mark = row[place]
            if mark is None or kept_from is None or mark >= kept_from:
                self._digest.add(row)

    def _rows(self) -> Select[Any]:
        rows = select(*(self._source.c[column.name] for column in self.columns))
        if self._start is None or self._spec.watermark_column is None:
            return rows
        return rows.where(since(self._source.c[self._spec.watermark_column], self._start))

    def _streamed(self, query: Select[Any]) -> Any:
        return self._connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS).execute(query)

    def _window_of(self, cursor: Cursor | None) -> Any:
        return None if cursor is None else window_start(cursor.value, self._spec.overlap)

    def _highest_mark(self) -> Any:
        with self._guard():
            found = self._connection.execute(highest(self._source, str(self._spec.watermark_column))).scalar()
        return self._readers[self._place or 0](found)
