"""Checks a whole log: every byte, the chain, the numbering, and what others remember of it."""

from collections.abc import Callable
from dataclasses import dataclass

from spice_core.domain.events import RecordedEvent
from spice_core.errors import BrokenChain, CorruptSegment, IntegrityViolation, ObjectNotFound
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead
from spice_core.services.event_log.fingerprint import aggregate_key
from spice_core.services.event_log.reader import LogHead
from spice_core.services.event_log.segment import Segment, segment_key
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.tail import check_continues, head_of

Progress = Callable[[int, int], None]


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

    def verify(self) -> VerifyReport:
        """Return the report; problems are reported, not raised.

        Raises:
            StoreUnavailable: (retryable) the store does not answer.
        """
        problem = None
        try:
            while numbers := self._segments.list_numbers(self._database, after=self._head.segment):
                for number in numbers:
                    self._check(number)
            self._check_remembered_end()
        except IntegrityViolation as error:
            problem = Problem(self._head.segment + 1, self._head.position + 1, error.message)
        except ObjectNotFound as error:
            problem = Problem(self._head.segment + 1, self._head.position + 1, error.message)
        head = LogHead(self._head.segment, self._head.position, self._head.chain_hash)
        return VerifyReport(self._database, head.segment, self._events, self._commands, self._bytes, head, problem)

    def _check(self, number: int) -> None:
        if number != self._head.segment + 1:
            raise BrokenChain(f"{segment_key(self._database, self._head.segment + 1)} is missing, but segment {number} is there")
        segment = self._segments.read(self._database, number, fresh=True)
        if segment is None:
            raise BrokenChain(f"{segment_key(self._database, number)} vanished")
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
