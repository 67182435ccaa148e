"""Reading dataset versions: rows for people, rejects, and CSV that a spreadsheet opens safely."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.media_types import MediaFile
from spice_core.errors import DatasetNotFound, InvalidInput
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.services.media_archive import content

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MOST_ROWS = 1000
_OLD_SAMPLE = 50


class ReadDatasets:
    """Rows of registered versions."""

    def __init__(self, *, datasets: DatasetStore, tables: TableEngine, registry: Registry) -> None:
        self._datasets = datasets
        self._tables = tables
        self._registry = registry

    def version(self, database: str, version_id: str) -> DatasetVersion:
        """Return a version. Raises `DatasetNotFound`."""
        found = self._registry.version(database, version_id)
        if found is None:
            raise DatasetNotFound(f"There is no dataset version {version_id[:100]!r}")
        return found

    def table(self, database: str, version: DatasetVersion) -> Path:
        """Return the typed table of `version` as a local Parquet file with `__rejects`, its rows numbered as `TextTable` says."""
        return self._datasets.local_path(database, version.commit_id, version.path)

    def preview(self, database: str, version_id: str, *, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Return up to 1,000 rows from `offset` on, as JSON values: decimals, dates and times as text."""
        if offset < 0 or not 0 <= limit <= _MOST_ROWS:
            raise InvalidInput(f"offset must be 0 or more, limit 0 to {_MOST_ROWS}")
        version = self.version(database, version_id)
        columns = [column.name for column in version.columns]
        batches = self._tables.rows(self.table(database, version), columns, offset=offset, limit=limit)
        return [{name: json_value(value) for name, value in row.items()} for batch in batches for row in batch]

    def rejects(self, database: str, version_id: str, *, limit: int = 200) -> list[dict[str, Any]]:
        """Return refused rows (`line`, `reason`, `text`) and values that did not fit (`row`, `column`, `text`)."""
        version = self.version(database, version_id)
        if version.rejects_path is None:
            return []
        found = []
        with self._datasets.local_path(database, version.commit_id, version.rejects_path).open(encoding="utf-8") as file:
            for line in file:
                found.append(json.loads(line))
                if len(found) >= limit:
                    break
        return found

    def csv(self, database: str, version_id: str) -> Iterator[bytes]:
        """Yield the typed rows as CSV in UTF-8 with a byte order mark; text that a spreadsheet would run is quoted by `'`."""
        version = self.version(database, version_id)
        columns = [column.name for column in version.columns]
        yield "\ufeff".encode() + _csv_lines([[csv_text(name) for name in columns]])
        for batch in self._tables.rows(self.table(database, version), columns):
            yield _csv_lines([[csv_text(row[name]) for name in columns] for row in batch])

    def parquet(self, database: str, version_id: str) -> Iterator[bytes]:
        """Yield the bytes of the typed table: a Parquet file with `__rejects`, its rows numbered as `TextTable` says."""
        version = self.version(database, version_id)
        return self._datasets.read(database, version.commit_id, version.path)

    def media(self, database: str, version_id: str, number: int) -> tuple[MediaFile, Iterator[bytes]]:
        """Return one of the files of a media upload, by its number from 1, and its bytes. Raises `DatasetNotFound`."""
        version = self.version(database, version_id)
        columns = ("name", "media_type", "size_bytes", "sha256")
        if version.source.get("format") != "media" or not 1 <= number <= version.row_count:
            raise DatasetNotFound(f"the version has no media file {number}")
        batches = self._tables.rows(self.table(database, version), columns, offset=number - 1, limit=1)
        (row,) = [row for batch in batches for row in batch]
        archive = self._datasets.local_path(database, version.commit_id, version.raw_path)
        return MediaFile(number=number, **row), content(archive, number)

    def sample(self, database: str, version_id: str) -> list[dict[str, Any]]:
        """Return the first rows as they were kept with the version, as JSON values; of an old version a preview."""
        version = self.version(database, version_id)
        if version.sample_path is None:
            return self.preview(database, version_id, limit=_OLD_SAMPLE)
        rows: list[dict[str, Any]] = json.loads(b"".join(self._datasets.read(database, version.commit_id, version.sample_path)))
        return rows


def json_value(value: Any) -> Any:
    """Return a table's value as JSON: decimals as plain text, dates `YYYY-MM-DD`, times as UTC text ending in Z."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def csv_text(value: Any) -> str:
    """Return a value as CSV text; a text that starts like a formula gets a `'` before it, numbers stay as they are."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(json_value(value))
    is_text = isinstance(value, str)
    return f"'{text}" if is_text and text.startswith(_FORMULA_STARTS) else text


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
