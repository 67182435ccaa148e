"""From a file that comes in to registered dataset versions, once per idempotency key."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path

from spice_core.domain.commands import Command
from spice_core.domain.corrections import ColumnCorrection
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.ingest_requests import (
    MOST_RESUMED,
    IngestRequest,
    IngestState,
    MadeVersion,
    UploadRequest,
    failed,
)
from spice_core.domain.table_names import dataset_name_of
from spice_core.errors import (
    IdempotencyMismatch,
    InvalidInput,
    OptimisticConcurrencyConflict,
    SpiceError,
    Unavailable,
)
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.registry import Registry
from spice_core.ports.source_files import SourceFiles
from spice_core.ports.table_engine import TableEngine
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.build_media import MEDIA, BuildMedia
from spice_core.services.build_tables import BuildTables, BuiltFile
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.infer_types import InferTypes
from spice_core.services.ingest_requests import IngestRequests
from spice_core.services.ingest_turn import turn_of_request
from spice_core.services.known_tables import KnownTables
from spice_core.services.publish_versions import Publication, PublishVersions, chunks_of, schema_hash
from spice_core.services.receive_upload import RawUpload, Workshop, check_request
from spice_core.services.submit_commands import CommandService
from spice_core.services.waiting_room import WaitingRoom

__all__ = ["IngestDataset", "Ingested", "RawUpload", "Retyping", "UploadRequest", "dataset_name_of", "schema_hash"]

_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Ingested:
    """A request that is published, and its versions as the registry has them, the largest table's first."""

    request: IngestRequest
    versions: Sequence[DatasetVersion]


@dataclass(frozen=True, slots=True)
class Retyping:
    """A version to be made again with columns as people said.

    `version_id` is the one it gets; `moved` returns the commands that go into the log with it.
    """

    dataset: str
    corrections: Sequence[ColumnCorrection]
    version_id: str
    actor: str | None
    moved: Callable[[Sequence[MadeVersion]], Sequence[Command]]


class IngestDataset:
    """Takes files in: on record before work starts, bytes kept before what is read of them, all versions of a file or none.

    What dies where: before RECEIVED nothing happened; before RAW_COMMITTED the sender has to come again; after that whoever
    comes next (the sender's retry, or reconciliation) goes on with the kept bytes; the versions and PUBLISHED are one append.
    What a crash leaves in the dataset store besides is named by nothing there, and may be collected.
    """

    def __init__(
        self,
        *,
        datasets: DatasetStore,
        sources: SourceFiles,
        tables: TableEngine,
        registry: Registry,
        commands: CommandService,
        log: EventLog,
        work: WorkLedger,
        clock: Clock,
        ids: IdSource,
        scratch: Path,
        max_bytes: int = 2_000_000_000,
        wait_seconds: float = 30.0,
        patience_seconds: float = 20.0,
        room: WaitingRoom | None = None,
    ) -> None:
        """Keep the ports.

        `scratch` is a local directory for the files of one ingest, `max_bytes` bounds an upload, `room` how many are worked on
        at once, `patience_seconds` how long one waits for another with its key.
        """
        self._datasets = datasets
        self._commands = commands
        self._work = work
        self._clock = clock
        self._ids = ids
        self._workshop = Workshop(scratch, max_bytes=max_bytes, room=room)
        self._patience_seconds = patience_seconds
        self.requests = IngestRequests(registry=registry, commands=commands, log=log, clock=clock, wait_seconds=wait_seconds)
        self._known = KnownTables(registry=registry)
        infer = InferTypes(tables=tables, scratch=scratch)
        self._build = BuildTables(sources=sources, tables=tables, infer=infer)
        self._media = BuildMedia(tables=tables, infer=infer)
        self._publish = PublishVersions(
            datasets=datasets, registry=registry, commands=commands, log=log, clock=clock, wait_seconds=wait_seconds
        )

    def run(self, request: UploadRequest, chunks: Iterable[bytes]) -> DatasetVersion:
        """Take in one file and return the registered version of its only or largest table. Raises as `ingest`."""
        return self.ingest(request, chunks).versions[0]

    def ingest(self, request: UploadRequest, chunks: Iterable[bytes]) -> Ingested:
        """Take in one file and return its registered versions; a repetition returns the first ones.

        Raises:
            InvalidInput, InvalidName: the request cannot be; nothing is on record.
            DatabaseNotFound, BranchNotFound: there is nothing to put it on; nothing is on record.
            TooLarge: over the size limit; nothing is on record.
            UnreadableFile: it is no table; the request is FAILED and says why, nothing is registered, the key is free.
            IdempotencyMismatch: the key stands for another upload; nothing changes.
            Conflict: the key's versions were deleted since.
            Unavailable: (retryable) too many files are worked on, or another worker is at this one.
            LogBehind: (retryable, with the same key) accepted, and not yet in the registry.
        """
        with self.receive(request, chunks) as raw:
            return self.take_in(raw)

    @contextmanager
    def receive(self, request: UploadRequest, chunks: Iterable[bytes]) -> Iterator[RawUpload]:
        """Take the bytes to a local file and lend it to `take_in`. Raises as `ingest`; memory does not grow with the file."""
        check_request(request)
        self._commands.settled.view(request.database, request.branch)
        with self._workshop.place(), self._workshop.receive(request, chunks) as raw:
            yield raw

    def take_in(self, raw: RawUpload) -> Ingested:
        """Keep, read, type and register received bytes. Raises as `ingest`."""
        found = self._same(raw, self.requests.find(raw.request.database, raw.request_id))
        if found is None or found.state is not IngestState.PUBLISHED:
            with self._turn(raw.request.database, raw.request_id):
                found = self._same(raw, self.requests.find(raw.request.database, raw.request_id))
                found = self._worked(found or self._fresh(raw), raw)
        return self._answer(found)

    def resume(self, database: str, request_id: str) -> IngestRequest:
        """Go on with a request whose bytes are kept and whose worker is gone; return it as it ends.

        Raises:
            LedgerUnavailable: (retryable) its worker is alive.
            Unavailable: (retryable) a part is down; the request stays as it is.
        """
        with self._turn(database, request_id, patience=0.0):
            found = self.requests.get(database, request_id)
            if found.state is not IngestState.RAW_COMMITTED:
                return found
            if found.resumed >= MOST_RESUMED:
                message = f"gave up after {found.resumed} attempts that did not end"
                return self.requests.save(failed(found, code="gave_up", message=message, at=self._clock.now()))
            found = self.requests.save(replace(found, resumed=found.resumed + 1))
            try:
                with self._reading(found, lambda: self._raw_file(found)) as built:
                    return self._published(found, built)
            except SpiceError as error:
                if error.retryable:
                    raise
                return self.requests.get(database, request_id)

    def settle_received(self, database: str, request_id: str) -> IngestRequest:
        """End what a dead worker left as RECEIVED: its bytes are kept after all, or it fails; return it as it stands then.

        Raises:
            LedgerUnavailable: (retryable) its worker is alive.
        """
        with self._turn(database, request_id, patience=0.0):
            found = self.requests.get(database, request_id)
            if found.state is not IngestState.RECEIVED:
                return found
            kept = self._kept_commit(found)
            if kept is not None:
                return self.requests.save(replace(found, state=IngestState.RAW_COMMITTED, raw_commit=kept))
            message = "the upload broke off before its bytes were kept"
            return self.requests.save(failed(found, code="interrupted", message=message, at=self._clock.now()))

    def retype(self, request: IngestRequest, retyping: Retyping) -> DatasetVersion:
        """Register another version of one dataset of a published request, from the same bytes, with columns as people said.

        Raises:
            InvalidInput: the corrections exclude each other, or the request is of media files.
            OptimisticConcurrencyConflict: a command of `retyping.moved` is refused; nothing is registered.
            Unavailable: (retryable) as `ingest`.
        """
        if request.request.source_type == MEDIA:
            raise InvalidInput("The columns of media files are what the files are: there is nothing to correct.")
        said = {retyping.dataset: retyping.corrections}
        names = self._known.naming(request.request, only=retyping.dataset, said=said)
        with self._workshop.place(), self._workshop.folder() as folder:
            built = self._build.build(self._raw_file(request), request.request, names, folder=folder)
            self._publish.publish(Publication(request, built, retyping.version_id, retyping.actor, retyping.moved))
        return self.registered(request.request.database, retyping.version_id)

    def registered(self, database: str, version_id: str) -> DatasetVersion:
        """Return an accepted version once the registry has it. Raises `LogBehind`, `Conflict` (deleted since)."""
        return self._publish.registered(database, version_id)

    def _worked(self, found: IngestRequest, raw: RawUpload) -> IngestRequest:
        """Bring a request from wherever it stands to PUBLISHED."""
        match found.state:
            case IngestState.PUBLISHED:
                return found
            case IngestState.RAW_COMMITTED:
                with self._reading(found, lambda: raw.spool) as built:
                    return self._published(found, built)
            case IngestState.FAILED:
                found = self._again(found, raw)
            case IngestState.RECEIVED if found.sequence:
                found = replace(found, attempts=found.attempts + 1)
        received = self.requests.save(found)
        with self._reading(received, lambda: raw.spool) as built:
            try:
                kept = self._kept(received, raw)
            except OptimisticConcurrencyConflict:  # somebody else went on with the request meanwhile
                return self._of_another_worker(received)
            return self._published(kept, built)

    @contextmanager
    def _reading(self, found: IngestRequest, file: Callable[[], Path]) -> Iterator[Future[BuiltFile]]:
        """Read a request's bytes beside what the block does, which may be to keep them.

        What is read of them goes nowhere before they are kept. An error of the block is raised when the reading has ended.
        """
        with self._workshop.folder() as folder, ThreadPoolExecutor(1, thread_name_prefix="ingest") as pool:
            yield pool.submit(copy_context().run, lambda: self._built(found, file(), folder))

    def _kept(self, received: IngestRequest, raw: RawUpload) -> IngestRequest:
        request, store = received.request, self._datasets
        stored = store.store(request.database, chunks_of(raw.spool))
        commit = store.commit(
            request.database,
            branch=request.branch,
            files={received.raw_path: stored},
            message=f"Receive {request.filename}",
            author=request.actor or "spice",
            at=received.received_at,
        )
        return self.requests.save(replace(received, state=IngestState.RAW_COMMITTED, raw_commit=commit.commit_id))

    def _published(self, kept: IngestRequest, reading: Future[BuiltFile]) -> IngestRequest:
        """Register what was read of kept bytes. An error that no retry can mend makes the request FAILED, and is raised."""
        try:
            built, actor = reading.result(), kept.request.actor
            made = self._publish.publish(
                Publication(kept, built, kept.request_id, actor, lambda made: [self.requests.draft(self._done(kept, made))])
            )
            return replace(self._done(kept, made), sequence=kept.sequence + 1)
        except (OptimisticConcurrencyConflict, IdempotencyMismatch):  # of the append: somebody else published
            return self._of_another_worker(kept)
        except SpiceError as error:
            if not error.retryable:
                with suppress(OptimisticConcurrencyConflict):
                    self.requests.save(failed(kept, code=error.code, message=error.message, at=self._clock.now()))
            raise

    def _built(self, kept: IngestRequest, file: Path, folder: Path) -> BuiltFile:
        if kept.request.source_type == MEDIA:
            return self._media.build(file, kept.request, folder=folder)
        return self._build.build(file, kept.request, self._known.naming(kept.request), folder=folder)

    def _done(self, kept: IngestRequest, made: Sequence[MadeVersion]) -> IngestRequest:
        return replace(kept, state=IngestState.PUBLISHED, versions=tuple(made), error=None, finished_at=self._clock.now())

    def _of_another_worker(self, kept: IngestRequest) -> IngestRequest:
        """Return what a worker made of the request that went on when this one seemed dead."""
        found = self.requests.get(kept.request.database, kept.request_id)
        if found.state is not IngestState.PUBLISHED:
            raise Unavailable("Another worker is at this ingest request; ask again.", details={"retry_after": _RETRY_SECONDS})
        return found

    def _raw_file(self, request: IngestRequest) -> Path:
        database, commit = request.request.database, str(request.raw_commit)
        files = self._datasets.files(database, commit, prefix=request.raw_path)
        path = request.raw_path if request.raw_path in files else f"{request.request.name}/raw"
        return self._datasets.local_path(database, commit, path)

    def _kept_commit(self, request: IngestRequest) -> str | None:
        """Return the commit that keeps a request's bytes, None where there is none: a failed attempt may have left others."""
        database, branch = request.request.database, request.request.branch
        head = self._datasets.head(database, branch)
        if head is None or request.raw_path not in self._datasets.files(database, head.commit_id, prefix=request.raw_path):
            return None
        digest = hashlib.sha256()
        for chunk in self._datasets.read(database, head.commit_id, request.raw_path):
            digest.update(chunk)
        return head.commit_id if digest.hexdigest() == request.content_sha256 else None

    def _answer(self, published: IngestRequest) -> Ingested:
        database = published.request.database
        versions = [self._publish.registered(database, made.version_id) for made in published.versions]
        return Ingested(published, versions)

    def _same(self, raw: RawUpload, found: IngestRequest | None) -> IngestRequest | None:
        """Return `found` if it is of this upload; one that failed leaves its key to any other."""
        if found is not None and found.state is not IngestState.FAILED and found.fingerprint != raw.fingerprint:
            raise IdempotencyMismatch(f"The idempotency key {raw.request.key[:80]!r} was used for another upload.")
        return found

    def _fresh(self, raw: RawUpload) -> IngestRequest:
        return IngestRequest(
            request_id=raw.request_id,
            request=raw.request,
            state=IngestState.RECEIVED,
            fingerprint=raw.fingerprint,
            content_sha256=raw.content_sha256,
            size_bytes=raw.size_bytes,
            received_at=self._clock.now(),
        )

    def _again(self, found: IngestRequest, raw: RawUpload) -> IngestRequest:
        return replace(self._fresh(raw), attempts=found.attempts + 1, sequence=found.sequence)

    @contextmanager
    def _turn(self, database: str, request_id: str, *, patience: float | None = None) -> Iterator[None]:
        seconds = self._patience_seconds if patience is None else patience
        owner = self._ids.new_id()
        with turn_of_request(database, request_id, owner=owner, work=self._work, clock=self._clock, patience=seconds):
            yield
