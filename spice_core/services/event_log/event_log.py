"""The event log: one totally ordered, gapless, hash-chained row of events per database.

The log is code over two ports. The object store's free slot is the only point where writers meet; the ledger is folded
behind the log and only remembers what the log says.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain import naming
from spice_core.domain.events import Event, RecordedEvent
from spice_core.errors import BrokenChain, Closed, CorruptSegment, DatabaseNotFound, LedgerUnavailable, SlotTaken
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry, Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.appender import Appender
from spice_core.services.event_log.database_log import Counters, DatabaseLog
from spice_core.services.event_log.decision import Proposal
from spice_core.services.event_log.folder import Folder, FoldingThread
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.pack import PackRange
from spice_core.services.event_log.packer import Dropped, Packer
from spice_core.services.event_log.packing_thread import PackingThread
from spice_core.services.event_log.preparation import prepare
from spice_core.services.event_log.reader import LogHead, LogReader
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.store_checks import DATABASES, join_installation, refuse_overwriting_store
from spice_core.services.event_log.tail import Tail
from spice_core.services.event_log.verifier import Progress, Verifier, VerifyReport


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The events as they stand in the log, in the request's order; `is_duplicate` where all were there before."""

    events: tuple[RecordedEvent, ...]
    is_duplicate: bool


@dataclass(frozen=True, slots=True)
class LogStats:
    """How long a log is, how far the ledger is behind, and what this process did on it."""

    database: str
    head: LogHead
    folded: LogHead
    counters: Counters

    @property
    def unfolded_events(self) -> int:
        """How many events the ledger lacks."""
        return self.head.position - self.folded.position


class EventLog:
    """The logs of all databases over one object store and one ledger, for one process and any number of its threads.

    Several processes may use the same store and ledger. Commands are numbered per aggregate (1, 2, 3 …) and checked
    against `expected`; domain events keep the number they come with. An event id stands in a log once.
    """

    def __init__(
        self, *, store: ObjectStore, ledger: Ledger, clock: Clock, ids: IdSource, writer_id: str, limits: LogLimits | None = None
    ) -> None:
        """Nothing is read or started yet. `writer_id` stands in the segments, for operators."""
        self.limits = limits or LogLimits()
        self._store = store
        self._ledger = ledger
        self.clock = clock
        self._ids = ids
        self._writer_id = writer_id
        self._segments = Segments(store, clock=clock, ids=ids, limits=self.limits)
        self._reader = LogReader(self._segments)
        self._folder = Folder(segments=self._segments, ledger=ledger, tail_of=self._tail_of, when_folded=self._when_folded)
        self._folding = FoldingThread(
            self._folder,
            databases=self.databases,
            heads=ledger.heads,
            afterwards=self._load_filter,
            interval_seconds=self.limits.fold_seconds,
            sweep_seconds=self.limits.sweep_seconds,
        )
        self._packer = Packer(self._segments, store=store, ledger=ledger, clock=clock, limits=self.limits)
        self._packing = PackingThread(self._packer, heads=ledger.heads, interval_seconds=self.limits.pack_seconds)
        self._appenders: dict[str, Appender] = {}
        self._lock = threading.Lock()
        self._appended = threading.Condition()
        self._appends = 0
        self._seen = threading.local()
        self._is_closed = False

    def start(self, *, adopts: bool = True) -> None:
        """Check the store, and fold (and pack, if the limits say so) in the background from now on.

        `adopts`: a ledger without a past joins the installation that the store belongs to.

        Raises:
            ConfigurationError: the store lets a second put of a key through, or is another installation's.
            StoreUnavailable, LedgerUnavailable: (retryable) the store or the ledger does not answer.
        """
        self._check_open()
        refuse_overwriting_store(self._store, self._ids)
        join_installation(self._store, self._ledger, self._ids, adopts=adopts)
        self._folding.start()
        if self.limits.pack_seconds:
            self._packing.start()

    def close(self) -> None:
        """Stop what runs and refuse further calls; closing again does nothing. The store and the ledger stay open."""
        if not self._is_closed:
            self._is_closed = True
            self._packing.stop()
            self._folding.stop()
            self._segments.close()
            with self._appended:
                self._appended.notify_all()

    def append(
        self, database: str, events: Sequence[Event], *, expected: Mapping[str, int] | None = None, create: bool = False
    ) -> AppendResult:
        """Append `events` as one unit, all or none, and return them when they are durable.

        `expected` maps `{aggregate_type}|{aggregate_id}` to the number the aggregate must have before. A repetition
        returns the first result, whatever it expects. `create` starts the log of a new database.

        Raises:
            DatabaseNotFound: the log does not exist and `create` is not set.
            OptimisticConcurrencyConflict: an aggregate has another number; nothing was appended.
            IdempotencyMismatch: an event id was used before with another payload; nothing was appended.
            InvalidEvent, TooLarge, InvalidName: the request cannot be appended.
            LogBehind, LedgerUnavailable: (retryable) nothing was appended.
            StoreUnavailable: (retryable) the outcome is not known: repeat the request, with the same ids.
            BrokenChain, CorruptSegment: the log is damaged.
        """
        appender = self._appender(database, create=create)
        request = prepare(events, expected or {}, limits=self.limits)
        accepted = appender.append(request)
        placed = zip(request.proposals, accepted.entries, strict=True)
        if not accepted.is_duplicate:
            segment = max(entry.segment for entry in accepted.entries)
            return AppendResult(tuple(self._placed(database, p, entry, segment) for p, entry in placed), is_duplicate=False)
        return AppendResult(tuple(self._recorded(database, entry) for _, entry in placed), is_duplicate=True)

    def number(self, database: str, aggregate: str) -> int:
        """Return how many commands of `aggregate` (`{type}|{id}`) the log has accepted, 0 for an unknown one."""
        return self.numbers(database, [aggregate])[aggregate]

    def numbers(self, database: str, aggregates: Collection[str]) -> dict[str, int]:
        """Return the number of each of `aggregates`, all of one moment."""
        log = self._appender(database).log
        with log.turn:
            log.know_head(aggregates=aggregates)
            tail = log.tail
            return {} if tail is None else {aggregate: tail.number_of(aggregate) for aggregate in aggregates}

    def find(self, database: str, event_id: str) -> RecordedEvent | None:
        """Return the event with this id, or None where the log, read to its head, does not have it."""
        log = self._appender(database).log
        entry = self._ledger.view(database, event_ids=[event_id]).known.get(event_id)
        if entry is None:
            with log.turn:
                known = log.know_head(event_ids=[event_id])
                tail = log.tail
                entry = known.get(event_id) or (tail.known(event_id) if tail is not None else None)
        return None if entry is None else self._recorded(database, entry)

    def holds(self, database: str, event_ids: Collection[str]) -> set[str]:
        """Return those of `event_ids` that the log, read to its head, has: any number, in one question."""
        log = self._appender(database).log
        with log.turn:
            known = log.know_head(event_ids=event_ids)
            tail = log.tail
            return {name for name in event_ids if name in known or (tail is not None and tail.known(name) is not None)}

    def read(self, database: str, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events after position `after`, in order; empty at the head and for an unknown database.

        Raises:
            CorruptSegment, BrokenChain: the log is damaged right there; what stands before it was or is returned.
            StoreUnavailable: (retryable) the store does not answer.
        """
        self._check_open()
        return self._reader.read(database, after=after, limit=limit)

    def read_lines(self, database: str, *, after: int, limit: int) -> list[bytes]:
        """Return what `read` returns as the JSON lines that the log holds, checked alike but not parsed.

        For whoever passes events on: the positions are `after` + 1, `after` + 2 …
        """
        self._check_open()
        return self._reader.read_lines(database, after=after, limit=limit)

    def read_placed_lines(self, database: str, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the same lines, each with the number of its segment."""
        self._check_open()
        return self._reader.read_placed_lines(database, after=after, limit=limit)

    def lines(self, database: str, *, segment: int) -> list[dict[str, Any]]:
        """Return the events of a segment as JSON objects with every field they have, also unknown ones.

        Raises:
            CorruptSegment: its bytes are not what was written.
        """
        self._check_open()
        found = self._segments.read(database, segment)
        return [] if found is None else found.records()

    def head(self, database: str) -> LogHead:
        """Return the newest segment of the log, its last position and its hash; zeros for an unknown database."""
        self._check_open()
        return self._reader.head(database)

    def told(self) -> dict[str, int]:
        """Return the newest position of each log as ledger and process know it: the store is not asked, so it may trail."""
        self._check_open()
        known = {name: head.position for name, head in self._ledger.heads().items()}
        for name, appender in tuple(self._appenders.items()):
            if (tail := appender.log.tail) is not None:
                known[name] = max(tail.head.position, known.get(name, 0))
        return known

    def databases(self) -> list[str]:
        """Return every database that has a log, in name order."""
        self._check_open()
        names: list[str] = []
        after = ""
        while keys := self._store.list_keys(DATABASES, after=after):
            names += [key.removeprefix(DATABASES) for key in keys]
            after = keys[-1]
        return names

    def exists(self, database: str) -> bool:
        """Whether the database has a log; a deleted database keeps it."""
        self._check_open()
        return database in self._appenders or self._store.size(DATABASES + _checked(database)) is not None

    def wait(self, *, seconds: float) -> None:
        """Return when this process appended something since this thread's last `wait`, at the latest after `seconds`."""
        with self._appended:
            if getattr(self._seen, "appends", 0) == self._appends and not self._is_closed:
                self._appended.wait(seconds)
            self._seen.appends = self._appends

    def fold(self, database: str) -> int:
        """Fold what the ledger lacks; return how many events that were, 0 also where another process is at it."""
        self._check_open()
        return self._folder.fold(database)

    def rebuild_ledger(self, database: str) -> int:
        """Forget what the ledger has of `database` and fold its whole log again; return how many events that were.

        Accepts the log as it is: also one that lost segments which the ledger had folded.
        """
        self._check_open()
        appender = self._appender(database)
        with appender.log.turn:
            self._ledger.forget(database)
            appender.log.forget()
        self._reader.head(database)  # so that readers know how far they may fetch ahead
        return self._folder.fold(database)

    def pack(self, database: str, *, progress: Progress | None = None) -> list[PackRange]:
        """Copy what the ledger has folded into packs (see `Packer.pack`); `progress` is called after every pack."""
        self._check_open()
        return self._packer.pack(database, progress=progress)

    def drop_packed(self, database: str, *, before: int, progress: Progress | None = None) -> Dropped:
        """Remove the segments below segment `before` that stand in a pack (see `Packer.drop`)."""
        self._check_open()
        return self._packer.drop(database, before=before, progress=progress)

    def verify(self, database: str, *, progress: Progress | None = None, witness: LogHead | None = None) -> VerifyReport:
        """Check the whole log, byte for byte; `witness` is a head kept elsewhere (see `signed_head`).

        `progress` is called with segment and position after every segment. Also compares with the ledger, where that
        answers. Problems are reported, not raised.
        """
        self._check_open()
        try:
            folded = self._ledger.view(database).head
        except LedgerUnavailable:
            folded = EMPTY_HEAD
        return Verifier(database, self._segments, folded=folded, witness=witness, progress=progress).verify()

    def stats(self, database: str) -> LogStats:
        """Return the log's length, the ledger's lag, and this process's counters."""
        appender = self._appender(database)
        folded = self._ledger.view(database).head
        head = LogHead(folded.segment, folded.position, folded.chain_hash)
        return LogStats(database, self._reader.head(database), head, appender.log.counters)

    def _placed(self, database: str, proposal: Proposal, entry: IndexEntry, segment: int) -> RecordedEvent:
        """Return a recorded event: ours, or for one that the log had before, the one it has."""
        if entry.segment != segment:
            return self._recorded(database, entry)
        event = proposal.event
        number = entry.sequence_number if entry.is_command else event.sequence_number
        numbered = Event(
            event.event_id,
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            event.occurred_at,
            event.data,
            event.metadata,
            event.actor,
            event.schema_version,
            number,
        )
        return RecordedEvent(database, entry.position, entry.segment, numbered)

    def _recorded(self, database: str, entry: IndexEntry) -> RecordedEvent:
        segment = self._segments.read(database, entry.segment)
        if segment is None:
            raise BrokenChain(
                f"Segment {entry.segment} of {database} is missing", details={"database": database, "segment": entry.segment}
            )
        place = entry.position - segment.header.first
        for recorded in segment.events(place, place + 1) if place >= 0 else ():
            if recorded.event.event_id == entry.event_id:
                return recorded
        raise CorruptSegment(
            f"Segment {entry.segment} of {database} does not hold event {entry.event_id}, which the ledger knows"
        )

    def _appender(self, database: str, *, create: bool = False) -> Appender:
        self._check_open()
        appender = self._appenders.get(database)
        if appender is not None:
            return appender
        marker = DATABASES + _checked(database)
        if create:
            self._mark(marker)
        elif self._store.size(marker) is None:
            raise DatabaseNotFound(f"There is no database {database}")
        with self._lock:
            return self._appenders.setdefault(database, self._build_appender(database))

    def _mark(self, marker: str) -> None:
        try:
            self._store.put_if_absent(marker, b"{}\n")
        except SlotTaken:
            return

    def _build_appender(self, database: str) -> Appender:
        log = DatabaseLog(
            database,
            segments=self._segments,
            ledger=self._ledger,
            ids=self._ids,
            writer_id=self._writer_id,
            max_tail_events=self.limits.max_tail_events,
            max_filter_keys=self.limits.max_filter_keys,
            max_numbers=self.limits.max_numbers,
        )
        return Appender(
            log,
            max_waiting=self.limits.max_waiting,
            max_batch_events=self.limits.max_batch_events,
            max_batch_bytes=self.limits.max_batch_bytes,
            window_seconds=self.limits.window_seconds,
            when_appended=self._when_appended,
        )

    def _when_appended(self, database: str) -> None:
        self._folding.mark(database)
        with self._appended:
            self._appends += 1
            self._appended.notify_all()

    def _when_folded(self, database: str, folded: FoldedHead) -> None:
        appender = self._appenders.get(database)
        if appender is not None:
            appender.log.note_folded(folded)

    def _load_filter(self, database: str) -> None:
        appender = self._appenders.get(database)
        if appender is not None:
            appender.log.load_filter()

    def _tail_of(self, database: str) -> Tail | None:
        appender = self._appenders.get(database)
        return None if appender is None else appender.log.tail

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The event log is closed.")


def _checked(database: str) -> str:
    return database if database == naming.SYSTEM_DATABASE else naming.database_name(database)
