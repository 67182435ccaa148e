"""What becomes of a batch of append requests: pure, given exact knowledge of the log's head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spice_core.domain.events import Event
from spice_core.errors import IdempotencyMismatch, OptimisticConcurrencyConflict, SpiceError
from spice_core.ports.ledger import IndexEntry
from spice_core.services.event_log.segment import event_line
from spice_core.services.event_log.tail import Tail


class Proposal(NamedTuple):
    """One event, prepared for the log by its caller. A tuple, as one is made per event and a frozen class costs four times."""

    event: Event
    aggregate: str
    is_command: bool
    fingerprint: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What one caller wants to append: all of it or nothing."""

    proposals: Sequence[Proposal]
    expected: Mapping[str, int]
    size: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The place of each event of a request, in its order; `is_duplicate` where the log had them all."""

    entries: Sequence[IndexEntry]
    is_duplicate: bool


@dataclass(slots=True)
class Plan:
    """The next segment's lines with their index entries, and the outcome of each request, in its order."""

    lines: list[bytes] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)
    outcomes: list[Accepted | SpiceError] = field(default_factory=list)

    @property
    def has_conflict(self) -> bool:
        """Whether a request was refused because of a number, which a newer segment may have moved."""
        return any(isinstance(outcome, OptimisticConcurrencyConflict) for outcome in self.outcomes)


def decide(requests: Sequence[Request], *, tail: Tail, known: Mapping[str, IndexEntry]) -> Plan:
    """Decide `requests` in order against the head that `tail` has and the ledger's `known` events of that snapshot.

    Every aggregate of the requests has a number in `tail`. A request sees those before it: of two that expect the same
    number the first wins, and a repetition within the batch gets the first one's place.
    """
    batch = _Batch(tail, known)
    plan = batch.plan
    for request in requests:
        plan.outcomes.append(batch.decide(request))
    return plan


class _Batch:
    def __init__(self, tail: Tail, known: Mapping[str, IndexEntry]) -> None:
        self.plan = Plan()
        self._tail = tail
        self._known = known
        self._fresh: dict[str, IndexEntry] = {}
        self._numbers: dict[str, int] = {}
        self._segment = tail.head.segment + 1
        self._position = tail.head.position

    def decide(self, request: Request) -> Accepted | SpiceError:
        """Return the outcome of `request` and, where it is accepted, add its new events to the plan."""
        places: list[IndexEntry] = []
        fresh: dict[str, IndexEntry] = {}
        numbers: dict[str, int] = {}
        bodies: list[bytes] = []
        position = self._position
        for proposal in request.proposals:
            event = proposal.event
            found = fresh.get(event.event_id) or self._find(event.event_id)
            if found is not None:
                if found.fingerprint != proposal.fingerprint or found.is_command != proposal.is_command:
                    return IdempotencyMismatch(details={"event_id": event.event_id, "position": found.position})
                places.append(found)
                continue
            position += 1
            number = event.sequence_number or 0
            if proposal.is_command:
                number = numbers[proposal.aggregate] = self._next(proposal.aggregate, numbers)
            entry = IndexEntry(
                event.event_id, position, self._segment, proposal.aggregate, number, proposal.is_command, proposal.fingerprint
            )
            fresh[event.event_id] = entry
            places.append(entry)
            given = number if proposal.is_command else event.sequence_number
            bodies.append(event_line(proposal.body, position=position, sequence_number=given))
        if fresh:
            conflict = self._conflict(request.expected)
            if conflict is not None:
                return conflict
            self._accept(fresh, numbers, bodies, position)
        return Accepted(places, is_duplicate=not fresh)

    def _accept(self, fresh: dict[str, IndexEntry], numbers: dict[str, int], lines: list[bytes], position: int) -> None:
        self.plan.lines.extend(lines)
        self.plan.entries.extend(fresh.values())
        self._fresh.update(fresh)
        self._numbers.update(numbers)
        self._position = position

    def _conflict(self, expected: Mapping[str, int]) -> SpiceError | None:
        """Compare `expected` with the numbers before this request."""
        for aggregate, expected_seq in expected.items():
            actual = self._number(aggregate)
            if actual != expected_seq:
                name = aggregate.partition("|")[2]
                return OptimisticConcurrencyConflict(aggregate_id=name, expected_seq=expected_seq, actual_seq=actual)
        return None

    def _find(self, event_id: str) -> IndexEntry | None:
        return self._fresh.get(event_id) or self._tail.known(event_id) or self._known.get(event_id)

    def _next(self, aggregate: str, numbers: Mapping[str, int]) -> int:
        number = numbers.get(aggregate)
        return (self._number(aggregate) if number is None else number) + 1

    def _number(self, aggregate: str) -> int:
        number = self._numbers.get(aggregate)
        return self._tail.number_of(aggregate) if number is None else number
