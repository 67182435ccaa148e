"""Making the search index of one database anew from its log, while it is read and written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Conflict, LedgerUnavailable, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.work_ledger import Lease, WorkLedger
from spice_core.services.check_generation import GenerationCheck
from spice_core.services.compare_search import SearchComparison
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.handling import hold_name, lease_name
from spice_core.services.hold_search import SearchHolder
from spice_core.services.project_search import DATABASE_DELETED, SearchProjector

REBUILD = "search-rebuild"
_GENERATION = "search-rebuild-generation"
_PAGE = 1000
_POLL_SECONDS = 0.05
Progress = Callable[[int, int], None]


def no_progress(_position: int, _head: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class SearchRebuild:
    """What a rebuild did: from which position it resumed (0: from the start), how far, how many events, what it left out.

    `comparison` is of the new documents, all branches together, before the swap; `is_swapped` whether they are the live ones.
    """

    database: str
    resumed_from: int = 0
    position: int = 0
    events: int = 0
    skipped: list[str] = field(default_factory=list)
    comparison: SearchComparison | None = None
    is_swapped: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing was left out and nothing differs."""
        return not self.skipped and self.comparison is not None and self.comparison.is_equal


@dataclass(slots=True)
class _Build:
    """The generation under way, what writes it, and what it has to hold."""

    generation: int
    projector: SearchProjector
    check: GenerationCheck


class SearchRebuilder:
    """Replays the domain events of a database into a new generation and makes that the live one.

    The old generation serves, and is written by the projector, until the swap. Before it every branch of the new one is compared
    with the log and the graph; if anything differs or was left out, it is dropped and the old one serves on. For the swap the
    projector gives way: the new generation is brought up to the log's head, what that changed is compared too, and the projector
    goes on from there. A rebuild that died is resumed where it was. One rebuild per database at a time.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        work: WorkLedger,
        graph: GraphStore,
        search: SearchIndex,
        clock: Clock,
        owner: str,
        lease_seconds: float = 30.0,
    ) -> None:
        """`owner` is unique to this call; `lease_seconds` the workers' lease, which a dead worker's stream is waited for."""
        self._log = log
        self._work = work
        self._graph = graph
        self._search = search
        self._clock = clock
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._renewed_at = float("-inf")

    def rebuild(self, database: str, *, progress: Progress = no_progress, accept: bool = False) -> SearchRebuild:
        """Rebuild, compare and swap; `progress` is called with position and head. `accept` swaps also what is not sound.

        Raises:
            Conflict: another rebuild of the database is under way.
            Unavailable: (retryable) a part does not answer, or the projector did not give way; call again to resume.
        """
        with self._lease(f"rebuild:search:{database}") as lease:
            done = SearchRebuild(database)
            build = self._begin(lease, done)
            self._catch_up(lease, build, done, progress)
            done.comparison = build.check.compare(build.generation, beat=lambda: self._renew(lease))
            if done.is_sound or accept:
                self._swap(lease, build, done, progress, accept=accept)
            if not done.is_swapped:
                self._search.abandon_rebuild(database, build.generation)
            self._forget(database)
            return done

    def _swap(self, lease: Lease, build: _Build, done: SearchRebuild, progress: Progress, *, accept: bool) -> None:
        """Make the generation the live one, unless what was written meanwhile is not in it as it should be."""
        database, compared = done.database, build.generation
        with self._lease(hold_name("search", database)) as hold, self._stream_lease(database, lease) as stream:

            def beat() -> None:
                self._renew(lease, hold, stream)

            self._catch_up(lease, build, done, progress)
            if build.generation != compared:  # the database was deleted meanwhile, and is begun anew
                done.comparison = build.check.compare(build.generation, beat=beat)
            elif done.comparison is not None:
                done.comparison = build.check.compare_changes(build.generation, done.comparison, beat=beat)
            if not done.is_sound and not accept:
                return
            self._finish(database, build.generation)
            self._work.mark_done(stream, "search", [], database=database, position=done.position)
            SearchHolder(work=self._work, search=self._search).adopt(database)
            done.is_swapped = True

    def _renew(self, *leases: Lease) -> None:
        """Keep the leases, asked often: the first of them tells when that is due."""
        now = self._clock.monotonic()
        if now - self._renewed_at >= self._lease_seconds / 10:
            self._renewed_at = now
            for lease in leases:
                self._work.renew(lease, seconds=self._lease_seconds)

    def _finish(self, database: str, generation: int) -> None:
        try:
            self._search.finish_rebuild(database, generation)
        except Conflict:
            self._forget(database)  # the generation is live already, or was dropped: the next call starts anew
            raise

    def _forget(self, database: str) -> None:
        for name in (REBUILD, _GENERATION):
            self._work.reset(name, database)

    def _begin(self, lease: Lease, done: SearchRebuild) -> _Build:
        """Resume the generation that an earlier call left, or start one."""
        database = done.database
        check = GenerationCheck(log=self._log, graph=self._graph, search=self._search, clock=self._clock, database=database)
        generation = self._work.position(_GENERATION, database)
        position = self._work.position(REBUILD, database)
        if not generation or not position or not self._is_open(database, generation):
            generation = self._start(lease, database)
            return _Build(generation, self._projector(generation), check)
        done.resumed_from = done.position = position
        projector = self._projector(generation)
        for event in self._events(database, after=0, upto=position):
            if projector.wants(event):
                projector.learn(database, event)
                check.take(event)
            self._renew(lease)
        return _Build(generation, projector, check)

    def _start(self, lease: Lease, database: str) -> int:
        self._work.reset(REBUILD, database)
        generation = self._search.begin_rebuild(database)
        self._work.mark_done(lease, _GENERATION, [], database=database, position=generation)
        return generation

    def _is_open(self, database: str, generation: int) -> bool:
        """Whether the generation still stands beside the live one: writing nothing into another is refused."""
        try:
            self._search.write(database, "main", [], generation=generation)
        except Conflict:
            return False
        return True

    def _catch_up(self, lease: Lease, build: _Build, done: SearchRebuild, progress: Progress) -> None:
        database = done.database
        head = self._log.head(database).position
        while done.position < head:
            events = self._log.read(database, after=done.position, limit=_PAGE)
            for part in _parts(build.projector, events):
                if part[0].event.event_type == DATABASE_DELETED and build.projector.wants(part[0]):
                    build.generation = self._start(lease, database)
                    build.projector = self._projector(build.generation)
                else:
                    self._take(build.projector, part, done)
                for event in part:
                    build.check.take(event)
                done.position = part[-1].position
                self._work.mark_done(lease, REBUILD, [], database=database, position=done.position)
            self._work.renew(lease, seconds=self._lease_seconds)
            progress(done.position, head)
            head = self._log.head(database).position if done.position >= head else head

    def _take(self, projector: SearchProjector, events: Sequence[RecordedEvent], done: SearchRebuild) -> None:
        """Apply events; one that cannot be applied is left out and named, as the projector would have buried it."""
        wanted = [event for event in events if projector.wants(event)]
        if not wanted:
            return
        try:
            projector.handle(done.database, wanted)
            done.events += len(wanted)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - one event that cannot be applied must not stop the others, as in the worker
            if len(wanted) == 1:
                done.skipped.append(wanted[0].event.event_id)
                return
            middle = len(wanted) // 2
            self._take(projector, wanted[:middle], done)
            self._take(projector, wanted[middle:], done)

    def _projector(self, generation: int) -> SearchProjector:
        return SearchProjector(search=self._search, graph=self._graph, generation=generation)

    def _events(self, database: str, *, after: int, upto: int) -> Iterator[RecordedEvent]:
        while after < upto and (events := self._log.read(database, after=after, limit=min(_PAGE, upto - after))):
            yield from events
            after = events[-1].position

    @contextmanager
    def _lease(self, name: str) -> Iterator[Lease]:
        lease = self._work.acquire(name, owner=self._owner, seconds=self._lease_seconds)
        if lease is None:
            raise Conflict(f"another rebuild holds {name}; wait for it, or until its lease runs out")
        try:
            yield lease
        finally:
            self._work.release(lease)

    @contextmanager
    def _stream_lease(self, database: str, mine: Lease) -> Iterator[Lease]:
        """Wait for the projector to give way, and stand in its place."""
        name = lease_name("search", database)
        deadline = self._clock.monotonic() + 2 * self._lease_seconds
        while (lease := self._work.acquire(name, owner=self._owner, seconds=self._lease_seconds)) is None:
            if self._clock.monotonic() > deadline:
                raise LedgerUnavailable(f"the worker of {name} did not give way; the rebuild can be resumed")
            self._work.renew(mine, seconds=self._lease_seconds)
            self._work.acquire(hold_name("search", database), owner=self._owner, seconds=self._lease_seconds)
            self._clock.sleep(_POLL_SECONDS)
        try:
            yield lease
        finally:
            self._work.release(lease)


def _parts(projector: SearchProjector, events: Sequence[RecordedEvent]) -> list[list[RecordedEvent]]:
    """Cut so that events that stand alone are marked before what follows them."""
    parts: list[list[RecordedEvent]] = []
    is_open = False
    for event in events:
        is_alone = projector.stands_alone(event)
        if is_open and not is_alone:
            parts[-1].append(event)
        else:
            parts.append([event])
        is_open = not is_alone
    return parts
