"""Packs in the background of one process: the worker."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

from spice_core.errors import Unavailable
from spice_core.ports.ledger import FoldedHead
from spice_core.services.event_log.obstacles import Obstacles
from spice_core.services.event_log.packer import Packer


class PackingThread:
    """Looks every `interval_seconds` which logs have grown by a whole pack, and packs them.

    The ledger tells how long the logs are, so that nothing is asked of the store while they do not grow.
    """

    def __init__(self, packer: Packer, *, heads: Callable[[], Mapping[str, FoldedHead]], interval_seconds: float) -> None:
        self._packer = packer
        self._heads = heads
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-log-packer", daemon=True)
        self._obstacles = Obstacles(self._thread.name)

    @property
    def last_error(self) -> Exception | None:
        """What stands in the way of packing, None where nothing does; of several databases' errors the newest."""
        return self._obstacles.last_error

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the pack at work."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_once(self) -> None:
        """Pack what is due; an error waits for the next time, and damage keeps no other database waiting."""
        self._obstacles.attempt("looking for what is due", self._pack_due)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self.run_once()

    def _pack_due(self) -> None:
        for database, folded in self._heads().items():
            if isinstance(self._obstacles.attempt(database, partial(self._pack, database, folded)), Unavailable):
                return  # and so for all of them: each would be tried for as long

    def _pack(self, database: str, folded: FoldedHead) -> None:
        while not self._stop.is_set() and self._packer.is_due(database, folded):
            if not self._packer.pack(database, most=1):
                break  # another process is at it
