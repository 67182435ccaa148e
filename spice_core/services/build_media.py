"""From the files of a media upload to a table of them: one row a file."""

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spice_core.domain.datasets import Column
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.domain.media_types import HEAD_BYTES, MediaFile, media_type_of
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFormat
from spice_core.ports.table_engine import Dialect, TableEngine
from spice_core.services.build_tables import BuiltFile, BuiltTable
from spice_core.services.infer_types import InferTypes, column_report
from spice_core.services.media_archive import members
from spice_core.services.read_datasets import json_value

MEDIA = "media"
"""The source type of media uploads."""
COLUMNS = {"reference": "string", "name": "string", "media_type": "string", "size_bytes": "integer", "sha256": "string"}
"""The columns of a table of media files, and their types."""
_SAMPLED_ROWS = 50
_CHUNK = 1 << 20


class BuildMedia:
    """Tells what the files of an upload are, and writes a table of them."""

    def __init__(self, *, tables: TableEngine, infer: InferTypes) -> None:
        self._tables = tables
        self._infer = infer

    def build(self, archive: Path, request: UploadRequest, *, folder: Path) -> BuiltFile:
        """Return the table of the files in `archive` (see `media_archive`); its files are in `folder`.

        Raises:
            UnreadableFile: a file is no image, video, audio or PDF by its content; names it.
        """
        found = list(_looked_at(archive))
        text, typed, sample = folder / "media.parquet", folder / "table.parquet", folder / "sample.json"
        table = self._tables.read_text_table(_written(found, folder / "media.csv"), Dialect(",", '"', "utf-8", 0), into=text)
        inferred = self._infer.of_text_table(text, table.columns, stated=COLUMNS)
        options = {name: item.options() | {"name": name} for name, item in inferred.types.items()}
        self._tables.cast(text, COLUMNS, dialect_of=options, into=typed)
        batches = self._tables.rows(typed, list(COLUMNS), limit=_SAMPLED_ROWS)
        rows = [{name: json_value(value) for name, value in row.items()} for batch in batches for row in batch]
        sample.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        built = BuiltTable(
            name=request.name,
            typed=typed,
            rejects=None,
            sample=sample,
            row_count=len(found),
            reject_count=0,
            columns=[Column(name, kind, False, column_report(inferred, name)) for name, kind in COLUMNS.items()],
            keys=self._infer.key_candidates(typed, list(COLUMNS), inferred),
            region={"format": SourceFormat.MEDIA.value, "base": request.name},
            notes=(),
        )
        return BuiltFile(SourceFormat.MEDIA, {}, [built])


def _looked_at(archive: Path) -> Iterator[MediaFile]:
    with members(archive) as files:
        for number, name, size, file in files:
            head, digest = _read(file)
            kind = media_type_of(head)
            if kind is None:
                raise UnreadableFile(f"{name} is no image, video, audio or PDF by its content: upload tables as tables.")
            yield MediaFile(number, name, kind, size, digest)


def _read(file: IO[bytes]) -> tuple[bytes, str]:
    """Return the beginning of a file, and its sha256 in hex."""
    head = file.read(HEAD_BYTES)
    digest = hashlib.sha256(head)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return head, digest.hexdigest()


def _written(found: list[MediaFile], into: Path) -> Path:
    with into.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        writer.writerows((item.reference, item.name, item.media_type, item.size_bytes, item.sha256) for item in found)
    return into
