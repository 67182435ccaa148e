"""Command statuses in a dictionary."""

import copy
import threading
from collections.abc import Sequence

from spice_core.domain.read_models import FINAL_STATES, CommandStatus
from spice_core.errors import Closed
from spice_core.ports.status_cache import CachedStatus, StatusCache


class MemoryStatusCache(StatusCache):
    """Keeps what it is given until it is told to forget it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, CachedStatus] = {}
        self._is_closed = False

    def get(self, command_id: str) -> CachedStatus | None:
        with self._lock:
            self._check_open()
            return copy.deepcopy(self._entries.get(command_id))

    def put(self, statuses: Sequence[CommandStatus], *, origin: str) -> None:
        with self._lock:
            self._check_open()
            for status in statuses:
                if status.state in FINAL_STATES:
                    self._entries[status.command_id] = CachedStatus(copy.deepcopy(status), origin)

    def forget(self, database: str) -> None:
        with self._lock:
            self._check_open()
            for command_id in [name for name, entry in self._entries.items() if entry.status.database == database]:
                del self._entries[command_id]

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The status cache is closed.")
