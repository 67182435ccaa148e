"""Uploading files as versions of datasets. An upload that is refused registers nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, File, Form, UploadFile

from spice_api.datasets.ingesting import IngestDep, KeyDep, ReaderDep, SuggestDep
from spice_api.datasets.schemas import TableBody, UploadBody, dataset_body, preview_body, version_body
from spice_api.dependencies import MAIN, BranchQuery, DatabaseQuery, PlatformDep, PrincipalDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.mappings.schemas import suggestion_body
from spice_core.domain.datasets import DatasetVersion
from spice_core.errors import DatasetNotFound
from spice_core.services.build_media import MEDIA
from spice_core.services.ingest_dataset import IngestDataset, Ingested, UploadRequest, dataset_name_of
from spice_core.services.media_archive import packed, plain_name
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.suggest_mapping import SuggestMapping

router = APIRouter(prefix="/api/v1/pipelines/datasets", tags=["datasets"], route_class=StrictJsonRoute)

_CHUNK = 1 << 20
_PREVIEW_ROWS = 20


@dataclass(frozen=True, slots=True)
class Said:
    """What a client says of an upload; `name` None: made of the file's."""

    database: str
    branch: str
    key: str
    name: str | None = None
    delimiter: str | None = None
    has_header: bool | None = None
    sheet: str | None = None
    table: int | None = None


class Receiver:
    """Takes one uploaded file in and makes the answer."""

    def __init__(
        self, platform: PlatformDep, ingest: IngestDep, reader: ReaderDep, suggest: SuggestDep, principal: PrincipalDep
    ) -> None:
        self._registry = platform.registry
        self._ingest: IngestDataset = ingest
        self._reader: ReadDatasets = reader
        self._suggest: SuggestMapping = suggest
        self._actor = principal.actor

    def receive(self, content: Iterable[bytes], filename: str, said: Said, source_type: str) -> Envelope[UploadBody]:
        """Take in bytes as a file of this name."""
        request = UploadRequest(
            said.database,
            said.branch,
            said.name or dataset_name_of(filename),
            filename,
            said.key,
            source_type,
            said.delimiter,
            said.has_header,
            self._actor,
            said.sheet,
            said.table,
        )
        return self._answer(self._ingest.ingest(request, content))

    def receive_file(self, file: UploadFile, said: Said, source_type: str) -> Envelope[UploadBody]:
        """Take in an uploaded file."""
        return self.receive(_chunks(file.file), file.filename or "upload", said, source_type)

    def _answer(self, done: Ingested) -> Envelope[UploadBody]:
        database = done.request.request.database
        tables = []
        for version in done.versions:
            dataset = self._registry.dataset(database, version.dataset_id)
            if dataset is None:
                raise DatasetNotFound(f"dataset {version.dataset_id!r} was deleted meanwhile")
            tables.append(TableBody(dataset=dataset_body(dataset), version=version_body(version)))
        first = done.versions[0]
        suggestion = self._suggest.suggest(database, first.dataset_id, version_id=first.version_id)
        body = UploadBody(
            dataset=tables[0].dataset,
            version=tables[0].version,
            tables=tables,
            preview=preview_body(self._reader, database, first.version_id, offset=0, limit=_PREVIEW_ROWS),
            source={**first.source, "type": tables[0].dataset.source_type, **_file(first)},
            funnel_analysis={"columns": [dict(column.statistics) for column in first.columns]},
            ingest_request_id=done.request.request_id,
            schema_status=done.request.schema_status.value,
            schema_suggestion=suggestion_body(suggestion),
            objectify_job_id=None,
        )
        others = f", and {len(tables) - 1} more tables" if len(tables) > 1 else ""
        name = tables[0].dataset.name
        return Envelope(message=f"version {first.number} of {name}: {first.row_count} rows{others}", data=body)


ReceiverDep = Annotated[Receiver, Depends()]
DatasetName = Annotated[
    str | None,
    Form(max_length=200, description="Left out: made of the file's name. Of several tables the largest is called so."),
]
Delimiter = Annotated[str | None, Form(max_length=10, description="Of a text; left out: found out.")]
HasHeader = Annotated[bool | None, Form(description="Of a text; left out: found out.")]
SheetName = Annotated[str | None, Form(max_length=200, description="Take in this sheet only.")]
TableNumber = Annotated[int | None, Form(ge=1, le=10_000, description="Take in this table only, from 1, of the sheet or file.")]


@router.post("/csv-upload")
def upload_csv(
    *,
    file: Annotated[UploadFile, File(description="The table as text; delimiter, encoding and header are found out.")],
    db_name: DatabaseQuery,
    key: KeyDep,
    receiver: ReceiverDep,
    branch: BranchQuery = MAIN,
    dataset_name: DatasetName = None,
    delimiter: Delimiter = None,
    has_header: HasHeader = None,
    table: TableNumber = None,
) -> Envelope[UploadBody]:
    """Upload a table as a new version of a dataset.

    The same key with the same file gives the same version again; with another file it is a 409 and nothing changes. An upload
    that failed may be repeated with its key. What a file is, its content says: a workbook is taken here, too.
    """

    said = Said(db_name, branch, key, dataset_name, delimiter=delimiter, has_header=has_header, table=table)
    return receiver.receive_file(file, said, "csv")


@router.post("/excel-upload")
def upload_excel(
    *,
    file: Annotated[UploadFile, File(description="A workbook: xlsx, xlsm, xlsb, xls or ods.")],
    db_name: DatabaseQuery,
    key: KeyDep,
    receiver: ReceiverDep,
    branch: BranchQuery = MAIN,
    dataset_name: DatasetName = None,
    sheet: SheetName = None,
    table: TableNumber = None,
) -> Envelope[UploadBody]:
    """Upload a workbook: every table in it becomes a version of a dataset of its own, all or none.

    Tables are found below preambles and above footnotes, several in a sheet, with headers of several rows. In the next version
    of the workbook each goes to the dataset that it went to before. Keys work as for `/csv-upload`.
    """

    said = Said(db_name, branch, key, dataset_name, sheet=sheet, table=table)
    return receiver.receive_file(file, said, "excel")


@router.post("/upload")
def upload_file(
    *,
    file: Annotated[UploadFile, File(description="CSV, TSV and other text, JSON lines, Parquet, or a workbook.")],
    db_name: DatabaseQuery,
    key: KeyDep,
    receiver: ReceiverDep,
    branch: BranchQuery = MAIN,
    dataset_name: DatasetName = None,
    delimiter: Delimiter = None,
    has_header: HasHeader = None,
    sheet: SheetName = None,
    table: TableNumber = None,
) -> Envelope[UploadBody]:
    """Upload a file of any format that holds tables; its content says which. Keys work as for `/csv-upload`."""

    said = Said(db_name, branch, key, dataset_name, delimiter, has_header, sheet, table)
    return receiver.receive_file(file, said, "file")


@router.post("/media-upload")
def upload_media(
    *,
    file: Annotated[list[UploadFile], File(description="Images, video, audio or PDF: one or more parts of this name.")],
    db_name: DatabaseQuery,
    key: KeyDep,
    receiver: ReceiverDep,
    branch: BranchQuery = MAIN,
    dataset_name: DatasetName = None,
) -> Envelope[UploadBody]:
    """Upload media files as a new version of a dataset: one row a file, all or none.

    A row has the file's name, media type by its content, size, sha256, and where its bytes are read below the version's address
    (`reference`). Keys work as for `/csv-upload`.
    """
    named = [(item.filename or "", item.file) for item in file]
    said = Said(db_name, branch, key, dataset_name)
    return receiver.receive(packed(named), plain_name(named[0][0]), said, MEDIA)


def _file(version: DatasetVersion) -> dict[str, Any]:
    return {"filename": version.filename, "size_bytes": version.size_bytes}


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
