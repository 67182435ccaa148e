"""Folds the log into the ledger: strictly in order, by whichever process has the right."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from spice_core.errors import Closed, IntegrityViolation, SpiceError, Unavailable
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, Ledger
from spice_core.services.event_log.database_log import check_folded
from spice_core.services.event_log.fingerprint import index_entry
from spice_core.services.event_log.obstacles import Obstacles
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.tail import Tail, TailSegment, check_continues, head_of

_CHUNK_EVENTS = 5_000


class Folder:
    """Folds one database at a time. The thread that calls it is someone else's."""

    def __init__(
        self,
        *,
        segments: Segments,
        ledger: Ledger,
        tail_of: Callable[[str], Tail | None],
        when_folded: Callable[[str, FoldedHead], None],
    ) -> None:
        """`tail_of` gives what this process already has in memory of a database's newest segments.

        `when_folded` is told how far a database is folded, by us or by others.
        """
        self._segments = segments
        self._ledger = ledger
        self._tail_of = tail_of
        self._when_folded = when_folded

    def fold(self, database: str) -> int:
        """Fold all that is not folded; return how many events that were, 0 where another process is at it.

        Raises:
            BrokenChain, CorruptSegment: the log does not continue what was folded; everything before it is folded.
            LedgerUnavailable, StoreUnavailable: (retryable) some of it may be folded.
        """
        with self._ledger.folding(database) as has_right:
            if not has_right:
                return 0
            head = self._ledger.view(database).head
            check_folded(self._segments, database, head)
            self._when_folded(database, head)
            total = 0
            while chunk := self._next(database, head):
                entries = [entry for segment in chunk for entry in segment.entries]
                if not self._ledger.fold(database, entries, since=head, head=chunk[-1].head):
                    return total
                head = chunk[-1].head
                self._when_folded(database, head)
                total += len(entries)
            return total

    def is_behind(self, database: str, head: FoldedHead) -> bool:
        """Whether the log goes on behind `head`. Raises as `Segments.exists`."""
        return self._segments.exists(database, head.segment + 1)

    def _next(self, database: str, head: FoldedHead) -> Sequence[TailSegment]:
        tail = self._tail_of(database)
        chunk = tail.unfolded(head, limit=_CHUNK_EVENTS) if tail is not None else []
        return chunk or self._read(database, head)

    def _read(self, database: str, head: FoldedHead) -> Sequence[TailSegment]:
        chunk: list[TailSegment] = []
        events = 0
        while events < _CHUNK_EVENTS:
            try:
                segment = self._segments.read(database, head.segment + 1)
                if segment is None:
                    break
                check_continues(segment, head)
                recorded = segment.events()
            except IntegrityViolation:
                if chunk:
                    break  # fold what stands before the damage; the next call comes back to it and raises
                raise
            head = head_of(segment)
            chunk.append(TailSegment(head, [index_entry(e.event, position=e.position, segment=e.segment) for e in recorded]))
            events += len(recorded)
        return chunk


class FoldingThread:
    """Folds in the background what this process appended, and what others left behind.

    No error ends it: without it the ledger never follows again, and appends are refused once it trails too far.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        databases: Callable[[], Sequence[str]],
        heads: Callable[[], Mapping[str, FoldedHead]],
        afterwards: Callable[[str], None],
        interval_seconds: float,
        sweep_seconds: float,
    ) -> None:
        """Fold at most every `interval_seconds`, so that small segments are folded many at a time.

        Every `sweep_seconds` all `databases` are compared with the `heads` that are folded; `afterwards` is called with each
        that was folded.
        """
        self._folder = folder
        self._databases = databases
        self._heads = heads
        self._afterwards = afterwards
        self._interval_seconds = interval_seconds
        self._sweep_seconds = sweep_seconds
        self._due: set[str] = set()
        self._lock = threading.Lock()
        self._has_work = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-log-folder", daemon=True)
        self._obstacles = Obstacles(self._thread.name)

    @property
    def last_error(self) -> Exception | None:
        """What stands in the way of folding, None where nothing does; of several databases' errors the newest."""
        return self._obstacles.last_error

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def mark(self, database: str) -> None:
        """Say that `database` has something to fold."""
        with self._lock:
            self._due.add(database)
        self._has_work.set()

    def stop(self) -> None:
        """Stop after the fold at work."""
        self._stop.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._obstacles.attempt("the sweep", self._sweep)
        while not self._stop.is_set():
            if not self._has_work.wait(timeout=self._sweep_seconds):
                self._obstacles.attempt("the sweep", self._sweep)
            self._has_work.clear()
            with self._lock:
                due, self._due = self._due, set()
            for database in due:
                self._fold(database)
            self._stop.wait(self._interval_seconds)

    def _sweep(self) -> None:
        """Look at every database: a process may have died between its append and its fold."""
        heads = self._heads()
        try:
            databases = self._databases()
        except Closed:
            return  # the next to be stopped is this thread
        for database in databases:
            look = partial(self._look_at, database, heads.get(database, EMPTY_HEAD))
            if isinstance(self._obstacles.attempt(f"looking at {database}", look), Unavailable):
                return  # and so for all of them: each would be tried for as long

    def _look_at(self, database: str, head: FoldedHead) -> None:
        if self._folder.is_behind(database, head):
            self.mark(database)
        else:
            self._obstacles.clear(database)

    def _fold(self, database: str) -> None:
        error = self._obstacles.attempt(database, partial(self._fold_whole, database))
        # Damage does not heal by trying: appends and readers meet the same error, and say so to their callers.
        if error is not None and (isinstance(error, Unavailable) or not isinstance(error, SpiceError)):
            self.mark(database)

    def _fold_whole(self, database: str) -> None:
        self._folder.fold(database)
        self._afterwards(database)
