"""Trying again what may pass: a bounded number of times, with growing, jittered pauses."""

from collections.abc import Callable
from typing import TypeVar

from spice_core.errors import StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 2.0
ResultT = TypeVar("ResultT")


class Retries:
    """The one place where requests to a store are repeated; the client below repeats none, the log above neither."""

    def __init__(self, *, attempts: int, clock: Clock, ids: IdSource) -> None:
        self._attempts = attempts
        self._clock = clock
        self._ids = ids

    def call(self, request: Callable[[], ResultT]) -> ResultT:
        """Return what `request` returns; `StoreUnavailable` of all but the last attempt is waited out."""
        pause = _FIRST_SECONDS
        for _ in range(1, self._attempts):
            try:
                return request()
            except StoreUnavailable:
                # Shortened by a random part, so that processes which failed together do not come back together.
                self._clock.sleep(pause * (0.5 + int(self._ids.new_id()[:8], 16) / 2**33))
                pause = min(pause * 2, _LONGEST_SECONDS)
        return request()
