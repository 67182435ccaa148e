"""Ends what dead workers left: uploads that were received or kept, and never published."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from spice_core.domain.ingest_requests import IngestRequest, IngestState
from spice_core.errors import SpiceError
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.ingest_dataset import IngestDataset

_log = logging.getLogger(__name__)

LIMIT = 200
STALE_SECONDS = 3600.0

Progress = Callable[[IngestRequest], None]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one pass did.

    Attributes:
        published: requests whose bytes were kept, and which are published now.
        outbox_repaired: always 0: a version and its request's PUBLISHED are one append, so none can lack the other.
        aborted: requests that are FAILED now: their bytes never arrived whole, or hold no table, or nobody could end them.
        committed_tx: of those above, requests whose bytes were in the dataset store although they stood as RECEIVED.
        skipped: requests that a living worker is at, or that wait for a part that is down.
    """

    published: int = 0
    outbox_repaired: int = 0
    aborted: int = 0
    committed_tx: int = 0
    skipped: int = 0


class ReconcileIngest:
    """Goes over the requests of all databases that have not moved for a while. Repeating it changes nothing more."""

    def __init__(self, *, ingest: IngestDataset, log: EventLog) -> None:
        self._ingest = ingest
        self._log = log

    def run(
        self, limit: int = LIMIT, stale_seconds: float = STALE_SECONDS, *, progress: Progress | None = None
    ) -> Reconciliation:
        """End up to `limit` requests that have not moved for `stale_seconds`; return what was done.

        One worker at a time is at a request, so several of these may run at once. One that a part that is down keeps from
        ending stays as it is, for the next pass; one that broke its worker five times is FAILED.
        """
        found = Reconciliation()
        for request in self._stale(limit, stale_seconds):
            found = self._ended(found, request, progress)
        return found

    def stale(self, limit: int = LIMIT, stale_seconds: float = STALE_SECONDS) -> list[IngestRequest]:
        """Return the requests that `run` would look at, at most `limit` of all databases; ends none."""
        return list(self._stale(limit, stale_seconds))

    def _stale(self, limit: int, stale_seconds: float) -> Iterator[IngestRequest]:
        left = max(0, limit)
        for database in self._log.databases():
            for state in (IngestState.RECEIVED, IngestState.RAW_COMMITTED):
                if not left:
                    return
                found = self._ingest.requests.stale(database, state, seconds=stale_seconds, limit=left)
                left -= len(found)
                yield from found

    def _ended(self, found: Reconciliation, request: IngestRequest, progress: Progress | None) -> Reconciliation:
        try:
            now = request
            if request.state is IngestState.RECEIVED:
                now = self._ingest.settle_received(request.request.database, request.request_id)
                if now.state is IngestState.RAW_COMMITTED:
                    found = replace(found, committed_tx=found.committed_tx + 1)
            if now.state is IngestState.RAW_COMMITTED:
                now = self._ingest.resume(request.request.database, request.request_id)
        except SpiceError as error:
            _log.warning("ingest request %s of %s waits: %s", request.request_id, request.request.database, error.message)
            return replace(found, skipped=found.skipped + 1)
        if progress is not None:
            progress(now)
        if now.state is IngestState.PUBLISHED:
            return replace(found, published=found.published + 1)
        return replace(found, aborted=found.aborted + 1)
