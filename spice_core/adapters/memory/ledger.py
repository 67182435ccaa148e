"""The ledger in memory, for simulation and tests."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from spice_core.domain.event_keys import event_key
from spice_core.errors import Closed
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry, Ledger, LedgerView


@dataclass(slots=True)
class _Folded:
    head: FoldedHead = EMPTY_HEAD
    numbers: dict[str, int] = field(default_factory=dict)
    known: dict[str, IndexEntry] = field(default_factory=dict)


class MemoryLedger(Ledger):
    """A ledger as durable as its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._databases: dict[str, _Folded] = {}
        self._folding: set[str] = set()
        self._installation: str | None = None
        self._is_closed = False

    def view(self, database: str, *, aggregates: Collection[str] = (), event_ids: Collection[str] = ()) -> LedgerView:
        with self._lock:
            self._check_open()
            folded = self._databases.get(database, _Folded())
            numbers = {name: folded.numbers[name] for name in aggregates if name in folded.numbers}
            known = {event_id: folded.known[event_id] for event_id in event_ids if event_id in folded.known}
            return LedgerView(folded.head, numbers, known)

    def visit_keys(self, database: str, visit: Callable[[Iterable[str]], None]) -> FoldedHead:
        with self._lock:
            self._check_open()
            folded = self._databases.get(database, _Folded())
            keys = [event_key(event_id) for event_id in folded.known]
            names, head = list(folded.numbers), folded.head
        visit(keys)
        visit(names)
        return head

    def fold(self, database: str, entries: Sequence[IndexEntry], *, since: FoldedHead, head: FoldedHead) -> bool:
        with self._lock:
            self._check_open()
            folded = self._databases.setdefault(database, _Folded())
            if folded.head != since:
                return False
            for entry in entries:
                folded.known.setdefault(entry.event_id, entry)
                if entry.is_command:
                    folded.numbers[entry.aggregate] = max(entry.sequence_number, folded.numbers.get(entry.aggregate, 0))
            folded.head = head
            return True

    @contextmanager
    def folding(self, database: str) -> Iterator[bool]:
        with self._lock:
            self._check_open()
            has_right = database not in self._folding
            self._folding.add(database)
        try:
            yield has_right
        finally:
            if has_right:
                with self._lock:
                    self._folding.discard(database)

    def heads(self) -> Mapping[str, FoldedHead]:
        with self._lock:
            self._check_open()
            return {name: folded.head for name, folded in self._databases.items() if folded.head != EMPTY_HEAD}

    def forget(self, database: str) -> None:
        with self._lock:
            self._check_open()
            self._databases.pop(database, None)

    def installation(self) -> str | None:
        with self._lock:
            self._check_open()
            return self._installation

    def join_installation(self, installation_id: str, *, replaces: bool = False) -> str:
        with self._lock:
            self._check_open()
            if self._installation is None or replaces:
                self._installation = installation_id
            return self._installation

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The ledger is closed.")
