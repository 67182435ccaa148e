"""The connectors worker: looks at what is due, and syncs a few sources at once."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from spice_core.bootstrap import Platform, sync_connectors
from spice_core.errors import Conflict, RecordNotFound, SpiceError, Unavailable
from spice_core.services.sync_connectors import Due, SyncConnectors

_LOGGER = logging.getLogger(__name__)
_STOP_SECONDS = 15.0
_QUIET = frozenset({"unchanged", "busy", "disabled", "gone"})


def build(platform: Platform) -> "ConnectorLoop":
    """Return the loop, as the settings say."""
    settings = platform.settings
    return ConnectorLoop(
        platform, sync_connectors(platform), seconds=settings.connector_tick_seconds, concurrency=settings.connector_concurrency
    )


class ConnectorLoop:
    """Syncs what is due, every few seconds. Any number of them may run: a lease per source keeps them apart."""

    def __init__(self, platform: Platform, syncs: SyncConnectors, *, seconds: float, concurrency: int) -> None:
        self._platform = platform
        self._syncs = syncs
        self._seconds = seconds
        self._concurrency = concurrency
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._working: set[Due] = set()
        self._is_well = True
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="connector")
        self._thread = threading.Thread(target=self._run, name="connectors", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Begin nothing more, and wait a while for what is under way; a sync that is cut off is done again by the next one."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._pool.shutdown(wait=not self._working, cancel_futures=True)

    def look(self) -> None:
        """Start what is due and not under way, as far as there is room."""
        for due in self._syncs.due(self._platform.clock.now()):
            with self._lock:
                if due in self._working or len(self._working) >= self._concurrency:
                    continue
                self._working.add(due)
            self._pool.submit(self._sync, due)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except SpiceError as error:
                if self._is_well:
                    _LOGGER.warning("connectors are not looked at: %s", error.message)
                self._is_well = False
            else:
                self._is_well = True

    def _sync(self, due: Due) -> None:
        try:
            outcome = self._syncs.sync(due.database, due.source_id, progress=self._go_on)
            if outcome.result not in _QUIET:
                _LOGGER.info("%s: %s%s", due.source_id, outcome.result, f": {outcome.error}" if outcome.error else "")
        except (Unavailable, Conflict, RecordNotFound) as error:
            _LOGGER.warning("%s is tried again: %s", due.source_id, error.message)
        except Exception as error:  # noqa: BLE001 - the boundary of a sync: whatever it was, the others go on
            self._note(due, error)
        finally:
            with self._lock:
                self._working.discard(due)

    def _go_on(self, _rows: int) -> None:
        if self._stop.is_set():
            raise Unavailable("the worker is stopping; the sync begins again with the next one")

    def _note(self, due: Due, error: Exception) -> None:
        _LOGGER.error("the sync of %s failed for a reason that nobody foresaw", due.source_id, exc_info=error)
        try:
            self._syncs.note_failure(due.database, due.source_id, type(error).__name__)
        except SpiceError as failure:
            _LOGGER.warning("%s: its failure is not on record: %s", due.source_id, failure.message)
