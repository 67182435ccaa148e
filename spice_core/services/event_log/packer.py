"""Writes packs, and drops the segments that packs hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spice_core.errors import BrokenChain, CorruptSegment, SlotTaken
from spice_core.ports.clock import Clock
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.pack import PackRange, build_pack, pack_key
from spice_core.services.event_log.segment import Segment, parse_segment, segment_key
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.tail import check_continues, head_of

Progress = Callable[[int, int], None]
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many segments were removed, and how many packs are too young for theirs to go."""

    segments: int
    waiting_packs: int


class Packer:
    """Packs one database at a time; of several processes that try, one does."""

    def __init__(self, segments: Segments, *, store: ObjectStore, ledger: Ledger, clock: Clock, limits: LogLimits) -> None:
        self._segments = segments
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._limits = limits

    def pack(self, database: str, *, most: int | None = None, progress: Progress | None = None) -> list[PackRange]:
        """Copy what the ledger has folded into packs, whole ranges only, at most `most`; return the new ones.

        The chain is checked before a pack is written. A crash leaves whole packs, and the next call goes on behind them.

        Raises:
            BrokenChain, CorruptSegment: the log is damaged; what stands before the damage may be packed.
            StoreUnavailable, LedgerUnavailable: (retryable) some packs may be written.
        """
        made: list[PackRange] = []
        with self._ledger.folding(f"packs of {database}") as has_right:
            if not has_right:
                return made
            end = self._ledger.view(database).head.segment
            self._segments.packs.ranges(database)
            head = self._head_at(database, self._segments.last_packed(database))
            while len(made) != most and (found := self._collect(database, head, end)) is not None:
                head, segments = found
                place = PackRange(head.segment - len(segments) + 1, head.segment)
                self._write(database, place, segments)
                made.append(place)
                if progress is not None:
                    progress(head.segment, head.position)
        return made

    def is_due(self, database: str, folded: FoldedHead) -> bool:
        """Whether there is a whole range to pack; asks the store at most once in `trusted_seconds`."""
        return folded.segment - self._segments.last_packed(database) >= self._limits.pack_segments

    def drop(self, database: str, *, before: int, progress: Progress | None = None) -> Dropped:
        """Remove the segments below `before` that stand in a pack, after checking each pack and its chain from the start.

        Whoever knows only that a slot was free must not find it free again: so a pack is at least `drop_after_seconds`
        old before its segments go, and nobody goes by a listing of packs of that age (clocks may differ by half of it).

        Raises:
            BrokenChain, CorruptSegment: a pack, or a segment beside it, is not what it should be; nothing of it was removed.
            StoreUnavailable: (retryable) some segments may be removed; a repetition goes on.
        """
        head, dropped, waiting = EMPTY_HEAD, 0, 0
        for place in self._segments.packs.ranges(database):
            if place.last >= before or place.first > head.segment + 1:
                break
            pack = self._segments.read_pack(database, place)
            for number, data in enumerate(pack.segments, start=place.first):
                if number == head.segment + 1:
                    head = _follow(head, parse_segment(data, database=database, number=number))
            if (self._clock.now() - pack.packed_at).total_seconds() < self._limits.drop_after_seconds:
                waiting += 1
                continue
            dropped += self._drop(database, place, pack.segments)
            if progress is not None:
                progress(head.segment, head.position)
        return Dropped(dropped, waiting)

    def _collect(self, database: str, head: FoldedHead, end: int) -> tuple[FoldedHead, list[bytes]] | None:
        """Return the bytes of a whole range behind `head` up to segment `end`, and where the log stands with it."""
        if end - head.segment < 1:
            return None
        segments: list[bytes] = []
        size = 0
        while head.segment < end:
            number = head.segment + 1
            data = self._segments.slot_bytes(database, number)
            if data is None:
                raise BrokenChain(f"{segment_key(database, number)} is missing, and no pack holds it")
            if segments and size + len(data) > self._limits.pack_bytes:
                return head, segments
            head = _follow(head, parse_segment(data, database=database, number=number))
            segments.append(data)
            size += len(data)
            if len(segments) == self._limits.pack_segments:
                return head, segments
        return None

    def _write(self, database: str, place: PackRange, segments: list[bytes]) -> None:
        data = build_pack(database, place, segments, packed_at=self._clock.now())
        try:
            self._store.put_if_absent(pack_key(database, place), data)
        except SlotTaken:
            # By an attempt of ours whose answer was lost, or by a process that lost the right: it must hold the same.
            if list(self._segments.read_pack(database, place).segments) != segments:
                raise CorruptSegment(f"{pack_key(database, place)} does not hold the segments of its range") from None
        self._segments.packs.add(database, place)

    def _drop(self, database: str, place: PackRange, copies: Sequence[bytes]) -> int:
        present = self._present(database, place)
        for number in present:
            if self._segments.slot_bytes(database, number) != copies[number - place.first]:
                raise BrokenChain(f"{segment_key(database, number)} is not what {pack_key(database, place)} holds in its place")
        for number in present:
            self._store.delete(segment_key(database, number))
        return len(present)

    def _present(self, database: str, place: PackRange) -> list[int]:
        found: list[int] = []
        after = place.first - 1
        while numbers := self._segments.list_numbers(database, after=after, limit=_PAGE):
            found += [number for number in numbers if number <= place.last]
            after = numbers[-1]
            if after >= place.last:
                break
        return found

    def _head_at(self, database: str, number: int) -> FoldedHead:
        if number == 0:
            return EMPTY_HEAD
        segment = self._segments.read(database, number)
        if segment is None:
            raise BrokenChain(f"{segment_key(database, number)} is missing")
        return head_of(segment)


def _follow(head: FoldedHead, segment: Segment) -> FoldedHead:
    check_continues(segment, head)
    return head_of(segment)
