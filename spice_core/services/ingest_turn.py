"""One worker at a time on an ingest request: a lease that a thread keeps alive while the work takes its time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spice_core.errors import LedgerUnavailable, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import Lease, WorkLedger

_LEASE_SECONDS = 30.0
_RENEW_SECONDS = 7.0
_POLL_SECONDS = 0.1


@contextmanager
def turn_of_request(
    database: str, request_id: str, *, owner: str, work: WorkLedger, clock: Clock, patience: float
) -> Iterator[None]:
    """Hold the right to work on a request; wait up to `patience` seconds for whoever does now.

    The right of a process that was killed ends by itself within half a minute. It saves work only: the log lets one of two
    workers publish, whatever they believe.

    Raises:
        LedgerUnavailable: (retryable) another worker is at it.
    """
    name, deadline = f"ingest:{database}:{request_id}", clock.monotonic() + patience
    while (lease := work.acquire(name, owner=owner, seconds=_LEASE_SECONDS)) is None:
        if clock.monotonic() >= deadline:
            raise LedgerUnavailable(
                "another worker is at this ingest request; ask again with the same key", details={"retry_after": 5}
            )
        clock.sleep(_POLL_SECONDS)
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(work, lease, ended), name="ingest-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(Unavailable):
            work.release(lease)


def _renew(work: WorkLedger, lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(_RENEW_SECONDS):
        try:
            work.renew(lease, seconds=_LEASE_SECONDS)
        except Unavailable:
            return
