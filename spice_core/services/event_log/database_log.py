"""The log of one database as one process sees it: knowing its head exactly, and putting the next segment."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from spice_core.domain.event_keys import event_key
from spice_core.errors import BrokenChain, LogBehind
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry, Ledger, LedgerView
from spice_core.services.event_log.decision import Plan, Request, decide
from spice_core.services.event_log.key_filter import KeyFilter
from spice_core.services.event_log.segment import build_segment
from spice_core.services.event_log.segments import Put, Segments
from spice_core.services.event_log.tail import Tail, check_same, head_of

_MOST_READ_FORWARD = 64
_MOST_LOST_SLOTS = 200


@dataclass(slots=True)
class Counters:
    """What a process did on one log: segments written, events in them, slots lost to other writers, ledger queries."""

    segments: int = 0
    events: int = 0
    lost_slots: int = 0
    views: int = 0


class DatabaseLog:
    """One database's log. Its methods need `turn`, which one thread at a time holds; `unfolded` and counters do not."""

    def __init__(
        self,
        database: str,
        *,
        segments: Segments,
        ledger: Ledger,
        ids: IdSource,
        writer_id: str,
        max_tail_events: int,
        max_filter_keys: int,
        max_numbers: int,
    ) -> None:
        self.database = database
        self.turn = threading.Lock()
        self.counters = Counters()
        self._segments = segments
        self._ledger = ledger
        self._ids = ids
        self._writer_id = writer_id
        self._max_tail_events = max_tail_events
        self._max_filter_keys = max_filter_keys
        self._max_numbers = max_numbers
        self._tail: Tail | None = None
        self._folded: FoldedHead | None = None

    @property
    def tail(self) -> Tail | None:
        """What is known of the head, or None before the first use."""
        return self._tail

    def commit(self, requests: Sequence[Request]) -> Plan:
        """Decide `requests` at the log's head and make what they add durable; return their outcomes.

        Raises:
            LogBehind, LedgerUnavailable: (retryable) nothing was written.
            StoreUnavailable: (retryable) the segment may be in the log, or come yet; a repetition finds out.
            BrokenChain, CorruptSegment: the log or the ledger contradicts itself.
        """
        event_ids = [proposal.event.event_id for request in requests for proposal in request.proposals]
        aggregates = {proposal.aggregate for request in requests for proposal in request.proposals if proposal.is_command}
        aggregates.update(name for request in requests for name in request.expected)
        for _ in range(_MOST_LOST_SLOTS):
            known = self.know(event_ids=event_ids, aggregates=aggregates)
            tail = self._open_tail()
            plan = decide(requests, tail=tail, known=known)
            if plan.lines:
                if self._put(plan, tail):
                    return plan
            elif not plan.has_conflict:
                return plan
            # A refusal must be true of the newest segment, and a lost slot has a winner: go and see.
            if not self.catch_up() and not plan.lines:
                return plan
        raise LogBehind("Other writers won every slot; retry in a moment.", details={"retry_after_seconds": 1})

    def know(self, *, event_ids: Collection[str] = (), aggregates: Collection[str] = ()) -> Mapping[str, IndexEntry]:
        """Ask the ledger for what only it may know, all of one snapshot; return the folded ones of `event_ids`."""
        while True:
            tail = self._open_tail()
            self._drop_folded(tail)
            tail.trim(self._max_numbers)
            missing = [name for name in aggregates if tail.number(name) is None]
            view = self._ask(tail, event_ids, missing)
            if view is not None:
                break
        for name in missing:
            tail.learn(name, view.numbers.get(name, 0))
        self._refuse_when_behind(tail)
        return view.known

    def know_head(self, *, event_ids: Collection[str] = (), aggregates: Collection[str] = ()) -> Mapping[str, IndexEntry]:
        """As `know`, with the tail read to the log's head: what is in neither is not in the log."""
        while True:
            known = self.know(event_ids=event_ids, aggregates=aggregates)
            tail = self._open_tail()
            folded = tail.folded
            self.catch_up()
            if self._tail is tail and tail.folded == folded:
                return known
            # What was folded on the way stands neither in `known` nor in the tail.

    def note_folded(self, folded: FoldedHead) -> None:
        """Take note, from any thread, that the ledger has folded up to `folded`."""
        self._folded = folded

    def load_filter(self) -> None:
        """Read all keys from the ledger, so that appends of new ones need not ask it; does nothing where that is done.

        Must not hold `turn`. Raises `LedgerUnavailable`.
        """
        with self.turn:
            tail = self._tail
            if tail is None or tail.has_filter or tail.folded.position > self._max_filter_keys // 2:
                return
            since = tail.folded
            tail.record()
        filled = KeyFilter()
        is_usable = False
        try:
            head = self._ledger.visit_keys(self.database, filled.update)
            is_usable = head.segment >= since.segment  # else the ledger lost folds meanwhile, and their keys
        finally:
            with self.turn:
                tail.stop_recording(filled if is_usable else None)

    def catch_up(self) -> bool:
        """Read the segments that others wrote behind the head; say whether there were any."""
        tail = self._open_tail()
        has_moved = False
        while (segment := self._segments.read(self.database, tail.head.segment + 1)) is not None:
            has_moved = True
            if tail.unfolded_events >= self._max_tail_events:
                tail = self._let_go_of_folded(self._ledger.view(self.database))
                self._refuse_when_behind(tail)
            if segment.header.segment == tail.head.segment + 1:
                tail.add_segment(segment)
        return has_moved

    def forget(self) -> None:
        """Know nothing any more, so that the next use starts from the ledger."""
        self._tail = None
        self._folded = None

    def _ask(self, tail: Tail, event_ids: Collection[str], aggregates: Collection[str]) -> LedgerView | None:
        """Return what the ledger knows of these that `tail` may not; it is not asked where that is certainly nothing.

        None where the tail was built anew, or read on and met what it was certain not to meet: ask again.
        """
        keys = {event_id: event_key(event_id) for event_id in event_ids if tail.known(event_id) is None}
        passed_over = {key for key in (*keys.values(), *aggregates) if not tail.may_hold(key)}
        unknown = [event_id for event_id, key in keys.items() if key not in passed_over]
        names = [name for name in aggregates if name not in passed_over]
        if not names and not unknown and tail.unfolded_events < self._max_tail_events:
            return LedgerView(tail.folded, {}, {})
        # The tail drops what this snapshot has folded, so it is asked for what the tail still knows, too.
        in_tail = [event_id for event_id in event_ids if event_id not in keys]
        head = tail.head
        view = self._ledger.view(self.database, aggregates=names, event_ids=[*unknown, *in_tail])
        self.counters.views += 1
        if self._reconcile(view) is not tail:
            return None
        return None if tail.head != head and any(map(tail.may_hold, passed_over)) else view

    def _drop_folded(self, tail: Tail) -> None:
        """Drop what this process's folder reported; a ledger that lost folds since then is noticed by the next view."""
        folded = self._folded
        if folded is not None and folded.segment > tail.folded.segment:
            tail.drop_folded(folded)

    def _open_tail(self) -> Tail:
        if self._tail is None:
            self._reconcile(self._ledger.view(self.database))
        assert self._tail is not None  # noqa: S101 - for the type checker
        return self._tail

    def _reconcile(self, view: LedgerView) -> Tail:
        """Make the tail start at the folded head of `view`; build it anew where the ledger jumped."""
        tail = self._tail
        if tail is not None and tail.head.segment < view.head.segment <= tail.head.segment + _MOST_READ_FORWARD:
            self.catch_up()
        if self._let_go_of_folded(view) is not tail:
            self.catch_up()
        return self._open_tail()

    def _let_go_of_folded(self, view: LedgerView) -> Tail:
        """Drop from the tail what the ledger has folded; begin a new one where the ledger is at no place of the tail."""
        tail = self._tail
        if tail is None or not tail.drop_folded(view.head):
            self._folded = None
            check_folded(self._segments, self.database, view.head)
            tail = self._tail = Tail(view.head)
        return tail

    def _put(self, plan: Plan, tail: Tail) -> bool:
        """Put the next segment; say whether the slot was ours."""
        number = tail.head.segment + 1
        nonce = self._ids.new_id()
        data, digest = build_segment(
            database=self.database,
            segment=number,
            previous=tail.head.chain_hash,
            writer=self._writer_id,
            nonce=nonce,
            first=tail.head.position + 1,
            lines=plan.lines,
        )
        if self._segments.put(self.database, number, data, nonce=nonce) is Put.TAKEN:
            self.counters.lost_slots += 1
            return False
        if tail.filter_keys > self._max_filter_keys:
            tail.drop_filter()
        tail.add(FoldedHead(number, tail.head.position + len(plan.lines), digest), plan.entries)
        self.counters.segments += 1
        self.counters.events += len(plan.lines)
        return True

    def _refuse_when_behind(self, tail: Tail) -> None:
        if tail.unfolded_events >= self._max_tail_events:
            raise LogBehind(
                f"The ledger is {tail.unfolded_events} events behind the log; retry in a moment.",
                details={"retry_after_seconds": 1, "unfolded_events": tail.unfolded_events},
            )


def check_folded(segments: Segments, database: str, folded: FoldedHead) -> None:
    """Raise `BrokenChain` unless the log holds the very segment that the ledger folded last."""
    if folded == EMPTY_HEAD:
        return
    segment = segments.read(database, folded.segment)
    if segment is None:
        raise BrokenChain(
            f"The ledger folded segment {folded.segment} of {database}, which the log does not have: its end was lost. "
            "Restore the object store; to go on without what was lost, rebuild the ledger (spice rebuild ledger)",
            details={"database": database, "segment": folded.segment, "position": folded.position},
        )
    check_same(folded, head_of(segment))
