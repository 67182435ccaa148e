"""The correctness registry's view of the log: which events are known, and how far each aggregate is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple


class IndexEntry(NamedTuple):
    """What the ledger keeps of one event. A tuple: one is made per event of the log, and tuples are made fastest.

    Attributes:
        event_id: the idempotency key.
        position: its place in the database's log.
        segment: the segment that holds it.
        aggregate: `{aggregate_type}|{aggregate_id}`, so two types never share a number.
        sequence_number: the aggregate's number with this event.
        is_command: only commands advance the aggregate.
        fingerprint: 16 bytes over the payload (see `services.event_log`), to tell a repetition from a reuse.
    """

    event_id: str
    position: int
    segment: int
    aggregate: str
    sequence_number: int
    is_command: bool
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class FoldedHead:
    """How far the ledger has folded one database's log: segment, position, and that segment's hash (hex)."""

    segment: int
    position: int
    chain_hash: str


EMPTY_HEAD = FoldedHead(segment=0, position=0, chain_hash="0" * 64)


@dataclass(frozen=True, slots=True)
class LedgerView:
    """One consistent snapshot: the folded head, the numbers of the asked aggregates, the asked events that are known."""

    head: FoldedHead
    numbers: Mapping[str, int]
    known: Mapping[str, IndexEntry]


class Ledger(ABC):
    """A projection of the log that can lose its newest folds at any time and be folded again.

    Everything is scoped by database. Folding is idempotent and strictly in order; a fold that does not continue the
    head is refused, so two folders cannot corrupt it. Safe for many threads and processes. After `close`, every
    method but `close` raises `Closed`. A ledger that does not answer raises `LedgerUnavailable`.
    """

    @abstractmethod
    def view(self, database: str, *, aggregates: Collection[str] = (), event_ids: Collection[str] = ()) -> LedgerView:
        """Return the folded head, `numbers` (0 where unknown is left out) and `known`, all of one snapshot.

        An unfolded database has `EMPTY_HEAD`: segment 0, position 0 and an all-zero hash.
        """

    @abstractmethod
    def visit_keys(self, database: str, visit: Callable[[Iterable[str]], None]) -> FoldedHead:
        """Give `visit`, in blocks, the `event_key` of every folded event and the name of every numbered aggregate.

        All of one snapshot, whose folded head is returned; in no order, nothing twice. A block is good until `visit`
        returns.
        """

    @abstractmethod
    def fold(self, database: str, entries: Sequence[IndexEntry], *, since: FoldedHead, head: FoldedHead) -> bool:
        """Advance from `since` to `head` with `entries` (all events in between, in order).

        Index, numbers and head change together or not at all; a crash may lose the newest folds, never a part of one.

        Returns:
            False, and nothing changed, where the folded head is not `since`: another folder was here.
        """

    @abstractmethod
    def folding(self, database: str) -> AbstractContextManager[bool]:
        """Try to become the one folder of `database`; the context value says whether it worked.

        The right ends with the context or with the process, whatever way it dies.
        """

    @abstractmethod
    def heads(self) -> Mapping[str, FoldedHead]:
        """Return the folded head of every database."""

    @abstractmethod
    def forget(self, database: str) -> None:
        """Drop everything known of `database`, so that it is folded again from its log."""

    @abstractmethod
    def installation(self) -> str | None:
        """Return the id of the installation that this ledger belongs to, or None where it belongs to none yet."""

    @abstractmethod
    def join_installation(self, installation_id: str, *, replaces: bool = False) -> str:
        """Belong to `installation_id`, unless the ledger belongs to one already and not `replaces`; return the id it has now.

        Durable before it returns, unlike a fold; `forget` leaves it alone.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
