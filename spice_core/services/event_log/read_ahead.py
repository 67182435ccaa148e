"""Fetches what a sequential reader will want next, a few objects at a time, with bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from spice_core.errors import SpiceError

_HELD_PER_SLOT = 2


class ReadAhead:
    """Up to `slots` fetches under way, and twice as many objects held until they are asked for; the oldest go first."""

    def __init__(self, fetch: Callable[[str], bytes], *, slots: int) -> None:
        """`fetch` reads one object; no thread is started before the first request."""
        self._fetch = fetch
        self._slots = slots
        self._held: OrderedDict[str, Future[bytes]] = OrderedDict()
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def request(self, keys: Iterable[str]) -> None:
        """Begin to fetch those of `keys` that are not under way."""
        with self._lock:
            if self._is_closed or not self._slots:
                return
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="event-log-ahead")
            for key in keys:
                if key not in self._held:
                    self._held[key] = self._threads.submit(self._fetch, key)
            while len(self._held) > self._slots * _HELD_PER_SLOT:
                self._held.popitem(last=False)[1].cancel()

    def take(self, key: str) -> bytes | None:
        """Return an object that was requested, waiting for it; None where it was not, or could not be read."""
        with self._lock:
            held = self._held.pop(key, None)
        if held is None or held.cancelled():
            return None
        try:
            return held.result()
        except SpiceError:
            return None

    def close(self) -> None:
        """Stop after the fetches under way."""
        with self._lock:
            self._is_closed = True
            threads, self._threads = self._threads, None
            self._held.clear()
        if threads is not None:
            threads.shutdown(cancel_futures=True)
