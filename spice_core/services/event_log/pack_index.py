"""Which packs a database has, as far as this process knows, and how old that knowledge is."""

import bisect
import threading
from dataclasses import dataclass, field

from spice_core.ports.clock import Clock
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.pack import PackRange, pack_key, pack_prefix, range_of

_PAGE = 1000


@dataclass(slots=True)
class _Known:
    packs: list[PackRange] = field(default_factory=list)
    listed_at: float = 0.0
    listed_wall: float = 0.0


class PackIndex:
    """The packs of every database, listed anew where the last listing is older than `trusted_seconds`.

    Segments may be dropped only when their pack is much older than that (see `Packer.drop`). So whoever goes by a listing
    of that age never takes a dropped segment for one that was never written.
    """

    def __init__(self, store: ObjectStore, *, clock: Clock, trusted_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._trusted_seconds = trusted_seconds
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def covering(self, database: str, number: int) -> PackRange | None:
        """Return a pack that holds segment `number`, or None.

        Raises:
            StoreUnavailable: (retryable) the packs had to be listed, and the store does not answer.
        """
        packs = self._current(database).packs
        place = bisect.bisect_right(packs, number, key=lambda pack: pack.first) - 1
        # Packs of changed settings may overlap: one that begins earlier may reach further.
        for pack in reversed(packs[max(0, place - 1) : place + 1]):
            if pack.first <= number <= pack.last:
                return pack
        return None

    def is_trusted(self, database: str) -> bool:
        """Whether the last listing is young enough to go by."""
        with self._lock:
            known = self._known.get(database)
        return known is not None and self._age(known) <= self._trusted_seconds

    def last(self, database: str) -> int:
        """Return the last packed segment, 0 where there is none."""
        return max((pack.last for pack in self._current(database).packs), default=0)

    def ranges(self, database: str) -> list[PackRange]:
        """List the packs anew and return all of them, in order."""
        return list(self._list(database, PackRange(0, 0)).packs)

    def add(self, database: str, place: PackRange) -> None:
        """Take note of a pack that this process wrote or read."""
        with self._lock:
            known = self._known.setdefault(database, _Known(listed_at=float("-inf")))
            known.packs = sorted({*known.packs, place})

    def _current(self, database: str) -> _Known:
        with self._lock:
            known = self._known.get(database)
        if known is not None and self._age(known) <= self._trusted_seconds:
            return known
        return self._list(database, known.packs[-1] if known is not None and known.packs else PackRange(0, 0))

    def _age(self, known: _Known) -> float:
        """Return seconds since the listing, by whichever clock went further: one of them stops while a machine sleeps."""
        return max(self._clock.monotonic() - known.listed_at, self._clock.now().timestamp() - known.listed_wall)

    def _list(self, database: str, after: PackRange) -> _Known:
        """List the packs behind `after` and add them to those that are known."""
        started, wall = self._clock.monotonic(), self._clock.now().timestamp()
        found: list[PackRange] = []
        while True:
            keys = self._store.list_keys(pack_prefix(database), after=pack_key(database, after), limit=_PAGE)
            found += [range_of(key, database) for key in keys]
            if len(keys) < _PAGE:
                break
            after = found[-1]
        with self._lock:
            known = self._known.get(database)
            before = known.packs if known is not None else []
            known = self._known[database] = _Known(sorted({*before, *found}), started, wall)
            return known
