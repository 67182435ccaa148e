"""What the read models in memory have in common: a position per database, and one lock."""

import threading

from spice_core.errors import Closed
from spice_core.ports.read_models import Projection, commits_lost


class MemoryProjection(Projection):
    """Positions by database; the subclass keeps the rows and forgets them in `_forget`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._positions: dict[str, int] = {}
        self._is_closed = False

    def position(self, database: str) -> int:
        with self._lock:
            self._check_open()
            return self._positions.get(database, 0)

    def reset(self, database: str) -> None:
        with self._lock:
            self._check_open()
            self._positions.pop(database, None)
            self._forget(database)

    def close(self) -> None:
        self._is_closed = True

    def _forget(self, database: str) -> None:
        raise NotImplementedError

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The read model is closed.")

    def _advance(self, database: str, position: int, after: int) -> int:
        """Move to `position`, never back; return where it was."""
        known = self._positions.get(database, 0)
        if known < after:
            raise commits_lost(type(self).__name__, database, known=known, after=after)
        self._positions[database] = max(known, position)
        return known
