"""Who works on what: leases on streams, the record of processed events, and dead letters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Claim(StrEnum):
    """The answer for one event: do it, or why not."""

    CLAIMED = "CLAIMED"
    DUPLICATE_DONE = "DUPLICATE_DONE"
    IN_PROGRESS = "IN_PROGRESS"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work a stream. `epoch` grows with every new owner: an older epoch's writes are refused."""

    name: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One event as the ledger of work sees it. `aggregate` is `{aggregate_type}|{aggregate_id}`."""

    event_id: str
    aggregate: str
    sequence_number: int
    database: str
    position: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that no retry helped, and what is parked behind it (`parked_behind` is its own event_id for the cause)."""

    handler: str
    database: str
    event_id: str
    position: int
    aggregate: str
    event_type: str
    error: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    state: str  # waiting | retrying | resolved | discarded
    parked_behind: str | None


class WorkLedger(ABC):
    """Leases, `processed_events` and dead letters, scoped by handler (the worker's name).

    One owner at a time works a stream: a lease is claimable if unclaimed, expired, or already mine. Marks carry the
    lease, and one whose epoch is not the newest raises `LeaseLost` and changes nothing. Marks and the stream's
    position change together. Safe for many threads and processes. After `close`, every method but `close` raises
    `Closed`; a ledger that does not answer raises `LedgerUnavailable`.
    """

    @abstractmethod
    def acquire(self, name: str, *, owner: str, seconds: float) -> Lease | None:
        """Take the lease `name` for `seconds`, or return None while another owner's is alive. Mine is renewed."""

    @abstractmethod
    def renew(self, lease: Lease, *, seconds: float) -> None:
        """Extend a lease. Raises `LeaseLost` where another epoch holds it or it was released."""

    @abstractmethod
    def release(self, lease: Lease) -> None:
        """Give a lease back; releasing a lost lease does nothing."""

    @abstractmethod
    def holder(self, name: str) -> str | None:
        """Return the owner of the lease `name` if it is alive, None where it is free, expired or released."""

    @abstractmethod
    def holders(self, prefix: str) -> Mapping[str, str]:
        """Return by name the owners of the leases that begin with `prefix` and were not released; they may have expired."""

    @abstractmethod
    def claim(self, lease: Lease, handler: str, items: Sequence[WorkItem]) -> Mapping[str, Claim]:
        """Claim `items` (of one database) in one commit; return the answer for each `event_id`.

        A done one is `DUPLICATE_DONE`, and so is a buried one unless it is being retried; one without a mark at or behind the
        handler's position is `STALE`; one that a live other owner processes is `IN_PROGRESS`; every other one is `CLAIMED`,
        also an expired or failed one, with its attempts counted up.
        """

    @abstractmethod
    def mark_done(self, lease: Lease, handler: str, items: Sequence[WorkItem], *, database: str, position: int) -> None:
        """Mark `items` done and advance the handler's position in `database`, in one commit.

        A done item resolves its dead letter. Marking again changes nothing; the position never goes back.
        """

    @abstractmethod
    def mark_failed(self, lease: Lease, handler: str, item: WorkItem, *, error: str) -> int:
        """Record the failure of the claimed `item` with its error; return how many attempts (claims) there were."""

    @abstractmethod
    def bury(
        self, lease: Lease, handler: str, items: Sequence[WorkItem], *, event_types: Sequence[str], error: str, behind: str | None
    ) -> None:
        """Turn `items` into dead letters, or park them behind the dead letter `behind` of their aggregate.

        They are `waiting` afterwards, also those that were being retried; the time of the first failure stays. What parks has
        not been tried: its attempts count from 0.
        """

    @abstractmethod
    def parked_aggregates(self, handler: str, database: str) -> Mapping[str, str]:
        """Return the aggregates with an open dead letter, and the event id of that dead letter."""

    @abstractmethod
    def dead_letters(
        self,
        *,
        handler: str | None = None,
        database: str | None = None,
        state: str = "waiting",
        behind: str | None = None,
        limit: int = 100,
    ) -> list[DeadLetter]:
        """List dead letters, oldest position first; `state` "" for all, `behind` for one cause and what is parked behind it."""

    @abstractmethod
    def set_dead_letter_state(self, handler: str, *, database: str, event_id: str, state: str) -> None:
        """Set `retrying` (it and those parked behind it may be claimed again), or `resolved` or `discarded` for it alone.

        Raises:
            NotFound: there is no such dead letter.
        """

    @abstractmethod
    def unannounced(self, *, limit: int = 100) -> list[DeadLetter]:
        """List dead letters whose last failure was not announced (`mark_announced`), those that failed first first."""

    @abstractmethod
    def mark_announced(self, letters: Sequence[DeadLetter]) -> None:
        """Record that these failures were announced. One that has failed again meanwhile is listed again."""

    @abstractmethod
    def position(self, handler: str, database: str) -> int:
        """Return the handler's position in `database`, 0 for none."""

    @abstractmethod
    def positions(self) -> Mapping[tuple[str, str], int]:
        """Return every position by handler and database.

        A position is behind one that was seen before where the ledger was reset, or its server crashed and lost commits.
        """

    @abstractmethod
    def reset(self, handler: str, database: str) -> None:
        """Forget the handler's marks, dead letters and position in `database`, for a rebuild."""

    @abstractmethod
    def purge(self, *, before: datetime) -> int:
        """Drop marks of done events older than `before`; return how many. Positions protect what was purged."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
