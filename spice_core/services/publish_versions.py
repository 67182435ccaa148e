"""Built tables become versions: their files in one commit, their registrations in one append, all or none."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.dataset_records import version_as_json, version_of_json
from spice_core.domain.datasets import Column, DatasetVersion
from spice_core.domain.ingest_requests import IngestRequest, MadeVersion
from spice_core.errors import Conflict, LogBehind
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore, StoredFile
from spice_core.ports.registry import Registry
from spice_core.ports.source_files import SourceFormat
from spice_core.services.build_tables import BuiltFile, BuiltTable
from spice_core.services.compare_schemas import compare_schemas
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.submit_commands import CommandService

_CHUNK = 1 << 20
_POLL_SECONDS = 0.02
_UPLOADS = frozenset({"csv", "excel", "file"})
_SOURCE_TYPES = {SourceFormat.TEXT: "csv", SourceFormat.WORKBOOK: "excel"}


@dataclass(frozen=True, slots=True)
class Publication:
    """What a build becomes: `version_id` is that of its first table; `moved` says what the request is once it is published."""

    request: IngestRequest
    built: BuiltFile
    version_id: str
    actor: str | None
    moved: Callable[[Sequence[MadeVersion]], Sequence[Command]]


class PublishVersions:
    """Stores built tables and registers them."""

    def __init__(
        self,
        *,
        datasets: DatasetStore,
        registry: Registry,
        commands: CommandService,
        log: EventLog,
        clock: Clock,
        wait_seconds: float = 30.0,
    ) -> None:
        """Keep the ports; what the registry does not show within `wait_seconds` is `LogBehind`."""
        self._datasets = datasets
        self._registry = registry
        self._commands = commands
        self._log = log
        self._clock = clock
        self._wait_seconds = wait_seconds

    def publish(self, publication: Publication) -> list[MadeVersion]:
        """Store, commit and register all tables of a build; return the versions, which the registry may not show yet.

        The commands that `moved` returns go with the registrations, as one unit of the log: where one of them is refused,
        nothing is registered.
        """
        versions = self._committed(publication)
        made = [MadeVersion(version.dataset_id, version.version_id) for version in versions]
        registrations = [self._registration(publication, version) for version in versions]
        moves = publication.moved(made)
        self._commands.submit(publication.request.request.database, [*registrations, *moves])
        return made

    def registered(self, database: str, version_id: str) -> DatasetVersion:
        """Return an accepted version as the registry has it, waiting for a bounded time.

        Raises:
            Conflict: it was registered, and deleted since.
            LogBehind: (retryable) it is not registered yet.
        """
        deadline = self._clock.monotonic() + self._wait_seconds
        while True:
            event = self._log.find(database, version_id)
            is_decided = event is not None and self._registry.position(database) >= event.position
            version = self._registry.version(database, version_id)
            if version is not None:
                return version
            if event is not None and is_decided:
                gone = version_of_json(event.event.data["payload"]["version"])
                raise Conflict(
                    f"What this idempotency key uploaded, a version of {gone.dataset_id}, was deleted since: use another key.",
                    details={"dataset_id": gone.dataset_id, "version_id": version_id},
                )
            if self._clock.monotonic() >= deadline:
                raise LogBehind("The dataset version is accepted and not yet registered; ask again with the same key.")
            self._clock.sleep(_POLL_SECONDS)

    def _committed(self, publication: Publication) -> list[DatasetVersion]:
        request, store = publication.request, self._datasets
        database = request.request.database
        raw = store.files(database, str(request.raw_commit), prefix=request.raw_path).get(request.raw_path)
        files: dict[str, StoredFile | None] = {request.raw_path: None}
        addresses = []
        for table in publication.built.tables:
            stored = store.store(database, chunks_of(table.typed))
            addresses.append(stored.address)
            files |= {
                f"{table.name}/raw": raw or _raw_of(store, request),
                f"{table.name}/table.parquet": stored,
                f"{table.name}/rejects.jsonl": store.store(database, chunks_of(table.rejects)) if table.rejects else None,
                f"{table.name}/sample.json": store.store(database, chunks_of(table.sample)),
            }
        at = self._clock.now()
        commit = store.commit(
            database,
            branch=request.request.branch,
            files=files,
            message=f"Upload {request.request.filename} to {', '.join(table.name for table in publication.built.tables)[:200]}",
            author=publication.actor or "spice",
            at=at,
        )
        return [
            self._version(publication, table, number, commit_id=commit.commit_id, address=address, at=at)
            for number, (table, address) in enumerate(zip(publication.built.tables, addresses, strict=True))
        ]

    def _version(
        self, publication: Publication, table: BuiltTable, number: int, *, commit_id: str, address: str, at: datetime
    ) -> DatasetVersion:
        request, asked = publication.request, publication.request.request
        dataset_id = naming.aggregate_id(asked.database, asked.branch, table.name)
        before = self._registry.dataset(asked.database, dataset_id)
        latest = before.latest if before else None
        diff = {"against": latest.version_id} | compare_schemas(latest.columns, table.columns).as_json() if latest else {}
        return DatasetVersion(
            version_id=publication.version_id if number == 0 else _id_of_table(publication.version_id, table.name),
            dataset_id=dataset_id,
            number=0,
            commit_id=commit_id,
            path=f"{table.name}/table.parquet",
            raw_path=f"{table.name}/raw",
            content_sha256=request.content_sha256,
            size_bytes=request.size_bytes,
            row_count=table.row_count,
            reject_count=table.reject_count,
            columns=tuple(table.columns),
            schema_hash=schema_hash(table.columns),
            primary_key_candidates=tuple(tuple(names) for names in table.keys),
            created_at=at,
            created_by=publication.actor,
            filename=asked.filename,
            rejects_path=f"{table.name}/rejects.jsonl" if table.rejects else None,
            dialect=publication.built.dialect,
            content_id=address,
            region=table.region,
            notes=tuple(table.notes),
            schema_diff=diff,
            sample_path=f"{table.name}/sample.json",
            request_id=request.request_id,
            source={**asked.origin, "format": publication.built.format.value},
        )

    def _registration(self, publication: Publication, version: DatasetVersion) -> Command:
        asked = publication.request.request
        source_type = asked.source_type
        if source_type in _UPLOADS:
            source_type = _SOURCE_TYPES.get(publication.built.format, publication.built.format.value)
        command = self._commands.command(
            CommandType.REGISTER_DATASET_VERSION,
            asked.database,
            "Dataset",
            *naming.split_aggregate_id(version.dataset_id),
            actor=publication.actor,
            command_id=version.version_id,
        )
        payload = {
            "name": naming.split_aggregate_id(version.dataset_id)[-1],
            "source_type": source_type,
            "fingerprint": publication.request.fingerprint,
            "version": version_as_json(version),
        }
        return replace(command, branch=asked.branch, payload=payload)


def schema_hash(columns: Iterable[Column]) -> str:
    """Return the sha256 hex over names and types, in order."""
    return sha256(json.dumps([[column.name, column.type] for column in columns]).encode()).hexdigest()


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _raw_of(store: DatasetStore, request: IngestRequest) -> StoredFile | None:
    """The bytes of a request from before requests were on record: its version's own."""
    name = request.request.name
    return store.files(request.request.database, str(request.raw_commit), prefix=f"{name}/raw").get(f"{name}/raw")


def _id_of_table(version_id: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"spice:{version_id}:{name}"))
