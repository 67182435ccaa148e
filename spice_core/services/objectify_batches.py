"""Submitting the commands of a run in batches: never too far ahead of the graph, each counted when it is done."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from spice_core.domain import naming
from spice_core.domain.read_models import FINAL_STATES, CommandStatus
from spice_core.errors import InvalidInstance, OptimisticConcurrencyConflict, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.read_models import CommandStatuses
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.objectify_turn import Turn
from spice_core.services.settled_graph import GRAPH_HANDLER
from spice_core.services.submit_commands import AcceptedBulk, CommandService
from spice_core.services.submit_rows import BulkKind, BulkRow

_POLL_SECONDS = 0.02
_LONGEST_PAUSE = 1.0
_MAX_SAMPLES = 200


Again = Callable[[BulkRow, int], BulkRow | None]
"""Plans a row anew, given the number that its instance has now; None where nothing is left to do."""


class Place(Protocol):
    """Where commands go: a branch of a database, and the class of the instances."""

    @property
    def database(self) -> str: ...

    @property
    def branch(self) -> str: ...

    @property
    def class_id(self) -> str: ...


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[Mapping[str, Any]] = field(default_factory=list)

    def note(self, reason: str, **sample: Any) -> None:
        """Count one case of `reason`, and keep the first ones as samples."""
        self.reasons[reason] += 1
        self.sample(reason, **sample)

    def sample(self, reason: str, **sample: Any) -> None:
        """Keep one of the first cases of `reason`."""
        if len(self.samples) < _MAX_SAMPLES:
            self.samples.append({"reason": reason, **sample})

    def reject(self, reason: str, **sample: Any) -> None:
        """Count a row that makes no instance, or whose command failed."""
        self.counts["rejected"] += 1
        self.note(reason, **sample)


@dataclass(frozen=True, slots=True)
class _Pending:
    bulk_id: str
    kind: BulkKind
    count: int
    position: int
    is_counted: bool


class CommandBatches:
    """The commands of one run. `submit` waits while more than `max_ahead` rows are undecided; `finish` waits for all."""

    def __init__(
        self,
        *,
        place: Place,
        scope: str,
        turn: Turn,
        tally: Tally,
        commands: CommandService,
        statuses: CommandStatuses,
        work: WorkLedger,
        log: EventLog,
        clock: Clock,
        max_ahead: int,
        stall_seconds: float,
    ) -> None:
        """Count into `tally`, and write only while `turn` is kept.

        `scope` (of the run) and a batch's content make its id: a repeated batch is the same batch.
        """
        self._place = place
        self._scope = scope
        self._turn = turn
        self._tally = tally
        self._commands = commands
        self._statuses = statuses
        self._work = work
        self._log = log
        self._clock = clock
        self._max_ahead = max_ahead
        self._stall_seconds = stall_seconds
        self._pending: deque[_Pending] = deque()

    def submit(
        self,
        kind: BulkKind,
        rows: Sequence[BulkRow],
        *,
        class_id: str | None = None,
        counted: bool = True,
        again: Again | None = None,
    ) -> None:
        """Append one command per row; rows that do not fit their class are rejected one by one.

        They are instances of `class_id` (None: of the class of the place). Rows that are not `counted` were counted before: only
        their failures count. Where another writer was faster, the row is planned `again` (without it: goes on top).
        """
        rows = list(rows)
        while rows:
            try:
                accepted = self._persistently(partial(self._bulk, class_id or self._place.class_id, kind, rows))
            except InvalidInstance as error:
                rows = self._without_bad_rows(rows, error)
            except OptimisticConcurrencyConflict as error:
                rows = self._replanned(rows, error, again or _on_top)
            else:
                last = accepted.members[-1].position
                self._pending.append(_Pending(accepted.bulk_id, kind, len(rows), last, counted))
                break
        while sum(item.count for item in self._pending) > self._max_ahead:
            self._finish_first()

    def finish(self) -> None:
        """Wait until every command is decided and counted."""
        while self._pending:
            self._finish_first()

    def settle(self) -> None:
        """Wait until the graph worker has decided what is in the log now."""
        self._wait(self._log.head(self._place.database).position)

    def _bulk(self, class_id: str, kind: BulkKind, rows: Sequence[BulkRow]) -> AcceptedBulk:
        place = self._place
        content = [[row.instance_id, row.expected_seq, row.data] for row in rows]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
        bulk_id = str(uuid5(NAMESPACE_URL, f"spice:objectify:{self._scope}:{kind}:{digest}"))
        return self._commands.bulk(place.database, place.branch, class_id, kind, rows, actor="objectify", command_id=bulk_id)

    def _persistently(self, append: Callable[[], AcceptedBulk]) -> AcceptedBulk:
        """Repeat while a part is down or behind; give up where nothing moves for long."""
        pause, deadline = _POLL_SECONDS, self._clock.monotonic() + self._stall_seconds
        while True:
            self._turn.keep()
            try:
                return append()
            except Unavailable:
                if self._clock.monotonic() >= deadline:
                    raise
                self._clock.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def _without_bad_rows(self, rows: Sequence[BulkRow], error: InvalidInstance) -> list[BulkRow]:
        problems: dict[int, Mapping[str, Any]] = {}
        for problem in error.details.get("errors", ()):
            problems.setdefault(int(problem["row"]), problem)
        if not problems:
            raise error
        for number, problem in problems.items():
            source = rows[number].source or {}
            self._tally.reject(
                f"{problem['field']}: invalid", row=source.get("row"), field=problem["field"], message=problem["message"]
            )
        return [row for number, row in enumerate(rows) if number not in problems]

    def _replanned(self, rows: Sequence[BulkRow], error: OptimisticConcurrencyConflict, again: Again) -> list[BulkRow]:
        """Plan the row of the instance that moved again, when what moved it is decided."""
        self.settle()
        instance = naming.split_aggregate_id(error.aggregate_id)[-1]
        found = [again(row, error.actual_seq) if row.instance_id == instance else row for row in rows]
        return [row for row in found if row is not None]

    def _finish_first(self) -> None:
        item = self._pending.popleft()
        self._wait(item.position)
        status = self._final_status(item.bulk_id)
        done = {"create": "created", "update": "updated", "delete": "deleted"}[item.kind]
        if item.is_counted:
            self._tally.counts[done] += item.count - status.failed
        for error in status.errors:
            self._tally.note("command_failed", **{**error, "kind": item.kind})
        if status.failed:
            self._tally.reasons["command_failed"] += max(0, status.failed - len(status.errors))
            self._tally.counts["rejected"] += status.failed
            self._tally.counts["failed_commands"] += status.failed

    def _final_status(self, bulk_id: str) -> CommandStatus:
        deadline = self._clock.monotonic() + self._stall_seconds
        while True:
            status = self._statuses.get(bulk_id)
            if status is not None and status.state in FINAL_STATES:
                return status
            if self._clock.monotonic() >= deadline:
                raise Unavailable(f"The status of batch {bulk_id} does not arrive; is the statuses worker running?")
            self._clock.sleep(_POLL_SECONDS)
            self._turn.keep()

    def _wait(self, position: int) -> None:
        """Wait until the graph worker has done `position`; give up where it does not move for long."""
        seen, since = -1, self._clock.monotonic()
        self._turn.keep()
        while (done := self._work.position(GRAPH_HANDLER, self._place.database)) < position:
            if done > seen:
                seen, since = done, self._clock.monotonic()
            elif self._clock.monotonic() - since >= self._stall_seconds:
                raise Unavailable(f"The graph worker stands at {done} of {position}; is it running?")
            self._clock.sleep(_POLL_SECONDS)
            self._turn.keep()


def _on_top(row: BulkRow, number: int) -> BulkRow:
    return replace(row, expected_seq=number)
