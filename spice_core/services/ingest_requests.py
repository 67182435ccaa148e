"""Ingest requests on record: found by their key, and moved from state to state by commands."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind, record_id_of
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.dataset_records import version_of_json
from spice_core.domain.events import Event
from spice_core.domain.ingest_requests import (
    IngestRequest,
    IngestState,
    MadeVersion,
    SchemaStatus,
    UploadRequest,
    request_as_json,
    request_of_json,
)
from spice_core.errors import Conflict, IdempotencyMismatch, LogBehind, RecordNotFound
from spice_core.ports.clock import Clock
from spice_core.ports.registry import Registry
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_records import RecordCommands

_POLL_SECONDS = 0.02
_MOST_LISTED = 10_000


class IngestRequests:
    """The log says what a request's state is; the registry is waited for where it lags."""

    def __init__(
        self, *, registry: Registry, commands: CommandService, log: EventLog, clock: Clock, wait_seconds: float = 30.0
    ) -> None:
        """Keep the ports; what the registry does not show within `wait_seconds` is `LogBehind`."""
        self._registry = registry
        self._commands = commands
        self._records = RecordCommands(commands=commands, registry=registry)
        self._log = log
        self._clock = clock
        self._wait_seconds = wait_seconds

    def get(self, database: str, request_id: str) -> IngestRequest:
        """Return a request that is on record. Raises `RecordNotFound`, `LogBehind`."""
        found = self.find(database, request_id)
        if found is None:
            raise RecordNotFound(f"There is no ingest request {request_id[:100]!r}")
        return found

    def find(self, database: str, request_id: str) -> IngestRequest | None:
        """Return a request as its last command left it, None where there is none.

        Raises:
            Conflict: it was on record, and went with its database.
            LogBehind: (retryable) the registry does not show it yet.
        """
        if not self._log.exists(database):
            return None
        number = self._log.number(database, f"{RecordKind.INGEST}|{_record_id(database, request_id)}")
        if number == 0:
            return self._before_records(database, request_id)
        deadline = self._clock.monotonic() + self._wait_seconds
        while True:
            head = self._registry.position(database)
            record = self._registry.record(database, RecordKind.INGEST, _record_id(database, request_id))
            if record is not None and record.version >= number:
                return request_of_json(record.document, sequence=record.version)
            if record is None and self._was_applied(database, request_id, head):
                raise Conflict("What this idempotency key stood for went with its database: use another key.")
            if self._clock.monotonic() >= deadline:
                raise LogBehind("The ingest request is accepted and not yet in the catalogue; ask again.")
            self._clock.sleep(_POLL_SECONDS)

    def page(
        self, database: str, *, state: IngestState | None = None, dataset_id: str | None = None, offset: int = 0, limit: int = 100
    ) -> list[IngestRequest]:
        """Return requests, those that changed last first; of one state, of one dataset, where asked for."""
        most = min(_MOST_LISTED, offset + limit)
        found = self._registry.records(database, RecordKind.INGEST, parent=dataset_id, status=state, limit=most)
        return [request_of_json(record.document, sequence=record.version) for record in found[offset:]]

    def stale(self, database: str, state: IngestState, *, seconds: float, limit: int) -> list[IngestRequest]:
        """Return up to `limit` requests that have been in `state` for `seconds` or longer: those that waited longest."""
        found = self._registry.records(database, RecordKind.INGEST, status=state, limit=_MOST_LISTED)
        now = self._clock.now()
        old = [entry for entry in found if _age(entry, now) >= seconds]
        return [request_of_json(entry.document, sequence=entry.version) for entry in old[max(0, len(old) - limit) :]]

    def save(self, changed: IngestRequest) -> IngestRequest:
        """Put a request on record as `changed`, whose `sequence` is that of the state before; return it with its new one.

        Raises:
            OptimisticConcurrencyConflict: somebody else changed it meanwhile.
            LogBehind: (retryable) somebody else began the same attempt.
        """
        try:
            accepted = self._commands.submit(changed.request.database, [self.draft(changed)])[0]
        except IdempotencyMismatch as error:  # of the id of this attempt: somebody else began it at the same instant
            raise LogBehind("Another worker began this ingest request; ask again with the same key.") from error
        return replace(changed, sequence=accepted.sequence_number)

    def draft(self, changed: IngestRequest) -> Command:
        """Return the command of `save`, to be submitted with others as one unit."""
        request = changed.request
        if changed.state is IngestState.RECEIVED:
            origin: dict[str, Any] = {"command_id": _beginning_id(changed.request_id, changed.attempts)}
        else:
            origin = {}
        return self._records.draft(
            request.database,
            RecordKind.INGEST,
            _record_id(request.database, changed.request_id),
            request_as_json(changed),
            branch=request.branch,
            parent=request.dataset_id,
            status=changed.state.value,
            expected_seq=changed.sequence,
            actor=request.actor,
            **origin,
        )

    def _was_applied(self, database: str, request_id: str, head: int) -> bool:
        event = self._log.find(database, _beginning_id(request_id, 1))
        return event is not None and head >= event.position

    def _before_records(self, database: str, request_id: str) -> IngestRequest | None:
        """Return a request of which the log knows nothing but the version that it registered."""
        found = self._log.find(database, request_id)
        if found is None:
            return None
        payload = found.event.data.get("payload", {})
        if found.event.event_type != f"{CommandType.REGISTER_DATASET_VERSION}_REQUESTED":
            raise IdempotencyMismatch("The idempotency key was used for another kind of request.")
        return _of_registration(database, request_id, found.event, payload)


def _of_registration(database: str, request_id: str, event: Event, payload: dict[str, Any]) -> IngestRequest:
    version = version_of_json(payload["version"])
    _, branch, name = naming.split_aggregate_id(version.dataset_id)
    return IngestRequest(
        request_id=request_id,
        request=UploadRequest(database, branch, name, version.filename, "", payload["source_type"], actor=event.actor),
        state=IngestState.PUBLISHED,
        fingerprint=payload["fingerprint"],
        content_sha256=version.content_sha256,
        size_bytes=version.size_bytes,
        received_at=version.created_at,
        schema_status=SchemaStatus.PENDING,
        raw_commit=version.commit_id,
        versions=(MadeVersion(version.dataset_id, version.version_id),),
        finished_at=version.created_at,
    )


def _record_id(database: str, request_id: str) -> str:
    return record_id_of(database, request_id)


def _beginning_id(request_id: str, attempt: int) -> str:
    """Return the id of the command by which an attempt goes on record."""
    return str(uuid5(NAMESPACE_URL, f"spice:{request_id}:RECEIVED:{attempt}"))


def _age(record: CatalogueRecord, now: datetime) -> float:
    return (now - record.changed_at).total_seconds() if record.changed_at else 0.0
