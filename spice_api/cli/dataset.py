"""`spice dataset`: tables that were uploaded, and their versions."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress

from spice_api.cli.commands import actor
from spice_api.cli.report import AsJson, Branch, Database, Limit, console, print_json, print_table, progress
from spice_api.cli.session import platform
from spice_api.cli.suggestion import suggest
from spice_core.bootstrap import Platform, ingest_dataset, read_datasets, reconcile_ingest, watch_places
from spice_core.domain import naming
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.watched_places import WatchedPlace
from spice_core.errors import DatasetNotFound, UnreadableFile
from spice_core.services.ingest_dataset import UploadRequest, dataset_name_of
from spice_core.services.reconcile_ingest import LIMIT, STALE_SECONDS
from spice_core.services.watch_places import WatchedFile, WatchScan

app = App(name="dataset", help="Upload, list and preview datasets; make classes of them.")
app.command(suggest)
_CHUNK = 1 << 20


@app.command
def upload(
    file: Path,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    name: Annotated[str | None, Parameter(help="The dataset; without it, the file's name without its ending.")] = None,
    key: Annotated[
        str | None,
        Parameter(help="Idempotency key; without it, one made of content, name and choices: the same again is one version."),
    ] = None,
    delimiter: Annotated[str | None, Parameter(help="Of a text, instead of the one that it shows.")] = None,
    sheet: Annotated[str | None, Parameter(help="Take in this sheet of a workbook only.")] = None,
    table: Annotated[int | None, Parameter(help="Take in this table only, from 1.")] = None,
    as_json: AsJson = False,
) -> int:
    """Upload a file as a new version of a dataset: text, JSON lines, Parquet, or a workbook, whose tables are found.

    Types and key candidates are inferred, unreadable rows are counted.
    """
    if not file.is_file():
        raise UnreadableFile(f"{file} is not a file")
    chosen = name or dataset_name_of(file.name)
    request = UploadRequest(
        database=db,
        branch=branch,
        name=chosen,
        filename=file.name,
        key=key or _key_of(file, branch, chosen, delimiter, sheet, table),
        source_type="file",
        delimiter=delimiter,
        sheet=sheet,
        table=table,
        actor=actor(),
    )
    with platform() as parts, _bar(file) as bar:
        versions = ingest_dataset(parts).ingest(request, _chunks(file, bar)).versions
    if as_json:
        print_json(versions[0] if len(versions) == 1 else versions)
    else:
        for version in versions:
            _print_version(version)
    return 0


@app.command
def reconcile(
    *,
    limit: Limit = LIMIT,
    stale_seconds: Annotated[float, Parameter(help="End those that have not moved for so long.")] = STALE_SECONDS,
    as_json: AsJson = False,
) -> int:
    """End uploads that dead workers left: those whose bytes are kept are published, others fail and say so."""
    with platform() as parts:
        found = reconcile_ingest(parts, ingest_dataset(parts)).run(limit, stale_seconds)
    if as_json:
        print_json(found)
    else:
        print_table([*asdict(found)], [[*asdict(found).values()]])
    return 0


@app.command
def watch(
    *,
    every: Annotated[float | None, Parameter(help="Look again after so many seconds; without it, look once.")] = None,
    as_json: AsJson = False,
) -> int:
    """Take in what is new in the watched places of all databases."""
    with platform() as parts:
        watching = watch_places(parts, ingest_dataset(parts))
        while True:
            files: list[WatchedFile] = []
            found = watching.scan(files.append)
            _print_scan(found, files, as_json=as_json)
            if every is None:
                return 0 if not found.unreachable else 1
            parts.clock.sleep(every)


@app.command(name="watch-place")
def watch_place(
    place: Annotated[str, Parameter(help="A folder, or objects:<prefix>, below SPICE_WATCH_ROOTS.")],
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    place_id: Annotated[str, Parameter(name="--id", help="What the place is called.")] = "inbox",
    pattern: Annotated[str, Parameter(help="Which files: *.csv")] = "*",
    name: Annotated[str | None, Parameter(help="The dataset of all files; without it, one per file's name.")] = None,
    stable_seconds: Annotated[float, Parameter(help="Take a file when it has not changed for so long.")] = 10.0,
) -> int:
    """Watch a place for files from now on; `spice dataset watch` takes them in."""
    given = Path(place)
    text = place if place.startswith("objects:") else str(given.expanduser().absolute())
    with platform() as parts:
        watching = watch_places(parts, ingest_dataset(parts))
        watching.add(WatchedPlace(place_id, db, branch, text, pattern, name, stable_seconds), actor=actor())
    console().print(f"[green]done[/] {text} is watched as {place_id}")
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
        rows = read_datasets(parts).preview(db, version.version_id, limit=limit)
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


def _print_scan(found: WatchScan, files: Sequence[WatchedFile], *, as_json: bool) -> None:
    if as_json:
        print_json({"scan": found, "files": files})
        return
    print_table([*asdict(found)], [[*asdict(found).values()]])
    print_table(["database", "place", "file", "outcome", ""], [[*asdict(file).values()] for file in files])


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


def _key_of(file: Path, *asked: object) -> str:
    """Return the key of an upload of the bytes of `file`, `asked` for in just this way."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    digest.update(repr(asked).encode())
    return f"content {digest.hexdigest()}"
