"""How many threads may wait at once, so that the others are left for the work that needs no waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spice_core.errors import LogBehind


class WaitingRoom:
    """A number of places; whoever finds none does not wait. Safe for many threads."""

    def __init__(self, places: int) -> None:
        self._free = threading.Semaphore(places)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Hold a place, if there is one; yields whether there was."""
        has_place = self._free.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self._free.release()

    @contextmanager
    def required_place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            LogBehind: (retryable) all places are taken: the workers are behind, and too many callers wait for them already.
        """
        with self.place() as has_place:
            if not has_place:
                raise LogBehind("too many requests wait for what the workers have yet to do; retry in a moment")
            yield
