"""A look at the whole platform now and then, for those who watch it: which parts answer, and what lags behind."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, Ledger
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.check_parts import check_parts
from spice_core.services.observed_log import ObservedEventLog

_SEARCH = "search"
_MOST_DEAD_LETTERS = 1_000


@dataclass(frozen=True, slots=True)
class PlatformSample:
    """One look. What a part that is down could have told is left out.

    Attributes:
        parts: whether each part answers.
        folder_lag: by database, the events that the ledger lacks.
        unpacked: by database, the segments that the ledger has and no pack.
        index_age: by database, how many seconds the oldest event waits that the search index has not seen; 0.0 for none.
        dead_letters: by handler, those that wait for an operator (counted up to 1,000 in all).
        disk_free_bytes: where the state directory is.
    """

    parts: Mapping[str, bool]
    disk_free_bytes: int
    folder_lag: Mapping[str, int] = field(default_factory=dict)
    unpacked: Mapping[str, int] = field(default_factory=dict)
    index_age: Mapping[str, float] = field(default_factory=dict)
    dead_letters: Mapping[str, int] | None = None


class PlatformSampler:
    """Takes samples. Asks about a database that is as it was at the last look no more than its newest position."""

    def __init__(
        self,
        *,
        log: ObservedEventLog,
        ledger: Ledger,
        graph: GraphStore,
        search: SearchIndex,
        work: WorkLedger,
        feed: EventFeed,
        clock: Clock,
        state_path: Path,
        others: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        """`others` tell of parts that a platform can do without whether they answer."""
        self._log = log
        self._ledger = ledger
        self._graph = graph
        self._search = search
        self._work = work
        self._feed = feed
        self._clock = clock
        self._state_path = state_path
        self._others = others or {}
        self._indexed: dict[str, int] = {}

    def sample(self) -> PlatformSample:
        """Take one sample; takes as long as the slowest part needs to answer, or to fail."""
        problems = check_parts(log=self._log, ledger=self._ledger, graph=self._graph, search=self._search)
        parts = {name: problem is None for name, problem in problems.items()}
        parts |= {name: answers() for name, answers in self._others.items()}
        free = shutil.disk_usage(self._state_path).free
        try:
            newest = {database: self._feed.newest(database) for database in self._feed.databases()}
            heads = self._ledger.heads()
            return PlatformSample(
                parts=parts,
                disk_free_bytes=free,
                folder_lag={name: _lag(position, heads.get(name, EMPTY_HEAD)) for name, position in newest.items()},
                unpacked={name: max(0, head.segment - self._log.last_packed(name)) for name, head in heads.items()},
                index_age={name: self._index_age(name, position) for name, position in newest.items()},
                dead_letters=self._dead_letters(),
            )
        except SpiceError:
            return PlatformSample(parts=parts, disk_free_bytes=free)

    def _index_age(self, database: str, newest: int) -> float:
        done = self._indexed.get(database, -1)
        if done < newest:
            done = self._indexed[database] = self._work.position(_SEARCH, database)
        if done >= newest:
            return 0.0
        waiting = self._log.read(database, after=done, limit=1)
        if not waiting:
            return 0.0
        return max(0.0, (self._clock.now() - waiting[0].event.occurred_at).total_seconds())

    def _dead_letters(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for letter in self._work.dead_letters(limit=_MOST_DEAD_LETTERS):
            found[letter.handler] = found.get(letter.handler, 0) + 1
        return found


def _lag(newest: int, folded: FoldedHead) -> int:
    return max(0, newest - folded.position)
