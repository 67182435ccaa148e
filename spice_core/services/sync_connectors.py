"""The sync of connector sources: what is new at a source becomes a version of its dataset, once, however often it dies."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.connectors import (
    Connection,
    ConnectionStatus,
    ConnectorSource,
    DeletedPolicy,
    SyncRun,
    SyncState,
    SyncStatus,
)
from spice_core.domain.connectors_json import source_of, state_document, state_of
from spice_core.domain.connectors_sync import (
    discarded,
    emptied,
    ended_with,
    failed,
    fresh_state,
    is_due,
    is_unchanged,
    pause_seconds,
    retried,
    succeeded,
    wants_full_read,
)
from spice_core.errors import (
    Conflict,
    DatasetNotFound,
    InvalidInput,
    LogBehind,
    OptimisticConcurrencyConflict,
    SourceGone,
    SourceNotAuthorized,
    SourceUnavailable,
    SpiceError,
    Unavailable,
)
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Access
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.registry import Registry
from spice_core.ports.work_ledger import Lease, WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.retry import random_fraction
from spice_core.services.fetch_source import Fetched, FetchSource, spec_of
from spice_core.services.ingest_dataset import IngestDataset
from spice_core.services.save_connections import ConnectionCommands
from spice_core.services.submit_records import RecordCommands
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.upload_source import UploadSource
from spice_core.services.wait_for_reads import ReadBarrier

ACTOR = "spice:connectors"
_READ_LEASE_SECONDS = 60.0
_UPLOAD_LEASE_SECONDS = 900.0
_BEAT_SECONDS = 10.0
_BARRIER_SECONDS = 10.0
_ALL = 100_000
_ERROR_CHARACTERS = 500

Progress = Callable[[int], None]


def no_progress(_rows: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class SyncParts:
    """What syncs work with."""

    connections: ConnectionCommands
    records: RecordCommands
    catalogue: RegistryCommands
    registry: Registry
    datasets: DatasetStore
    ingest: IngestDataset
    fetch: FetchSource
    work: WorkLedger
    log: EventLog
    clock: Clock
    ids: IdSource
    scratch: Path


@dataclass(frozen=True, slots=True)
class Due:
    """A source whose turn it is."""

    database: str
    source_id: str


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """How a sync ended.

    `result`: `new_version`, `unchanged`, `deleted` (with its dataset), `gone`, `retrying`, `failed`, `needs_authorization`;
    `busy` where another one works on the source, `disabled` where it is switched off: then nothing was done.
    """

    source_id: str
    result: str
    state: SyncState
    version_id: str | None = None
    row_count: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """One sync under way."""

    source: ConnectorSource
    connection: Connection
    state: SyncState
    lease: Lease
    began_at: datetime
    began: float


class SyncConnectors:
    """Syncs sources, one at a time each, whoever calls: a lease per source keeps two loops apart.

    Nothing is written to the log where nothing changed: the pause between two looks is a lease that runs out. A sync that dies
    is done again from the state before it, and its upload has the same idempotency key: one version.
    """

    def __init__(self, parts: SyncParts) -> None:
        self._parts = parts
        self._upload = UploadSource(parts.ingest, actor=ACTOR)
        self._barrier = ReadBarrier(parts.log, parts.work, parts.clock, _BARRIER_SECONDS)

    def due(self, now: datetime) -> list[Due]:
        """Return the sources whose turn it is at `now`, those that were never synced first."""
        return [due for database in self._parts.log.databases() for due in self._due_of(database, now)]

    def sync(self, database: str, source_id: str, *, is_forced: bool = False, progress: Progress = no_progress) -> SyncOutcome:
        """Bring the dataset of a source up to date. `is_forced` reads it whatever its change token and state say.

        What goes wrong at the source is an outcome, on record; what goes wrong with us is raised, and nothing is on record.

        Raises:
            RecordNotFound: there is no such source.
            LogBehind, LeaseLost, StoreUnavailable, LedgerUnavailable: (retryable) a part of ours is behind or down.
        """
        lease = self._parts.work.acquire(_lease_name(source_id), owner=self._parts.ids.new_id(), seconds=_READ_LEASE_SECONDS)
        if lease is None:
            source = self._parts.connections.source(database, source_id)
            return SyncOutcome(source_id, "busy", self.state(source))
        try:
            if self._barrier.wait(database, "registry"):
                raise LogBehind("the registry has not caught up with what was accepted before this sync")
            return self._sync(self._job(database, source_id, lease), is_forced=is_forced, progress=progress)
        finally:
            self._parts.work.release(lease)

    def state(self, source: ConnectorSource) -> SyncState:
        """Return where the sync of a source stands."""
        record = self._parts.registry.record(source.database, RecordKind.CONNECTOR_SYNC, source.source_id)
        return fresh_state(source, state_of(record) if record is not None else None)

    def retry(self, database: str, source_id: str, *, actor: str | None = None) -> SyncState:
        """Let a failed or discarded sync be tried again at the next look. Raises `RecordNotFound`, `Conflict`."""
        return self._decide(database, source_id, retried, {*SyncStatus} - {SyncStatus.NEVER}, actor)

    def discard(self, database: str, source_id: str, *, actor: str | None = None) -> SyncState:
        """Give a failed sync up: its source rests until somebody retries it. Raises `RecordNotFound`, `Conflict`."""
        return self._decide(database, source_id, discarded, {SyncStatus.FAILED, SyncStatus.RETRYING}, actor)

    def failed(self, database: str) -> list[SyncState]:
        """Return the syncs that wait for an operator, those that failed last first."""
        found = self._parts.registry.records(database, RecordKind.CONNECTOR_SYNC, status=SyncStatus.FAILED, limit=_ALL)
        return [state_of(record) for record in found]

    def note_failure(self, database: str, source_id: str, error: str) -> None:
        """Put an error that nobody foresaw on record, as one that may pass: it is not tried for ever."""
        source = self._parts.connections.source(database, source_id)
        now, state = self._parts.clock.now(), self.state(source)
        pause = pause_seconds(state.attempts + 1, jitter=random_fraction(self._parts.ids))
        run = SyncRun(now, "internal_error", error=error[:_ERROR_CHARACTERS])
        self._save(source, failed(state, run, code="internal_error", pause=pause))

    def _due_of(self, database: str, now: datetime) -> list[Due]:
        registry = self._parts.registry
        records = registry.records(database, RecordKind.CONNECTOR_SOURCE, status="enabled", limit=_ALL)
        if not records:
            return []
        blocked = {
            record.record_id
            for record in registry.records(
                database, RecordKind.CONNECTION, status=ConnectionStatus.NEEDS_AUTHORIZATION, limit=_ALL
            )
        }
        states = {
            record.record_id: state_of(record) for record in registry.records(database, RecordKind.CONNECTOR_SYNC, limit=_ALL)
        }
        sources = [source for source in map(source_of, records) if source.connection_id not in blocked]
        found = [(fresh_state(source, states.get(source.source_id)), source) for source in sources]
        found.sort(key=lambda pair: (pair[0].synced_at is not None, pair[0].synced_at or now))
        return [Due(database, source.source_id) for state, source in found if self._is_due(source, state, now)]

    def _is_due(self, source: ConnectorSource, state: SyncState, now: datetime) -> bool:
        if not is_due(source, state, now, is_resting=False):
            return False
        work = self._parts.work
        is_resting = state.status is not SyncStatus.RETRYING and work.holder(_pause_name(source)) is not None
        return is_due(source, state, now, is_resting=is_resting) and work.holder(_lease_name(source.source_id)) is None

    def _job(self, database: str, source_id: str, lease: Lease) -> _Job:
        source = self._parts.connections.source(database, source_id)
        connection = self._parts.connections.connection(database, source.connection_id)
        clock, state = self._parts.clock, self.state(source)
        if state.version_id is not None and self._parts.registry.dataset(database, source_id) is None:
            state = emptied(state)  # somebody deleted the dataset: what is read next is its first version again
        return _Job(source, connection, state, lease, clock.now(), clock.monotonic())

    def _sync(self, job: _Job, *, is_forced: bool, progress: Progress) -> SyncOutcome:
        try:
            return self._attempt(job, is_forced=is_forced, progress=progress)
        except SourceGone as error:
            return self._gone(job, error)
        except SourceNotAuthorized as error:
            return self._not_authorized(job, error)
        except SourceUnavailable as error:
            return self._try_again(job, error)
        except (Unavailable, OptimisticConcurrencyConflict):
            raise  # ours to repeat: nothing is known against the source
        except SpiceError as error:
            return self._end(job, SyncStatus.FAILED, error)

    def _attempt(self, job: _Job, *, is_forced: bool, progress: Progress) -> SyncOutcome:
        if not job.source.is_enabled:
            return SyncOutcome(job.source.source_id, "disabled", job.state)
        connector = self._parts.connections.connector(job.connection.kind)
        access = self._parts.connections.access(job.connection)
        is_full = is_forced or wants_full_read(job.source, job.state, job.began_at)
        revision = connector.revision(access, spec_of(job.source), job.state.cursor)
        is_full_due = is_full and job.source.watermark_column is not None
        if not is_forced and not is_full_due and is_unchanged(job.state, revision):
            return self._rest(job, SyncOutcome(job.source.source_id, "unchanged", job.state))
        try:
            return self._take(job, access, is_full=is_full, progress=progress)
        except InvalidInput as error:
            return self._end(job, SyncStatus.FAILED, error, revision=revision)

    def _take(self, job: _Job, access: Access, *, is_full: bool, progress: Progress) -> SyncOutcome:
        parts, source = self._parts, job.source
        base = None if is_full else self._base(job)
        connector = parts.connections.connector(job.connection.kind)
        with tempfile.TemporaryDirectory(dir=self._scratch(), prefix="sync-") as folder:
            fetched = parts.fetch.run(
                connector,
                access,
                source,
                cursor=job.state.cursor if base is not None else None,
                base=base,
                folder=Path(folder),
                progress=self._beating(job, progress),
            )
            if fetched.content_hash == job.state.content_hash:
                return self._keep(job, fetched, job.state, result="unchanged")
            parts.work.renew(job.lease, seconds=_UPLOAD_LEASE_SECONDS)
            state = self._upload.run(source, job.connection.kind, job.state, fetched)
        return self._keep(job, fetched, state, result="new_version")

    def _keep(self, job: _Job, fetched: Fetched, state: SyncState, *, result: str) -> SyncOutcome:
        seconds = round(self._parts.clock.monotonic() - job.began, 3)
        version_id = state.version_id if result == "new_version" else None
        run = SyncRun(job.began_at, result, version_id=version_id, row_count=fetched.row_count, seconds=seconds)
        after = succeeded(state, run, cursor=fetched.end.cursor, revision=fetched.end.revision, is_full=fetched.is_full)
        is_news = replace(after, synced_at=None, full_read_at=None) != replace(job.state, synced_at=None, full_read_at=None)
        if is_news or (job.source.watermark_column and fetched.is_full):
            self._save(job.source, after)
        outcome = SyncOutcome(job.source.source_id, result, after, version_id=version_id, row_count=fetched.row_count)
        return self._rest(job, outcome)

    def _gone(self, job: _Job, error: SourceGone) -> SyncOutcome:
        """Do what the policy says; told once, however often it is found to be gone."""
        if job.source.on_source_deleted is DeletedPolicy.FAIL:
            return self._end(job, SyncStatus.FAILED, error)
        if job.state.status is SyncStatus.GONE:
            return self._rest(job, SyncOutcome(job.source.source_id, "gone", job.state, error=error.message))
        if job.source.on_source_deleted is DeletedPolicy.KEEP:
            return self._end(job, SyncStatus.GONE, error)
        with suppress(DatasetNotFound):
            self._parts.catalogue.delete_dataset(job.source.database, job.source.source_id, actor=ACTOR)
        return self._end(replace(job, state=emptied(job.state)), SyncStatus.GONE, error, result="deleted")

    def _not_authorized(self, job: _Job, error: SourceNotAuthorized) -> SyncOutcome:
        if job.connection.status is ConnectionStatus.ACTIVE:
            with suppress(OptimisticConcurrencyConflict):  # somebody gave new credentials meanwhile
                self._parts.connections.mark(job.connection, ConnectionStatus.NEEDS_AUTHORIZATION, actor=ACTOR)
        return self._end(job, SyncStatus.NEEDS_AUTHORIZATION, error)

    def _try_again(self, job: _Job, error: SourceUnavailable) -> SyncOutcome:
        asked = error.details.get("retry_after")
        jitter = random_fraction(self._parts.ids)
        pause = pause_seconds(job.state.attempts + 1, jitter=jitter, asked=float(asked) if asked is not None else None)
        state = failed(job.state, self._error_run(job, error, error.code), code=error.code, pause=pause)
        self._save(job.source, state)
        result = "retrying" if state.status is SyncStatus.RETRYING else "failed"
        return SyncOutcome(job.source.source_id, result, state, error=error.message)

    def _end(
        self, job: _Job, status: SyncStatus, error: SpiceError, *, result: str | None = None, revision: str | None = None
    ) -> SyncOutcome:
        run = self._error_run(job, error, result or error.code)
        state = ended_with(job.state, status, run, code=error.code, revision=revision)
        self._save(job.source, state)
        return self._rest(job, SyncOutcome(job.source.source_id, result or status.value, state, error=error.message))

    def _error_run(self, job: _Job, error: SpiceError, result: str) -> SyncRun:
        seconds = round(self._parts.clock.monotonic() - job.began, 3)
        return SyncRun(job.began_at, result, error=error.message[:_ERROR_CHARACTERS], seconds=seconds)

    def _rest(self, job: _Job, outcome: SyncOutcome) -> SyncOutcome:
        """Let the source rest for its polling interval: until the lease of its pause runs out."""
        owner = self._parts.ids.new_id()
        self._parts.work.acquire(_pause_name(job.source), owner=owner, seconds=job.source.polling_interval_seconds)
        return outcome

    def _save(self, source: ConnectorSource, state: SyncState, *, actor: str | None = ACTOR) -> None:
        """Put `state` on record. Raises `OptimisticConcurrencyConflict` where another sync did meanwhile."""
        self._parts.records.save(
            source.database,
            RecordKind.CONNECTOR_SYNC,
            source.source_id,
            state_document(state),
            branch=source.branch,
            parent=source.connection_id,
            status=state.status,
            expected_seq=state.version or None,
            actor=actor,
        )

    def _decide(
        self,
        database: str,
        source_id: str,
        change: Callable[[SyncState], SyncState],
        allowed: set[SyncStatus],
        actor: str | None,
    ) -> SyncState:
        source = self._parts.connections.source(database, source_id)
        state = self.state(source)
        if state.status not in allowed:
            raise Conflict(f"the sync of {source_id} is {state.status}")
        self._save(source, change(state), actor=actor)
        return change(state)

    def _base(self, job: _Job) -> Path | None:
        """Return the file that the last upload of this source was; None where it is not there any more."""
        version = self._parts.registry.version(job.source.database, job.state.version_id) if job.state.version_id else None
        if version is None:
            return None
        return self._parts.datasets.local_path(job.source.database, version.commit_id, version.raw_path)

    def _beating(self, job: _Job, progress: Progress) -> Progress:
        clock, work = self._parts.clock, self._parts.work
        beaten = clock.monotonic()

        def beat(rows: int) -> None:
            nonlocal beaten
            if clock.monotonic() - beaten >= _BEAT_SECONDS:
                work.renew(job.lease, seconds=_READ_LEASE_SECONDS)
                beaten = clock.monotonic()
            progress(rows)

        return beat

    def _scratch(self) -> Path:
        self._parts.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._parts.scratch


def _lease_name(source_id: str) -> str:
    return f"connector:{source_id}"


def _pause_name(source: ConnectorSource) -> str:
    return f"connector-pause:{source.incarnation}"
