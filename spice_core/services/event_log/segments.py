"""Segments by number: the one place that reads them from the object store and puts them there."""

import threading
from collections import OrderedDict
from enum import Enum, auto

from spice_core.errors import CorruptObject, CorruptSegment, ObjectNotFound, SlotTaken, StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.retry import attempts
from spice_core.services.event_log.segment import Segment, parse_segment, segment_key


class Put(Enum):
    """How a put ended."""

    WON = auto()
    TAKEN = auto()


class Segments:
    """Verified segments of every database, with a bounded cache of the bytes used last."""

    def __init__(self, store: ObjectStore, *, clock: Clock, ids: IdSource, tries: int, cache_bytes: int) -> None:
        """Try a failing store `tries` times; keep up to `cache_bytes` of segments in memory."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._tries = tries
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()

    def read(self, database: str, number: int, *, fresh: bool = False) -> Segment | None:
        """Return segment `number`, or None where it is not written yet; `fresh` reads around the cache.

        Raises:
            CorruptSegment: its bytes are not what was written.
            StoreUnavailable: (retryable) the store did not answer after all attempts.
        """
        key = segment_key(database, number)
        data = None if fresh else self._cached_bytes(key)
        if data is not None:
            return parse_segment(data, database=database, number=number)
        return self._fetch(key, database, number)

    def exists(self, database: str, number: int) -> bool:
        """Whether segment `number` is written."""
        key = segment_key(database, number)
        for is_last in attempts(self._tries, clock=self._clock, ids=self._ids):
            try:
                return self._store.size(key) is not None
            except StoreUnavailable:
                if is_last:
                    raise
        return False

    def put(self, database: str, number: int, data: bytes, *, nonce: str) -> Put:
        """Write slot `number` once. An answer that was lost is found out by reading the slot and comparing `nonce`.

        Raises:
            StoreUnavailable: (retryable) whether the slot holds `data`, now or later, is not known.
        """
        key = segment_key(database, number)
        for is_last in attempts(self._tries, clock=self._clock, ids=self._ids):
            try:
                self._store.put_if_absent(key, data)
                return self._won(key, data)
            except SlotTaken:
                # Perhaps by an attempt of ours whose answer was lost.
                return self._won(key, data) if self._holds(database, number, nonce) else Put.TAKEN
            except StoreUnavailable:
                if is_last:
                    raise
        raise StoreUnavailable

    def list_numbers(self, database: str, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Return the numbers of up to `limit` written segments above `after`, in order."""
        prefix = f"{database}/log/"
        keys = self._store.list_keys(prefix, after=segment_key(database, after), limit=limit)
        try:
            return [int(key.removeprefix(prefix)) for key in keys]
        except ValueError as error:
            raise CorruptObject(f"{prefix} holds a key that is no segment: {error}") from error

    def _won(self, key: str, data: bytes) -> Put:
        self._keep(key, data)
        return Put.WON

    def _holds(self, database: str, number: int, nonce: str) -> bool:
        found = self.read(database, number, fresh=True)
        return found is not None and found.header.nonce == nonce

    def _fetch(self, key: str, database: str, number: int) -> Segment | None:
        """Read from the store; an answer cut short on its way looks like damage, so damage is looked at again."""
        for is_last in attempts(self._tries, clock=self._clock, ids=self._ids):
            try:
                data = self._store.get(key)
                segment = parse_segment(data, database=database, number=number)
            except ObjectNotFound:
                return None
            except (StoreUnavailable, CorruptSegment):
                if is_last:
                    raise
            else:
                self._keep(key, data)
                return segment
        return None

    def _cached_bytes(self, key: str) -> bytes | None:
        with self._lock:
            data = self._cache.get(key)
            if data is not None:
                self._cache.move_to_end(key)
            return data

    def _keep(self, key: str, data: bytes) -> None:
        with self._lock:
            if key not in self._cache:
                self._cache[key] = data
                self._cached += len(data)
            while self._cached > self._cache_bytes:
                self._cached -= len(self._cache.popitem(last=False)[1])
