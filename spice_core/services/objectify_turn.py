"""One run of a mapping at a time: a lease that its run keeps alive, in whatever process it works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spice_core.errors import LedgerUnavailable
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
def turn_of(database: str, mapping_id: str, *, run_id: str, work: WorkLedger, clock: Clock, patience: float) -> Iterator[Turn]:
    """Lend the turn of a mapping to a run; wait up to `patience` seconds for another one's end.

    The turn of a process that was killed ends by itself within a minute.

    Raises:
        LedgerUnavailable: (retryable) another run is still under way.
    """
    name, deadline = f"objectify:{database}:{mapping_id}", clock.monotonic() + patience
    while (lease := work.acquire(name, owner=run_id, seconds=_LEASE_SECONDS)) is None:
        if clock.monotonic() >= deadline:
            raise LedgerUnavailable(f"run {work.holder(name)} of mapping {mapping_id} is under way; try again when it has ended")
        clock.sleep(_POLL_SECONDS)
    try:
        yield Turn(lease, work=work, clock=clock)
    finally:
        work.release(lease)


def _fine() -> None:
    """Nothing is watched."""
