"""Reads a log by position, each segment checked against the one before it."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spice_core.domain.events import RecordedEvent
from spice_core.errors import BrokenChain
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead
from spice_core.services.event_log.segment import Segment, segment_key
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.tail import check_continues, head_of

_REMEMBERED = 10_000
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a log stands: its newest segment, the last position, and that segment's hash, which stands for all before."""

    segment: int
    position: int
    chain_hash: str


class LogReader:
    """Reads any log of the store; remembers where its callers were, so that going on costs one segment."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._places: OrderedDict[tuple[str, int], FoldedHead] = OrderedDict()
        self._heads: dict[str, FoldedHead] = {}
        self._lock = threading.Lock()

    def read(self, database: str, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events after position `after`, in order; empty at the head.

        Raises:
            CorruptSegment, BrokenChain: the log is damaged behind what was returned before.
            StoreUnavailable: (retryable) the store does not answer.
        """
        return self._read(database, Segment.events, after=after, limit=limit)

    def read_lines(self, database: str, *, after: int, limit: int) -> list[bytes]:
        """Return the same events as the JSON lines they are stored in, checked alike but not parsed."""
        return self._read(database, Segment.stored, after=after, limit=limit)

    def read_placed_lines(self, database: str, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the same lines, each with the number of its segment."""
        return self._read(database, _placed, after=after, limit=limit)

    def _read(self, database: str, take: Callable[[Segment, int, int], list[ItemT]], *, after: int, limit: int) -> list[ItemT]:
        place = self._place(database, after)
        found: list[ItemT] = []
        while place is not None and len(found) < limit:
            segment = self._segments.read(database, place.segment + 1)
            if segment is None:
                if not found:
                    self._refuse_gap(database, place)
                break
            check_continues(segment, place)
            start = max(after - place.position, 0)
            items = take(segment, start, start + limit - len(found))
            found += items
            if start + len(items) < segment.header.count:
                break
            place = head_of(segment)
        if place is not None and found:
            self._remember(database, after + len(found), place)
        return found

    def head(self, database: str) -> LogHead:
        """Return where the log stands now, looking at the store."""
        with self._lock:
            head = self._heads.get(database, EMPTY_HEAD)
        newest = self._newest(database, head.segment)
        if newest != head.segment:
            segment = self._require(database, newest)
            if newest == head.segment + 1:
                check_continues(segment, head)
            head = head_of(segment)
            with self._lock:
                self._heads[database] = head
            self._segments.note_newest(database, head.segment)
        return LogHead(head.segment, head.position, head.chain_hash)

    def _newest(self, database: str, known: int) -> int:
        """Return the number of the last segment: doubling steps from a known one, then halving."""
        step, low = 1, max(known, self._segments.last_packed(database))
        while self._segments.exists(database, low + step):
            low += step
            step *= 2
        while step > 1:
            step //= 2
            if self._segments.exists(database, low + step):
                low += step
        return low

    def _place(self, database: str, after: int) -> FoldedHead | None:
        """Return the segment before the one that holds position `after` + 1, or None where there is none yet."""
        if after == 0:
            return EMPTY_HEAD
        with self._lock:
            place = self._places.get((database, after))
            if place is not None:
                self._places.move_to_end((database, after))
                return place
        head = self.head(database)
        low, high = 0, head.segment
        if after > head.position:
            return None
        while low < high:  # the last segment that ends at or before `after`
            middle = (low + high + 1) // 2
            if self._require(database, middle).header.last <= after:
                low = middle
            else:
                high = middle - 1
        return head_of(self._require(database, low)) if low else EMPTY_HEAD

    def _remember(self, database: str, position: int, place: FoldedHead) -> None:
        with self._lock:
            self._places[database, position] = place
            if len(self._places) > _REMEMBERED:
                self._places.popitem(last=False)

    def _require(self, database: str, number: int) -> Segment:
        segment = self._segments.read(database, number)
        if segment is None:
            raise BrokenChain(f"{segment_key(database, number)} is missing", details={"database": database, "segment": number})
        return segment

    def _refuse_gap(self, database: str, place: FoldedHead) -> None:
        """Tell the head from a removed segment: nothing may stand behind the head."""
        number = place.segment + 1
        if self._segments.exists(database, number + 1) and not self._segments.exists(database, number):
            raise BrokenChain(
                f"{segment_key(database, number)} (from position {place.position + 1}) is missing",
                details={"database": database, "segment": number, "position": place.position + 1},
            )


def _placed(segment: Segment, start: int, stop: int) -> list[tuple[int, bytes]]:
    number = segment.header.segment
    return [(number, line) for line in segment.stored(start, stop)]
