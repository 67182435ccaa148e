"""From an uploaded text table to a registered dataset version."""

import hashlib
import json
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spice_core.domain import naming
from spice_core.domain.commands import CommandType
from spice_core.domain.dataset_records import version_as_json, version_of_json
from spice_core.domain.datasets import Column, DatasetVersion
from spice_core.errors import IdempotencyMismatch, InvalidInput, LogBehind, TooLarge, UnreadableFile
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import Dialect, TableEngine, TextTable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.infer_types import InferredTable, InferTypes, column_report
from spice_core.services.submit_commands import CommandService, command_id_of_key

_CHUNK = 1 << 20
_POLL_SECONDS = 0.02
_LISTED_MISFITS = 10_000
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_DELIMITERS = frozenset(",;\t|:^~ ")


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a client says of an upload.

    Attributes:
        key: the idempotency key. The same key with the same request gives the same version.
        delimiter, has_header: override what the file's own look tells; None leaves it to that.
    """

    database: str
    branch: str
    name: str
    filename: str
    key: str
    source_type: str = "csv"
    delimiter: str | None = None
    has_header: bool | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class RawUpload:
    """The bytes of an upload in a local file that its receiver removes: nothing is stored of them yet."""

    request: UploadRequest
    spool: Path
    content_sha256: str
    size_bytes: int

    @property
    def fingerprint(self) -> str:
        """A sha256 over all that makes two uploads with one key the same."""
        request = self.request
        said = {
            "database": request.database,
            "branch": request.branch,
            "name": request.name,
            "source_type": request.source_type,
            "filename": request.filename,
            "delimiter": request.delimiter,
            "has_header": request.has_header,
            "content_sha256": self.content_sha256,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Tables:
    """The files of one build, in a folder that goes away with it."""

    text: TextTable
    typed: Path
    rejects: Path | None
    inferred: InferredTable
    keys: list[tuple[str, ...]]
    dialect: Dialect


class IngestDataset:
    """Takes uploads in. Of one that is refused nothing is stored, and its key may be used again.

    What a crash leaves in the dataset store is named by nothing there, and may be collected.
    """

    def __init__(
        self,
        *,
        datasets: DatasetStore,
        tables: TableEngine,
        registry: Registry,
        commands: CommandService,
        log: EventLog,
        clock: Clock,
        scratch: Path,
        max_bytes: int = 2_000_000_000,
        wait_seconds: float = 30.0,
    ) -> None:
        """Keep the ports; `scratch` is a local directory for the files of one ingest, `max_bytes` bounds an upload."""
        self._datasets = datasets
        self._tables = tables
        self._registry = registry
        self._commands = commands
        self._log = log
        self._clock = clock
        self._scratch = scratch
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._max_bytes = max_bytes
        self._wait_seconds = wait_seconds
        self._infer = InferTypes(tables=tables, scratch=scratch)

    def run(self, request: UploadRequest, chunks: Iterable[bytes]) -> DatasetVersion:
        """Take in one file and return its registered version; a repetition returns the first one.

        Raises:
            InvalidInput, InvalidName: the request cannot be.
            DatabaseNotFound, BranchNotFound: there is nothing to put it on.
            TooLarge: over the size limit; nothing is stored.
            UnreadableFile: it is no table; nothing is registered.
            IdempotencyMismatch: the key was used for another upload; nothing changes.
            LogBehind: (retryable, with the same key) accepted, and not yet in the registry.
        """
        with self.receive(request, chunks) as raw:
            return self.build_version(raw)

    @contextmanager
    def receive(self, request: UploadRequest, chunks: Iterable[bytes]) -> Iterator[RawUpload]:
        """Take the bytes to a local file and lend it to `build_version`. Raises as `run`; memory does not grow with the file."""
        _check(request)
        self._commands.settled.view(request.database, request.branch)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="ingest-") as folder:
            spool = Path(folder) / "raw"
            raw = self._spooled(request, chunks, spool)
            self._known_version(raw)
            yield raw

    def build_version(self, raw: RawUpload) -> DatasetVersion:
        """Read, type, store and register received bytes; return the version as the registry has it. Raises as `run`."""
        known = self._known_version(raw)
        if known is None:
            with tempfile.TemporaryDirectory(dir=raw.spool.parent) as folder:
                tables = self._build(raw, Path(folder))
                version = self._commit(raw, tables)
            known = self._submit(raw, version)
        return self._registered(raw.request.database, known)

    def _known_version(self, raw: RawUpload) -> str | None:
        """Return the version id that this key has in the log, None where it is new."""
        request = raw.request
        command_id = command_id_of_key(request.database, request.key)
        if not self._log.exists(request.database):
            return None
        event = self._log.find(request.database, command_id)
        if event is None:
            return None
        if event.event.data.get("payload", {}).get("fingerprint") != raw.fingerprint:
            raise IdempotencyMismatch(f"The idempotency key {request.key[:80]!r} was used for another upload.")
        return command_id

    def _spooled(self, request: UploadRequest, chunks: Iterable[bytes], spool: Path) -> RawUpload:
        size, digest = 0, hashlib.sha256()
        with spool.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    raise TooLarge(f"The file is over {self._max_bytes} bytes.", details={"max_bytes": self._max_bytes})
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise UnreadableFile("The file is empty: upload a table with a header line and rows.")
        return RawUpload(request, spool, digest.hexdigest(), size)

    def _build(self, raw: RawUpload, folder: Path) -> _Tables:
        dialect = _overridden(self._tables.sniff(raw.spool), raw.request)
        text = self._tables.read_text_table(raw.spool, dialect, into=folder / "text.parquet")
        inferred = self._infer.of_text_table(text.path, text.columns)
        typed = folder / "table.parquet"
        options = {name: entry.options() for name, entry in inferred.types.items()}
        misfits = self._tables.cast(
            text.path, {name: entry.type for name, entry in inferred.types.items()}, dialect_of=options, into=typed
        )
        rejects = self._write_rejects(text, typed, misfits, folder / "rejects.jsonl")
        keys = self._infer.key_candidates(typed, text.columns, inferred)
        return _Tables(text, typed, rejects, inferred, keys, dialect)

    def _write_rejects(self, text: TextTable, typed: Path, misfits: int, into: Path) -> Path | None:
        """List refused rows and values that did not fit, as JSON lines; the counts are exact, the list is bounded."""
        if not text.reject_count and not misfits:
            return None
        with into.open("w", encoding="utf-8") as file:
            for reject in text.rejects:
                line = {"kind": "row", "line": reject.line, "reason": reject.reason, "text": reject.text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if misfits:
                file.writelines(self._misfit_lines(typed))
        return into

    def _misfit_lines(self, typed: Path) -> Iterator[str]:
        listed = 0
        for batch in self._tables.rows(typed, ["__row", "__rejects"]):
            for row in batch:
                for column, value in json.loads(row["__rejects"] or "{}").items():
                    line = {
                        "kind": "value",
                        "row": row["__row"],
                        "column": column,
                        "reason": "does not fit the type",
                        "text": value,
                    }
                    yield json.dumps(line, ensure_ascii=False) + "\n"
                    listed += 1
            if listed >= _LISTED_MISFITS:
                return

    def _commit(self, raw: RawUpload, tables: _Tables) -> DatasetVersion:
        request = raw.request
        store, at = self._datasets, self._clock.now()
        content = store.store(request.database, _chunks(raw.spool))
        table = store.store(request.database, _chunks(tables.typed))
        rejects = store.store(request.database, _chunks(tables.rejects)) if tables.rejects else None
        files = {
            f"{request.name}/raw": content,
            f"{request.name}/table.parquet": table,
            f"{request.name}/rejects.jsonl": rejects,
        }
        commit = store.commit(
            request.database,
            branch=request.branch,
            files=files,
            message=f"Upload {request.filename} to {request.name}",
            author=request.actor or "spice",
            at=at,
        )
        columns = tuple(_column(tables.inferred, name) for name in tables.text.columns)
        return DatasetVersion(
            version_id=command_id_of_key(request.database, request.key),
            dataset_id=naming.aggregate_id(request.database, request.branch, request.name),
            number=0,
            commit_id=commit.commit_id,
            path=f"{request.name}/table.parquet",
            raw_path=f"{request.name}/raw",
            content_sha256=raw.content_sha256,
            size_bytes=raw.size_bytes,
            row_count=tables.text.row_count,
            reject_count=tables.text.reject_count,
            columns=columns,
            schema_hash=schema_hash(columns),
            primary_key_candidates=tuple(tables.keys),
            created_at=at,
            created_by=request.actor,
            filename=request.filename,
            rejects_path=f"{request.name}/rejects.jsonl" if rejects else None,
            dialect=_dialect_json(tables.dialect),
            content_id=table.address,
        )

    def _submit(self, raw: RawUpload, version: DatasetVersion) -> str:
        request = raw.request
        command = self._commands.command(
            CommandType.REGISTER_DATASET_VERSION,
            request.database,
            "Dataset",
            request.database,
            request.branch,
            request.name,
            actor=request.actor,
            command_id=version.version_id,
        )
        payload: Mapping[str, Any] = {
            "name": request.name,
            "source_type": request.source_type,
            "fingerprint": raw.fingerprint,
            "version": version_as_json(version),
        }
        try:
            self._commands.submit(request.database, [replace(command, branch=request.branch, payload=payload)])
        except IdempotencyMismatch:
            # Another upload with this key was accepted meanwhile: the same one (its times differ), or truly another.
            self._known_version(raw)
        return version.version_id

    def _registered(self, database: str, version_id: str) -> DatasetVersion:
        deadline = self._clock.monotonic() + self._wait_seconds
        while True:
            event = self._log.find(database, version_id)
            is_decided = event is not None and self._registry.position(database) >= event.position
            version = self._registry.version(database, version_id)
            if version is not None:
                return version
            if event is not None and is_decided:
                return version_of_json(event.event.data["payload"]["version"])  # registered, and deleted since
            if self._clock.monotonic() >= deadline:
                raise LogBehind("The dataset version is accepted and not yet registered; ask again with the same key.")
            self._clock.sleep(_POLL_SECONDS)


def dataset_name_of(filename: str) -> str:
    """Return the dataset that a file makes where nobody names one: its name up to the ending, other characters as `_`.

    A name in which no letter of a-z is left would be the same for many files: `dataset_` with a digest of it stands instead.
    """
    stem = unicodedata.normalize("NFC", filename.rpartition("/")[2].partition(".")[0])
    plain = _OTHER.sub("_", stem)
    if not any(letter.isalpha() for letter in plain):
        return f"dataset_{hashlib.sha256(stem.encode()).hexdigest()[:8]}" if stem else "dataset"
    return (plain if plain[0].isalpha() else f"dataset_{plain.lstrip('_-')}")[:100]


def schema_hash(columns: Iterable[Column]) -> str:
    """Return the sha256 hex over names and types, in order."""
    return hashlib.sha256(json.dumps([[column.name, column.type] for column in columns]).encode()).hexdigest()


def _check(request: UploadRequest) -> None:
    naming.database_name(request.database)
    naming.branch_name(request.branch)
    naming.dataset_name(request.name)
    if not 0 < len(request.key) <= 200 or not request.key.isprintable():
        raise InvalidInput("An upload needs an Idempotency-Key of 1 to 200 printable characters.")
    if request.delimiter is not None and request.delimiter not in _DELIMITERS:
        raise InvalidInput("The delimiter must be one of: comma, semicolon, tab, |, :, ^, ~, space.")
    if not 0 < len(request.filename) <= 255 or not request.filename.isprintable():
        raise InvalidInput("The file name must have 1 to 255 printable characters.")


def _overridden(dialect: Dialect, request: UploadRequest) -> Dialect:
    if request.delimiter is not None:
        dialect = replace(dialect, delimiter=request.delimiter)
    if request.has_header is True and dialect.header_row is None:
        dialect = replace(dialect, header_row=dialect.skip_rows)
    if request.has_header is False:
        dialect = replace(dialect, header_row=None)
    return dialect


def _column(found: InferredTable, name: str) -> Column:
    return Column(name, found.types[name].type, nullable=found.nulls(name) > 0, statistics=column_report(found, name))


def _dialect_json(dialect: Dialect) -> dict[str, Any]:
    return {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "encoding": dialect.encoding,
        "header_row": dialect.header_row,
        "skip_rows": dialect.skip_rows,
    }


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
