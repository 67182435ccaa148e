"""Making projections anew from the log: the ledger, the read models, the search index, the graph."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Conflict, LedgerUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.ledger import FoldedHead, Ledger
from spice_core.ports.read_models import AuditStore, CommandStatuses, LineageStore
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.work_ledger import Lease, WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.fingerprint import aggregate_key
from spice_core.services.handling import Handler, hold_name, lease_name
from spice_core.services.project_audit import AuditProjector
from spice_core.services.project_lineage import LineageProjector
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.rebuild_graph import GraphRebuilder
from spice_core.services.rebuild_search import Progress, SearchRebuild, SearchRebuilder, no_progress

ReadModel = Literal["statuses", "lineage", "audit"]
_PAGE = 1000
_POLL_SECONDS = 0.05
_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class LedgerComparison:
    """The ledger of one database before and after it was folded again.

    `missing` and `different` count events and aggregates of the log that the ledger before lacked, or knew otherwise; a
    ledger that trailed the log lacked its tail.
    """

    database: str
    events: int
    head_before: FoldedHead
    head_after: FoldedHead
    missing: int
    different: int

    @property
    def is_equal(self) -> bool:
        """Whether the ledger before said nothing else than the log."""
        return self.different == 0 and self.missing == 0


@dataclass(frozen=True, slots=True)
class ReadModelRebuild:
    """A read model made anew: events replayed, and whether what could be compared is as before.

    `digest_before` and `digest_after` stand for the rows up to the log's head: all of the audit, the counts and some
    hundred commands of the others. Retries that a status had shown are not in the log: they are no part of it.
    """

    name: ReadModel
    database: str
    events: int
    digest_before: str
    digest_after: str

    @property
    def is_equal(self) -> bool:
        """Whether the compared rows are the ones from before."""
        return self.digest_before == self.digest_after


@dataclass(frozen=True, slots=True)
class GraphComparison:
    """A graph made anew: commits replayed, and the head of each branch before and after.

    Equal commit ids stand for equal histories: an id is a hash over the changes and all that went before.
    """

    database: str
    commits: int
    heads_before: Mapping[str, str]
    heads_after: Mapping[str, str]

    @property
    def is_equal(self) -> bool:
        """Whether every branch ends in the commit it ended in before."""
        return self.heads_before == self.heads_after


@dataclass(frozen=True, slots=True)
class Stores:
    """The parts that a rebuild reads and writes."""

    log: EventLog
    ledger: Ledger
    work: WorkLedger
    graph: GraphStore
    search: SearchIndex
    statuses: CommandStatuses
    lineage: LineageStore
    audit: AuditStore
    clock: Clock


class Rebuilder:
    """Rebuilds of one database at a time. Workers may run: they give way where they must."""

    def __init__(self, stores: Stores, *, owner: str, lease_seconds: float = 30.0) -> None:
        """`owner` is unique to this call (an id); `lease_seconds` is the workers' setting."""
        self._stores = stores
        self._owner = owner
        self._lease_seconds = lease_seconds

    def ledger(self, database: str) -> LedgerComparison:
        """Forget the ledger of `database` and fold its log again. Raises `StoreUnavailable`, `LedgerUnavailable` (retryable)."""
        stores = self._stores
        before = stores.ledger.view(database).head
        missing, different = self._ledger_differences(database, upto=before.position)
        events = stores.log.rebuild_ledger(database)
        return LedgerComparison(database, events, before, stores.ledger.view(database).head, missing, different)

    def search(self, database: str, *, progress: Progress = no_progress, accept: bool = False) -> SearchRebuild:
        """Rebuild the search index of `database`; see `SearchRebuilder.rebuild`."""
        stores = self._stores
        rebuilder = SearchRebuilder(
            log=stores.log,
            work=stores.work,
            graph=stores.graph,
            search=stores.search,
            clock=stores.clock,
            owner=self._owner,
            lease_seconds=self._lease_seconds,
        )
        return rebuilder.rebuild(database, progress=progress, accept=accept)

    def graph(self, database: str, *, progress: Callable[[int], None] = lambda _position: None) -> GraphComparison:
        """Forget the graph of `database` and replay its log, while the graph worker gives way; readers see it grow again.

        One that dies in between is finished by the next call, or by the graph worker.

        Raises:
            BrokenChain: a commit came out with another id than the log says.
        """
        graph = self._stores.graph
        with self._in_place_of("graph", database):
            before = _heads(graph, database)
            graph.forget(database)
            done = GraphRebuilder(log=self._stores.log, graph=graph).rebuild(database, progress=progress)
        return GraphComparison(database, done.commits, before, _heads(graph, database))

    def read_model(self, name: ReadModel, database: str, *, progress: Progress = no_progress) -> ReadModelRebuild:
        """Empty a read model and replay the log into it; readers see it grow again.

        Raises:
            Unavailable: (retryable) a part does not answer; call again, the worker goes on by itself meanwhile.
        """
        stores = self._stores
        handler, store = self._projector(name)
        with self._in_place_of(name, database) as lease:
            position, head = 0, stores.log.head(database).position
            for events in self._pages(database, upto=head, after=store.position(database)):
                handler.handle(database, events)
            before = self._digest(name, database, upto=head)
            store.reset(database)
            stores.work.reset(name, database)
            for events in self._pages(database, upto=head):
                handler.handle(database, events)
                position = events[-1].position
                stores.work.mark_done(lease, name, [], database=database, position=position)
                stores.work.renew(lease, seconds=self._lease_seconds)
                progress(position, head)
            after = self._digest(name, database, upto=head)
        return ReadModelRebuild(name, database, position, before, after)

    def _projector(self, name: ReadModel) -> tuple[Handler, CommandStatuses | LineageStore | AuditStore]:
        stores = self._stores
        if name == "statuses":
            return StatusProjector(stores.statuses), stores.statuses
        if name == "lineage":
            return LineageProjector(stores.lineage), stores.lineage
        return AuditProjector(stores.audit), stores.audit

    def _digest(self, name: ReadModel, database: str, *, upto: int) -> str:
        """Return a hash over what a read model holds of events up to `upto`: all of the audit, a sample of the others."""
        found = hashlib.blake2b(digest_size=16)
        for row in self._audited(database, upto) if name == "audit" else self._sampled(name, database, upto):
            found.update(repr(row).encode())
        return found.hexdigest()

    def _audited(self, database: str, upto: int) -> Iterator[object]:
        before: tuple[str, int] | None = None
        while page := self._stores.audit.query(database=database, before=before, limit=_PAGE):
            yield from (entry for entry in page if entry.position <= upto)
            before = (database, page[-1].position)

    def _sampled(self, name: ReadModel, database: str, upto: int) -> Iterator[object]:
        stores = self._stores
        if name == "lineage":
            yield sorted(stores.lineage.counts(database).items())
        stride = max(1, upto // _SAMPLES)
        for events in self._pages(database, upto=upto):
            for command_id in [e.event.command_id for e in events if e.position % stride == 0 and e.event.command_id]:
                if name == "lineage":
                    yield from stores.lineage.of_command(database, command_id)
                elif (status := stores.statuses.get(command_id)) is not None:
                    yield status.command_id, status.state, status.result, status.total, status.done, status.failed

    def _ledger_differences(self, database: str, *, upto: int) -> tuple[int, int]:
        missing = different = 0
        numbers: dict[str, int] = {}
        for events in self._pages(database, upto=upto):
            known = self._stores.ledger.view(database, event_ids=[event.event.event_id for event in events]).known
            for recorded in events:
                entry = known.get(recorded.event.event_id)
                missing += entry is None
                is_same = entry is None or (entry.position, entry.segment) == (recorded.position, recorded.segment)
                different += not is_same
                if recorded.event.is_command:
                    numbers[aggregate_key(recorded.event)] = recorded.event.sequence_number or 0
        aggregates = list(numbers)
        for start in range(0, len(aggregates), _PAGE):
            page = aggregates[start : start + _PAGE]
            told = self._stores.ledger.view(database, aggregates=page).numbers
            different += sum(told.get(aggregate) != numbers[aggregate] for aggregate in page)
        return missing, different

    def _pages(self, database: str, *, upto: int, after: int = 0) -> Iterator[list[RecordedEvent]]:
        while after < upto and (events := self._stores.log.read(database, after=after, limit=min(_PAGE, upto - after))):
            yield events
            after = events[-1].position

    @contextmanager
    def _in_place_of(self, handler: str, database: str) -> Iterator[Lease]:
        """Ask the worker of a stream to give way, and hold its lease meanwhile."""
        work, clock = self._stores.work, self._stores.clock
        hold = work.acquire(hold_name(handler, database), owner=self._owner, seconds=3 * self._lease_seconds)
        if hold is None:
            raise Conflict(f"another rebuild of {handler} on {database} is under way")
        try:
            deadline = clock.monotonic() + 2 * self._lease_seconds
            name = lease_name(handler, database)
            while (lease := work.acquire(name, owner=self._owner, seconds=self._lease_seconds)) is None:
                if clock.monotonic() > deadline:
                    raise LedgerUnavailable(f"the worker of {name} did not give way")
                clock.sleep(_POLL_SECONDS)
            try:
                yield lease
            finally:
                work.release(lease)
        finally:
            work.release(hold)


def _heads(graph: GraphStore, database: str) -> dict[str, str]:
    return {branch.name: branch.head for branch in graph.branches(database)} if database in graph.databases() else {}
