"""Secrets in memory: they end with the process."""

import threading

from spice_core.domain.secret_names import check_secret
from spice_core.errors import Closed
from spice_core.ports.secret_store import SecretStore


class MemorySecretStore(SecretStore):
    """A dict behind a lock; nothing is at rest, so nothing is encrypted."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def put(self, name: str, value: str) -> None:
        check_secret(name, value)
        with self._lock:
            self._check_open()
            self._values[name] = value

    def get(self, name: str) -> str | None:
        with self._lock:
            self._check_open()
            return self._values.get(name)

    def take(self, name: str) -> str | None:
        with self._lock:
            self._check_open()
            return self._values.pop(name, None)

    def delete(self, name: str) -> None:
        self.take(name)

    def rotate(self) -> int:
        with self._lock:
            self._check_open()
            return len(self._values)

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The secret store is closed.")
