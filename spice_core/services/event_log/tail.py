"""What a process knows exactly about the head of one database's log: the ledger's part, and the segments behind it."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from spice_core.domain.event_keys import event_key
from spice_core.errors import BrokenChain
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry
from spice_core.services.event_log.fingerprint import index_entry
from spice_core.services.event_log.key_filter import KeyFilter
from spice_core.services.event_log.segment import Segment, segment_key


@dataclass(frozen=True, slots=True)
class TailSegment:
    """One segment that the ledger may not have folded: where the log stands with it, and its events."""

    head: FoldedHead
    entries: Sequence[IndexEntry]


class Tail:
    """The segments above the folded head up to the log's head, and the aggregate numbers at the head.

    The folded head together with the tail is the whole log: `known` and `number` are exact for a ledger snapshot at
    `folded`. Written by whoever holds the database's turn; `unfolded` may be called by the folder at any time.
    """

    def __init__(self, folded: FoldedHead = EMPTY_HEAD) -> None:
        self.folded = folded
        self.head = folded
        self._segments: deque[TailSegment] = deque()
        self._entries: dict[str, IndexEntry] = {}
        self._tail_numbers: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        # Which keys the whole log may hold; None while that is not known. A log without a past is known at once.
        self._filter: KeyFilter | None = KeyFilter() if folded == EMPTY_HEAD else None
        self._recorded: list[str] | None = None

    @property
    def has_filter(self) -> bool:
        """Whether `may_hold` can say no."""
        return self._filter is not None

    @property
    def filter_keys(self) -> int:
        """How many keys the filter holds."""
        return 0 if self._filter is None else self._filter.count

    @property
    def unfolded_events(self) -> int:
        """How many events the ledger lacks, as far as is known here."""
        return self.head.position - self.folded.position

    def known(self, event_id: str) -> IndexEntry | None:
        """Return an event of the tail."""
        return self._entries.get(event_id)

    def number(self, aggregate: str) -> int | None:
        """Return the aggregate's number at the head, or None where the ledger must be asked first (see `learn`)."""
        return self._numbers.get(aggregate)

    def number_of(self, aggregate: str) -> int:
        """Return the aggregate's number at the head. Raises `LookupError` where the ledger was not asked: it is not 0."""
        number = self._numbers.get(aggregate)
        if number is None:
            raise LookupError(f"the number of {aggregate} was not asked of the ledger")
        return number

    def may_hold(self, key: str) -> bool:
        """Whether the log may hold an event of this `event_key`, or commands of this aggregate; False is certain."""
        return self._filter is None or key in self._filter

    def record(self) -> None:
        """Note every key of the tail from now on, until `stop_recording`."""
        self._recorded = [key for segment in self._segments for key in _keys(segment.entries)]

    def stop_recording(self, filled: KeyFilter | None) -> None:
        """Use `filled`, which has the keys of a ledger snapshot taken after `record`, with those noted since."""
        if filled is not None:
            filled.update(self._recorded or ())
            self._filter = filled
        self._recorded = None

    def drop_filter(self) -> None:
        """Say no more of keys."""
        self._filter = None

    def trim(self, most: int) -> None:
        """Let go of learned numbers where there are `most` or more; those of the tail stay.

        Only between two batches: what `number` told before it may not tell any more.
        """
        if len(self._numbers) >= most:
            self._numbers = dict(self._tail_numbers)

    def learn(self, aggregate: str, folded_number: int) -> None:
        """Take over an aggregate's number at `folded`; what the tail knows goes before it."""
        self._numbers[aggregate] = max(folded_number, self._tail_numbers.get(aggregate, 0))

    def add(self, head: FoldedHead, entries: Sequence[IndexEntry]) -> None:
        """Add the segment that makes `head` the head."""
        numbers = {entry.aggregate: entry.sequence_number for entry in entries if entry.is_command}
        self._entries.update((entry.event_id, entry) for entry in entries)
        self._tail_numbers.update(numbers)
        self._numbers.update(numbers)
        with self._lock:
            self._segments.append(TailSegment(head, entries))
        self.head = head
        if self._filter is not None:
            for key in _keys(entries):
                self._filter.add(key)
        if self._recorded is not None:
            self._recorded.extend(_keys(entries))

    def add_segment(self, segment: Segment) -> None:
        """Add a segment that was read.

        Raises:
            BrokenChain: it does not continue the head.
            CorruptSegment: its events cannot be read.
        """
        check_continues(segment, self.head)
        entries = [index_entry(e.event, position=e.position, segment=e.segment) for e in segment.events()]
        self.add(head_of(segment), entries)

    def drop_folded(self, folded: FoldedHead) -> bool:
        """Drop what the ledger has folded; say whether `folded` is a place of this tail (else it must be built anew).

        Raises:
            BrokenChain: the ledger folded another segment of that number than this log has.
        """
        if not self.folded.segment <= folded.segment <= self.head.segment:
            return False
        if folded.segment == self.folded.segment:
            check_same(folded, self.folded)
            return True
        with self._lock:
            dropped: list[TailSegment] = []
            while self._segments and self._segments[0].head.segment <= folded.segment:
                dropped.append(self._segments.popleft())
        check_same(folded, dropped[-1].head)
        self._forget(entry for segment in dropped for entry in segment.entries)
        self.folded = folded
        return True

    def unfolded(self, since: FoldedHead, *, limit: int) -> list[TailSegment]:
        """Return segments that follow `since`, about `limit` events of them; empty where the tail does not continue it."""
        chosen: list[TailSegment] = []
        events = 0
        with self._lock:
            for segment in self._segments:
                if segment.head.segment <= since.segment:
                    continue
                if (not chosen and segment.head.segment != since.segment + 1) or events >= limit:
                    break
                chosen.append(segment)
                events += len(segment.entries)
        return chosen

    def _forget(self, entries: Iterable[IndexEntry]) -> None:
        for entry in entries:
            self._entries.pop(entry.event_id, None)
            if self._tail_numbers.get(entry.aggregate) == entry.sequence_number:
                del self._tail_numbers[entry.aggregate]


def _keys(entries: Iterable[IndexEntry]) -> Iterator[str]:
    for entry in entries:
        yield event_key(entry.event_id)
        if entry.is_command and entry.sequence_number == 1:
            yield entry.aggregate


def head_of(segment: Segment) -> FoldedHead:
    """Return where the log stands with `segment`."""
    return FoldedHead(segment.header.segment, segment.header.last, segment.header.hash)


def check_continues(segment: Segment, head: FoldedHead) -> None:
    """Raise `BrokenChain` unless `segment` is the one after `head`."""
    header = segment.header
    if header.previous != head.chain_hash or header.segment != head.segment + 1 or header.first != head.position + 1:
        raise BrokenChain(
            f"{segment_key(header.database, header.segment)} does not continue segment {head.segment} "
            f"(position {head.position}): a segment was replaced, removed or put out of order",
            details={"database": header.database, "segment": header.segment, "position": head.position + 1},
        )


def check_same(folded: FoldedHead, actual: FoldedHead) -> None:
    """Raise `BrokenChain` unless the ledger folded the very segment that the log has."""
    if folded != actual:
        raise BrokenChain(
            f"The ledger folded another segment {folded.segment} than the log holds; if the log is right, "
            "rebuild the ledger from it (spice rebuild ledger), else restore the log",
            details={"segment": folded.segment, "ledger_hash": folded.chain_hash, "log_hash": actual.chain_hash},
        )
