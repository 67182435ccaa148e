"""Checks a whole log: every byte, the chain, the numbering, and what others remember of it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spice_core.domain.events import RecordedEvent
from spice_core.errors import BrokenChain, CorruptSegment, IntegrityViolation, ObjectNotFound
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead
from spice_core.services.event_log.fingerprint import aggregate_key
from spice_core.services.event_log.pack import PackRange, pack_key
from spice_core.services.event_log.reader import LogHead
from spice_core.services.event_log.segment import Segment, parse_segment, segment_key
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.tail import check_continues, head_of

Progress = Callable[[int, int], None]
_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong: in which segment, from which position on, and what."""

    segment: int
    position: int
    message: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found. `head` is where the sound part of the log ends; `problem` is None for an intact log."""

    database: str
    segments: int
    events: int
    commands: int
    bytes: int
    head: LogHead
    problem: Problem | None

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


class _Slots:
    """Which slots are taken, asked in order, listed a page at a time."""

    def __init__(self, database: str, segments: Segments) -> None:
        self._database = database
        self._segments = segments
        self._page: deque[int] = deque()
        self._is_end = False

    def is_taken(self, number: int) -> bool:
        """Whether slot `number` is taken; numbers must be asked in order."""
        while self._page and self._page[0] < number:
            self._page.popleft()
        if not self._page and not self._is_end:
            self._page.extend(self._segments.list_numbers(self._database, after=number - 1, limit=_PAGE))
            self._is_end = len(self._page) < _PAGE
        return bool(self._page) and self._page[0] == number

    def has_more(self) -> bool:
        """Whether a slot behind the one asked for last is taken."""
        return bool(self._page)


class Verifier:
    """Reads one log from its beginning."""

    def __init__(
        self, database: str, segments: Segments, *, folded: FoldedHead, witness: LogHead | None, progress: Progress | None
    ) -> None:
        """`folded` is what the ledger remembers, `witness` a head that was kept elsewhere; both must lie on the chain."""
        self._database = database
        self._segments = segments
        self._remembered = [
            ("the ledger", folded.segment, folded.chain_hash),
            ("the signed head", witness.segment if witness else 0, witness.chain_hash if witness else ""),
        ]
        self._progress = progress
        self._head = EMPTY_HEAD
        self._events = 0
        self._commands = 0
        self._bytes = 0
        self._numbers: dict[str, int] = {}
        self._ids: set[str] = set()
        self._slots = _Slots(database, segments)

    def verify(self) -> VerifyReport:
        """Return the report; problems are reported, not raised.

        Raises:
            StoreUnavailable: (retryable) the store does not answer.
        """
        problem = None
        try:
            self._segments.packs.ranges(self._database)
            while self._check_next():
                continue
            self._check_remembered_end()
        except IntegrityViolation as error:
            problem = Problem(self._head.segment + 1, self._head.position + 1, error.message)
        except ObjectNotFound as error:
            problem = Problem(self._head.segment + 1, self._head.position + 1, error.message)
        head = LogHead(self._head.segment, self._head.position, self._head.chain_hash)
        return VerifyReport(self._database, head.segment, self._events, self._commands, self._bytes, head, problem)

    def _check_next(self) -> bool:
        """Check the segment behind the head, or the pack that holds it; say whether there was one."""
        number = self._head.segment + 1
        place = self._segments.packs.covering(self._database, number)
        if place is not None:
            self._check_pack(place)
            return True
        if not self._slots.is_taken(number):
            if self._slots.has_more() or self._segments.packs.last(self._database) > number:
                raise BrokenChain(f"{segment_key(self._database, number)} is missing, but later segments are there")
            return False
        self._check(number, self._require(number))
        return True

    def _check_pack(self, place: PackRange) -> None:
        """Check the segments of a pack, and those that stand in slots of their own besides."""
        pack = self._segments.read_pack(self._database, place)
        for number in range(self._head.segment + 1, place.last + 1):
            try:
                segment = parse_segment(pack.segments[number - place.first], database=self._database, number=number)
            except CorruptSegment as error:
                raise CorruptSegment(f"{pack_key(self._database, place)}: {error.message}") from error
            if self._slots.is_taken(number) and self._require(number).header.hash != segment.header.hash:
                raise BrokenChain(
                    f"{segment_key(self._database, number)} is not what {pack_key(self._database, place)} holds in its place"
                )
            self._check(number, segment)

    def _require(self, number: int) -> Segment:
        segment = self._segments.read_slot(self._database, number)
        if segment is None:
            raise BrokenChain(f"{segment_key(self._database, number)} vanished")
        return segment

    def _check(self, number: int, segment: Segment) -> None:
        check_continues(segment, self._head)
        self._check_events(segment)
        for name, remembered, chain_hash in self._remembered:
            if remembered == number and chain_hash != segment.header.hash:
                raise BrokenChain(f"{segment_key(self._database, number)} is not the segment that {name} remembers")
        self._head = head_of(segment)
        self._events += segment.header.count
        self._bytes += sum(map(len, segment.lines))
        if self._progress is not None:
            self._progress(self._head.segment, self._head.position)

    def _check_events(self, segment: Segment) -> None:
        key = segment_key(self._database, segment.header.segment)
        for position, recorded in enumerate(segment.events(), start=segment.header.first):
            if recorded.position != position:
                raise CorruptSegment(f"{key} holds position {recorded.position} in the place of {position}")
            if recorded.event.event_id in self._ids:
                raise CorruptSegment(f"{key} holds event {recorded.event.event_id} a second time (position {position})")
            self._ids.add(recorded.event.event_id)
            if recorded.event.is_command:
                self._check_number(key, recorded)

    def _check_number(self, key: str, recorded: RecordedEvent) -> None:
        aggregate = aggregate_key(recorded.event)
        number = self._numbers.get(aggregate, 0) + 1
        if recorded.event.sequence_number != number:
            raise CorruptSegment(
                f"{key} numbers a command of {aggregate} {recorded.event.sequence_number} instead of {number} "
                f"(position {recorded.position})"
            )
        self._numbers[aggregate] = number
        self._commands += 1

    def _check_remembered_end(self) -> None:
        for name, remembered, _ in self._remembered:
            if remembered > self._head.segment:
                raise BrokenChain(f"The log ends at segment {self._head.segment}, but {name} remembers {remembered}")
