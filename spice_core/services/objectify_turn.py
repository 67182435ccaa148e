"""One run of the same rows of a mapping at a time: a lease that its run keeps alive, in whatever process it works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spice_core.domain.shards import WHOLE, Shards, shards_of_text
from spice_core.errors import LeaseLost, LedgerUnavailable, OptimisticConcurrencyConflict
from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import Lease, WorkLedger

_LEASE_SECONDS = 60.0
_RENEW_SECONDS = 10.0
_CHECK_SECONDS = 0.25
_POLL_SECONDS = 0.25


class Turn:
    """The right of one run to write. It asks again, before it writes, whether the right is still its own, and still of use."""

    def __init__(self, lease: Lease, *, work: WorkLedger, clock: Clock) -> None:
        self._lease = lease
        self._work = work
        self._clock = clock
        self._renewed = self._checked = clock.monotonic()
        self._check: Callable[[], None] = _fine

    def watch(self, check: Callable[[], None]) -> None:
        """Let `keep` ask `check` from now on, a few times a second: it raises where what the run works on is gone."""
        self._check = check

    def keep(self) -> None:
        """Renew the right where it is some seconds old. Raises `LeaseLost` where another run has taken over; as the check."""
        now = self._clock.monotonic()
        if now - self._checked >= _CHECK_SECONDS:
            self._check()
            self._checked = now
        if now - self._renewed >= _RENEW_SECONDS:
            self._work.renew(self._lease, seconds=_LEASE_SECONDS)
            self._renewed = now


@contextmanager
def turn_of(
    database: str, mapping_id: str, *, run_id: str, work: WorkLedger, clock: Clock, patience: float, shards: Shards = WHOLE
) -> Iterator[Turn]:
    """Lend the turn of `shards` of a mapping to a run; wait up to `patience` seconds for the end of those that work on its rows.

    The turn of a process that was killed ends by itself within a minute.

    Raises:
        LedgerUnavailable: (retryable) another run is still under way.
    """
    queue = _Queue(f"objectify:{database}:{mapping_id}", mapping_id, run_id, work, clock, clock.monotonic() + patience)
    lease = queue.whole() if shards.is_whole else queue.part(shards)
    try:
        yield Turn(lease, work=work, clock=clock)
    finally:
        work.release(lease)


@contextmanager
def end_of(run_id: str) -> Iterator[None]:
    """Put the end of a run on record, which expects the number that its beginning got.

    Raises:
        LeaseLost: (retryable) it slept through its turn, and another run has put it on record as died: the graph may hold what
            that one made, and nothing is to be compared with this one.
    """
    try:
        yield
    except OptimisticConcurrencyConflict as error:
        raise LeaseLost(f"run {run_id} slept through its turn: another one has put it on record as died") from error


@dataclass(frozen=True, slots=True)
class _Queue:
    """How one run comes to its turn: a whole one keeps the lease `name`, one of shards a lease of its own below that."""

    name: str
    mapping_id: str
    run_id: str
    work: WorkLedger
    clock: Clock
    deadline: float

    def whole(self) -> Lease:
        """Keep out who comes later, then wait for the runs of shards that are under way."""
        lease = self._first()
        try:
            while busy := self._busy(WHOLE):
                self._wait(", ".join(busy))
                self.work.renew(lease, seconds=_LEASE_SECONDS)
        except BaseException:
            self.work.release(lease)
            raise
        return lease

    def part(self, shards: Shards) -> Lease:
        """Wait for the runs that work on the same rows."""
        while True:
            first = self._first()
            try:
                busy = self._busy(shards)
                lease = None if busy else self.work.acquire(self._below(shards), owner=self.run_id, seconds=_LEASE_SECONDS)
                if lease is not None and self._is_still_mine(first):
                    return lease
                if lease is not None:
                    self.work.release(lease)
            finally:
                self.work.release(first)
            self._wait(", ".join(busy))

    def _first(self) -> Lease:
        while (lease := self.work.acquire(self.name, owner=self.run_id, seconds=_LEASE_SECONDS)) is None:
            self._wait(self.work.holder(self.name))
        return lease

    def _is_still_mine(self, lease: Lease) -> bool:
        """Whether nobody else can have looked at the holders between this run's look and its own lease."""
        try:
            self.work.renew(lease, seconds=_LEASE_SECONDS)
        except LeaseLost:
            return False
        return True

    def _busy(self, shards: Shards) -> list[str]:
        """The runs whose rows `shards` meet. One that expired is nobody's any more: who slept meanwhile has lost it for good."""
        above = self._below(WHOLE)
        held = self.work.holders(above)
        found = [name for name in held if shards_of_text(name.removeprefix(above)).meets(shards)]
        return sorted(held[name] for name in found if not self._is_taken_over(name))

    def _is_taken_over(self, name: str) -> bool:
        lease = self.work.acquire(name, owner=self.run_id, seconds=_LEASE_SECONDS)
        if lease is not None:
            self.work.release(lease)
        return lease is not None

    def _below(self, shards: Shards) -> str:
        return f"{self.name}#{shards.text}"

    def _wait(self, holder: str | None) -> None:
        if self.clock.monotonic() >= self.deadline:
            raise LedgerUnavailable(f"run {holder} of mapping {self.mapping_id} is under way; try again when it has ended")
        self.clock.sleep(_POLL_SECONDS)


def _fine() -> None:
    """Nothing is watched."""
