"""Segments by number: the one place that reads them from the object store and puts them there."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

from spice_core.errors import CorruptObject, CorruptSegment, ObjectNotFound, SlotTaken, StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.pack import Pack, PackRange, pack_key, parse_pack
from spice_core.services.event_log.pack_index import PackIndex
from spice_core.services.event_log.read_ahead import ReadAhead
from spice_core.services.event_log.retry import attempts
from spice_core.services.event_log.segment import Segment, parse_segment, segment_key

_PLACES = 64
ResultT = TypeVar("ResultT")


class Put(Enum):
    """How a put ended."""

    WON = auto()
    TAKEN = auto()


class Segments:
    """Verified segments of every database, from packs where there are packs, with a bounded cache of the bytes used last."""

    def __init__(self, store: ObjectStore, *, clock: Clock, ids: IdSource, limits: LogLimits) -> None:
        """Try a failing store `store_attempts` times; keep up to `cache_bytes` of segments in memory."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._tries = limits.store_attempts
        self._cache_bytes = limits.cache_bytes
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()
        self.packs = PackIndex(store, clock=clock, trusted_seconds=limits.trusted_seconds)
        self._slots = limits.read_ahead
        self._ahead = ReadAhead(store.get, slots=limits.read_ahead)
        self._newest: dict[str, int] = {}
        self._places: OrderedDict[tuple[str, int], None] = OrderedDict()

    def close(self) -> None:
        """Stop reading ahead."""
        self._ahead.close()

    def read(self, database: str, number: int) -> Segment | None:
        """Return segment `number`, or None where it is not written yet.

        Raises:
            CorruptSegment: its bytes are not what was written.
            StoreUnavailable: (retryable) the store did not answer after all attempts.
        """
        key = segment_key(database, number)
        data = self._cached_bytes(key)
        place = None if data is not None else self._pack_of(database, number)
        if data is None:
            self._look_ahead(database, number, number if place is None else place.last)
        try:
            if data is not None:
                return parse_segment(data, database=database, number=number)
            return self.read_slot(database, number) if place is None else self._from_pack(database, number, place)
        except (CorruptSegment, ObjectNotFound) as error:
            # A pack brought it here, unchecked. The segment itself may be there, and sound; `verify` reports the pack.
            self._forget(key)
            place = place or self._pack_of(database, number)
            found = None if place is None else self.read_slot(database, number)
            if found is None:
                where = "" if place is None else f"{pack_key(database, place)}: "
                raise CorruptSegment(f"{where}{error.message}") from error
            return found

    def read_slot(self, database: str, number: int) -> Segment | None:
        """Return what stands in slot `number` itself, around cache and packs, or None where that is empty. Raises as `read`."""
        key = segment_key(database, number)

        def fetch() -> tuple[bytes, Segment]:
            data = self._object(key)
            return data, parse_segment(data, database=database, number=number)

        try:
            data, segment = self._again(fetch)
        except ObjectNotFound:
            return None
        self._keep(key, data)
        return segment

    def slot_bytes(self, database: str, number: int) -> bytes | None:
        """Return the bytes of slot `number`, unchecked, or None where it is empty."""
        try:
            return self._again(lambda: self._object(segment_key(database, number)))
        except ObjectNotFound:
            return None

    def read_pack(self, database: str, place: PackRange) -> Pack:
        """Return a pack from the store, cut but not checked.

        Raises:
            CorruptSegment: it cannot be cut into its segments.
            ObjectNotFound: it is not there.
            StoreUnavailable: (retryable) as `read`.
        """
        key = pack_key(database, place)
        return self._again(lambda: parse_pack(self._object(key), database=database, place=place))

    def exists(self, database: str, number: int) -> bool:
        """Whether segment `number` is written."""
        if self._pack_of(database, number) is not None:
            return True
        return self._again(lambda: self._store.size(segment_key(database, number))) is not None

    def last_packed(self, database: str) -> int:
        """Return the last segment that is in a pack, 0 where there is none."""
        return self._again(lambda: self.packs.last(database))

    def put(self, database: str, number: int, data: bytes, *, nonce: str) -> Put:
        """Write slot `number` once. An answer that was lost is found out by reading the slot and comparing `nonce`.

        A writer that slept for long may find a slot free because its segment was dropped behind a pack: then the slot was
        taken, and what was put there is taken back.

        Raises:
            StoreUnavailable: (retryable) whether the slot holds `data`, now or later, is not known.
        """
        key = segment_key(database, number)
        for is_last in attempts(self._tries, clock=self._clock, ids=self._ids):
            try:
                self._store.put_if_absent(key, data)
            except SlotTaken:
                # Perhaps by an attempt of ours whose answer was lost.
                if not self._holds(database, number, nonce):
                    return Put.TAKEN
            except StoreUnavailable:
                if is_last:
                    raise
                continue
            return self._settled(database, number, data)
        raise StoreUnavailable

    def note_newest(self, database: str, number: int) -> None:
        """Take note that segments up to `number` are written, so that readers may fetch ahead of themselves."""
        if self._slots:
            self._newest[database] = max(number, self._newest.get(database, 0))

    def list_numbers(self, database: str, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Return the numbers of up to `limit` segments above `after` that stand in a slot of their own, in order."""
        prefix = f"{database}/log/"
        keys = self._store.list_keys(prefix, after=segment_key(database, after), limit=limit)
        try:
            return [int(key.removeprefix(prefix)) for key in keys]
        except ValueError as error:
            raise CorruptObject(f"{prefix} holds a key that is no segment: {error}") from error

    def _settled(self, database: str, number: int, data: bytes) -> Put:
        key = segment_key(database, number)
        if not self.packs.is_trusted(database) and self._pack_of(database, number) is not None:
            self._store.delete(key)
            return Put.TAKEN
        self._keep(key, data)
        self.note_newest(database, number)
        return Put.WON

    def _holds(self, database: str, number: int, nonce: str) -> bool:
        found = self.read_slot(database, number)
        return found is not None and found.header.nonce == nonce

    def _pack_of(self, database: str, number: int) -> PackRange | None:
        return self._again(lambda: self.packs.covering(database, number))

    def _from_pack(self, database: str, number: int, place: PackRange) -> Segment:
        """Read a whole pack into the cache, and return one of its segments."""
        pack = self.read_pack(database, place)
        data = pack.segments[number - place.first]
        found = parse_segment(data, database=database, number=number)
        for other, its_data in enumerate(pack.segments, start=place.first):
            if other >= number:
                self._keep(segment_key(database, other), its_data)
        self._keep(segment_key(database, number), data)
        return found

    def _look_ahead(self, database: str, number: int, last: int) -> None:
        """Fetch what comes after `last` if whoever reads `number` read the one before it, too."""
        if not self._slots:
            return
        with self._lock:
            is_sequential = number == 1 or self._places.pop((database, number - 1), self) is None
            self._places[database, last] = None
            if len(self._places) > _PLACES:
                self._places.popitem(last=False)
        if is_sequential:
            self._ahead.request(self._keys_after(database, last))

    def _keys_after(self, database: str, last: int) -> list[str]:
        keys: list[str] = []
        number, newest = last + 1, self._newest.get(database, 0)
        while number <= newest and len(keys) < self._slots:
            place = self.packs.covering(database, number)
            if place is not None:
                # One pack ahead is as much as a hundred segments.
                return [*keys, pack_key(database, place)]
            if segment_key(database, number) not in self._cache:
                keys.append(segment_key(database, number))
            number += 1
        return keys

    def _object(self, key: str) -> bytes:
        data = self._ahead.take(key) if self._slots else None
        return self._store.get(key) if data is None else data

    def _again(self, request: Callable[[], ResultT]) -> ResultT:
        """Repeat what may pass; an answer cut short on its way looks like damage, so damage is looked at again."""
        for is_last in attempts(self._tries, clock=self._clock, ids=self._ids):
            try:
                return request()
            except (StoreUnavailable, CorruptSegment):
                if is_last:
                    raise
        raise StoreUnavailable

    def _cached_bytes(self, key: str) -> bytes | None:
        with self._lock:
            data = self._cache.get(key)
            if data is not None:
                self._cache.move_to_end(key)
            return data

    def _forget(self, key: str) -> None:
        with self._lock:
            self._cached -= len(self._cache.pop(key, b""))

    def _keep(self, key: str, data: bytes) -> None:
        with self._lock:
            if key not in self._cache:
                self._cache[key] = data
                self._cached += len(data)
            while self._cached > self._cache_bytes:
                self._cached -= len(self._cache.popitem(last=False)[1])
