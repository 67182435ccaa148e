"""`spice dataset`: tables that were uploaded, and their versions."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress

from spice_api.cli.commands import actor
from spice_api.cli.report import AsJson, Branch, Database, Limit, console, print_json, print_table, progress
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform, ingest_dataset
from spice_core.domain import naming
from spice_core.domain.datasets import DatasetVersion
from spice_core.errors import DatasetNotFound, UnreadableFile
from spice_core.services.ingest_dataset import UploadRequest, dataset_name_of
from spice_core.services.read_datasets import ReadDatasets

app = App(name="dataset", help="Upload, list and preview datasets.")
_CHUNK = 1 << 20


@app.command
def upload(
    file: Path,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    name: Annotated[str | None, Parameter(help="The dataset; without it, the file's name without its ending.")] = None,
    key: Annotated[
        str | None, Parameter(help="Idempotency key; without it, one made of the content: the same file is one version.")
    ] = None,
    delimiter: Annotated[str | None, Parameter(help="Instead of the one that the file shows.")] = None,
    as_json: AsJson = False,
) -> int:
    """Upload a CSV file as a new version of a dataset: types and key candidates are inferred, unreadable rows are counted."""
    if not file.is_file():
        raise UnreadableFile(f"{file} is not a file")
    request = UploadRequest(
        database=db,
        branch=branch,
        name=name or dataset_name_of(file.name),
        filename=file.name,
        key=key or f"content {_digest(file)}",
        delimiter=delimiter,
        actor=actor(),
    )
    with platform() as parts, _bar(file) as bar:
        version = ingest_dataset(parts).run(request, _chunks(file, bar))
    if as_json:
        print_json(version)
    else:
        _print_version(version)
    return 0


@app.command(name="list")
def list_datasets(*, db: Database, branch: Branch | None = None, as_json: AsJson = False) -> int:
    """List the datasets of a database with their newest versions."""
    with platform() as parts:
        found = parts.registry.datasets(db, branch=branch)
    if as_json:
        print_json(found)
    else:
        rows = [
            [entry.name, entry.branch, latest.number, latest.row_count, latest.reject_count, latest.size_bytes, latest.filename]
            for entry in found
            if (latest := entry.latest) is not None
        ]
        print_table(["dataset", "branch", "version", "rows", "rejects", "bytes", "file"], rows)
    return 0


@app.command
def preview(name: str, *, db: Database, branch: Branch = naming.MAIN, limit: Limit = 10, as_json: AsJson = False) -> int:
    """Show the first rows of a dataset's newest version, as they were typed."""
    with platform() as parts:
        version = _newest(parts, db, branch, name)
        reader = ReadDatasets(datasets=parts.datasets, tables=parts.tables, registry=parts.registry)
        rows = reader.preview(db, version.version_id, limit=limit)
    if as_json:
        print_json({"version": version, "rows": rows})
    else:
        names = [column.name for column in version.columns]
        print_table(
            [f"{column.name}\n{column.type}" for column in version.columns], [[row[name] for name in names] for row in rows]
        )
    return 0


def _newest(parts: Platform, database: str, branch: str, name: str) -> DatasetVersion:
    dataset = parts.registry.dataset(database, naming.aggregate_id(database, branch, name))
    if dataset is None or dataset.latest is None:
        known = ", ".join(entry.name for entry in parts.registry.datasets(database, branch=branch)) or "none"
        raise DatasetNotFound(f"there is no dataset {name} on {branch} of {database}; there are: {known}")
    return dataset.latest


def _print_version(version: DatasetVersion) -> None:
    screen = console()
    keys = " or ".join(f"({', '.join(columns)})" for columns in version.primary_key_candidates) or "none found"
    screen.print(
        f"[green]done[/] {version.dataset_id} version {version.number}: {version.row_count:,} rows, "
        f"{version.reject_count:,} rejected; commit {version.commit_id[:12]}"
    )
    screen.print(f"key candidates: {keys}")
    print_table(["column", "type", "nullable"], [[column.name, column.type, column.nullable] for column in version.columns])


def _bar(file: Path) -> AbstractContextManager[Progress | None]:
    return progress(f"uploading {file.name}", total=file.stat().st_size)


def _chunks(file: Path, bar: Progress | None) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if bar is not None:
                bar.advance(bar.task_ids[0], len(chunk))
            yield chunk


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
