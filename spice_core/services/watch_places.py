"""Files that others put into watched places become versions of datasets, each once per change of content."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Unpack

from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.ingest_requests import IngestRequest, UploadRequest
from spice_core.domain.table_names import dataset_name_of
from spice_core.domain.watched_places import ACTIVE, WatchedPlace, checked_place, place_of
from spice_core.errors import (
    Conflict,
    IdempotencyMismatch,
    ObjectNotFound,
    OptimisticConcurrencyConflict,
    RecordNotFound,
    SpiceError,
)
from spice_core.ports.id_source import IdSource
from spice_core.ports.inbox import Inbox, InboxFile
from spice_core.ports.registry import Registry
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.ingest_dataset import IngestDataset, RawUpload
from spice_core.services.submit_commands import Accepted, CommandService, Origin
from spice_core.services.submit_records import RecordCommands

_log = logging.getLogger(__name__)
_ACTOR = "watch"
_TURN_SECONDS = 120.0
_MOST_FILES = 10_000
_MOST_PLACES = 1000


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """What a scan did with a file: `ingested`, or `failed` and why."""

    database: str
    place_id: str
    path: str
    outcome: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class WatchScan:
    """What one scan did, in files but for `places`.

    `waiting`: not quiet for long enough yet, or a part was down. `unreachable`: places that could not be read.
    """

    places: int = 0
    ingested: int = 0
    failed: int = 0
    unchanged: int = 0
    waiting: int = 0
    unreachable: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that a scan would take in now: `stamp` tells one state of it from the next."""

    database: str
    place_id: str
    path: str
    stamp: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file, why it is left alone (`state`: unchanged, waiting; None: it is not), and what its last readable state made."""

    file: InboxFile
    state: str | None
    made: Mapping[str, Any] | None


Progress = Callable[[WatchedFile], None]


class WatchPlaces:
    """Keeps watched places, and scans them. One scan of a place at a time; a file that failed waits until it changes."""

    def __init__(
        self,
        *,
        ingest: IngestDataset,
        inbox: Inbox,
        registry: Registry,
        commands: CommandService,
        log: EventLog,
        work: WorkLedger,
        ids: IdSource,
    ) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._registry = registry
        self._commands = commands
        self._records = RecordCommands(commands=commands, registry=registry)
        self._log = log
        self._work = work
        self._ids = ids

    def add(self, place: WatchedPlace, **origin: Unpack[Origin]) -> Accepted:
        """Watch a place from now on, or change how.

        Raises:
            InvalidInput, InvalidName: it cannot be.
            Forbidden: it lies below none of the roots that may be watched.
            DatabaseNotFound, BranchNotFound: there is nothing to put its files on.
        """
        place = replace(checked_place(place), place=self._inbox.check(place.place))
        self._commands.settled.view(place.database, place.branch)
        return self._records.save(
            place.database, RecordKind.WATCH, place.record_id, place.as_json(), branch=place.branch, status=ACTIVE, **origin
        )

    def remove(self, database: str, place_id: str, **origin: Unpack[Origin]) -> Accepted:
        """Watch a place no longer; what came from it stays. Raises `RecordNotFound`."""
        found = next((place for place in self.places(database) if place.place_id == place_id), None)
        if found is None:
            raise RecordNotFound(f"There is no watched place {place_id[:100]!r}")
        return self._records.delete(database, RecordKind.WATCH, found.record_id, **origin)

    def places(self, database: str) -> list[WatchedPlace]:
        """Return the watched places of a database, by their ids."""
        found = self._registry.records(database, RecordKind.WATCH, status=ACTIVE, limit=_MOST_PLACES)
        return sorted(map(place_of, found), key=lambda place: place.place_id)

    def files(self, database: str, place_id: str) -> list[CatalogueRecord]:
        """Return what became of the files of a place, those that changed last first."""
        place = next((place for place in self.places(database) if place.place_id == place_id), None)
        if place is None:
            raise RecordNotFound(f"There is no watched place {place_id[:100]!r}")
        return self._registry.records(database, RecordKind.WATCH, parent=place.record_id, limit=_MOST_FILES)

    def scan(self, progress: Progress | None = None) -> WatchScan:
        """Look at every place of every database once, and take in what is new; repeat it at your own pace.

        A file that cannot be read as a table is put on record as failed, and the scan goes on; so does a place that cannot be
        read. A scan that died is repeated by the next one without a second version.
        """
        found = WatchScan()
        for database in self._log.databases():
            for place in self.places(database):
                with self._turn(place) as is_mine:
                    if is_mine:
                        found = self._scanned(found, place, progress or _silent)
        return found

    def arrivals(self) -> list[Arrival]:
        """Return the files that a scan would take in now, of all databases; reads none. A place that cannot be read has none."""
        return [
            Arrival(place.database, place.place_id, file.path, file.stamp, file.size_bytes)
            for database in self._log.databases()
            for place in self.places(database)
            for file in (seen.file for seen in self._look(place) or () if seen.state is None)
        ]

    def _look(self, place: WatchedPlace) -> list[_Seen] | None:
        """Return the wanted files; None where the place cannot be read."""
        try:
            files = [file for file in self._inbox.files(place.place, limit=_MOST_FILES) if place.wants(file.path)]
        except SpiceError as error:
            _log.warning("place %s of %s cannot be read: %s", place.place_id, place.database, error.message)
            return None
        known = self._registry.records(place.database, RecordKind.WATCH, parent=place.record_id, limit=_MOST_FILES)
        documents = {str(record.document["path"]): record.document for record in known}

        def seen(file: InboxFile) -> _Seen:
            document = documents.get(file.path, {})
            state = "waiting" if file.quiet_seconds < place.stable_seconds else None
            return _Seen(file, "unchanged" if document.get("stamp") == file.stamp else state, document.get("made"))

        return [seen(file) for file in files]

    def _scanned(self, found: WatchScan, place: WatchedPlace, progress: Progress) -> WatchScan:
        seen = self._look(place)
        if seen is None:
            return replace(found, places=found.places + 1, unreachable=found.unreachable + 1)
        counts = dict.fromkeys(("ingested", "failed", "unchanged", "waiting"), 0)
        for one in seen:
            if one.state is not None:
                counts[one.state] += 1
                continue
            done = self._taken(place, one.file, one.made)
            counts[done.outcome] += 1
            progress(done)
        return replace(found, places=found.places + 1, **{name: getattr(found, name) + count for name, count in counts.items()})

    def _taken(self, place: WatchedPlace, file: InboxFile, before: Mapping[str, Any] | None) -> WatchedFile:
        def told(outcome: str, message: str = "") -> WatchedFile:
            return WatchedFile(place.database, place.place_id, file.path, outcome, message)

        try:
            made = self._ingested(place, file, before)
        except ObjectNotFound as error:
            return told("waiting", error.message)
        except SpiceError as error:
            if error.retryable:
                return told("waiting", error.message)
            self._note(place, file, "FAILED", before, {"code": error.code, "message": error.message[:2000]})
            return told("failed", error.message)
        if made is None:
            return told("waiting", "it changed while it was read")
        self._note(place, file, "PUBLISHED", made)
        return told("ingested", made["request_id"])

    def _ingested(self, place: WatchedPlace, file: InboxFile, before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Take a file in, and return what it made; None where it is not what it was a moment ago.

        A file that was only touched makes what it made `before`. Otherwise that is part of the key: content that comes back after
        another one is a version again.
        """
        digest = hashlib.sha256()
        for chunk in self._inbox.read(place.place, file.path):
            digest.update(chunk)
        if before is not None and before["content_sha256"] == digest.hexdigest():
            return before
        request = self._request(place, file, digest.hexdigest(), after="" if before is None else before["request_id"])
        with self._ingest.receive(request, self._inbox.read(place.place, file.path)) as raw:
            if raw.content_sha256 != digest.hexdigest():
                return None
            found = self._made(raw)
        versions = [made.version_id for made in found.versions]
        return {"request_id": found.request_id, "versions": versions, "content_sha256": digest.hexdigest()}

    def _made(self, raw: RawUpload) -> IngestRequest:
        """Take received bytes in, and return the request as it is published.

        A scan may have died behind that, and what it made was deleted since: a file that was taken in once stays taken in.
        """
        try:
            return self._ingest.take_in(raw).request
        except (OptimisticConcurrencyConflict, IdempotencyMismatch):
            raise
        except Conflict:
            return self._ingest.requests.get(raw.request.database, raw.request_id)

    def _request(self, place: WatchedPlace, file: InboxFile, content: str, *, after: str) -> UploadRequest:
        said = json.dumps([place.place_id, place.place, file.path, content, after])
        filename = file.path.rpartition("/")[2]
        return UploadRequest(
            database=place.database,
            branch=place.branch,
            name=place.dataset or dataset_name_of(filename),
            filename=filename,
            key=f"watch {hashlib.sha256(said.encode()).hexdigest()}",
            source_type="file",
            actor=_ACTOR,
            origin={"kind": "watch", "place_id": place.place_id, "place": place.place, "path": file.path},
        )

    def _note(
        self,
        place: WatchedPlace,
        file: InboxFile,
        status: str,
        made: Mapping[str, Any] | None,
        error: Mapping[str, str] | None = None,
    ) -> None:
        """Put on record what became of this state of a file; `made` is what its last readable state made."""
        document = {"path": file.path, "stamp": file.stamp, "size_bytes": file.size_bytes, "made": made, "error": error}
        self._records.save(
            place.database,
            RecordKind.WATCH,
            place.file_record_id(file.path),
            document,
            branch=place.branch,
            parent=place.record_id,
            status=status,
            actor=_ACTOR,
        )

    @contextmanager
    def _turn(self, place: WatchedPlace) -> Iterator[bool]:
        """One scan of a place at a time saves work only: keys make a second one harmless."""
        lease = self._work.acquire(f"watch:{place.record_id}", owner=self._ids.new_id(), seconds=_TURN_SECONDS)
        try:
            yield lease is not None
        finally:
            if lease is not None:
                self._work.release(lease)


def _silent(_file: WatchedFile) -> None:
    """Tell nobody."""
