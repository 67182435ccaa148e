"""Refused requests, written to the system log without letting a flood of them hurt."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Condition, Thread

from spice_core.domain.events import DOMAIN, Event
from spice_core.domain.naming import SYSTEM_DATABASE, aggregate_id
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.services.event_log.event_log import EventLog

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of refused request: which app, why (an error code), which route, from where."""

    app: str
    code: str
    method: str
    path: str
    client: str


Sink = Callable[[Sequence[tuple[Refusal, int]]], None]
"""Writes refusals with their counts as one append; may raise `SpiceError`."""


def append_refusals(log: EventLog, clock: Clock, ids: IdSource, held: Sequence[tuple[Refusal, int]]) -> None:
    """Append `held` to the log of the system database as one unit. Raises as `EventLog.append`."""
    events = [_event(refusal, count, clock, ids) for refusal, count in held]
    log.append(SYSTEM_DATABASE, events, create=True)


def _event(refusal: Refusal, count: int, clock: Clock, ids: IdSource) -> Event:
    return Event(
        event_id=ids.new_id(),
        event_type="ACCESS_REFUSED",
        aggregate_type="Audit",
        aggregate_id=aggregate_id(SYSTEM_DATABASE, refusal.app),
        occurred_at=clock.now(),
        data={**asdict(refusal), "count": count, "resource_type": "Route", "resource_id": refusal.path, "error": refusal.code},
        metadata={"kind": DOMAIN},
    )


class RefusalRecorder:
    """Collects refusals and hands them to the sink once per interval, equal ones as one entry with a count.

    What is held is bounded: kinds beyond `max_kinds` are counted together under an empty path and client.
    """

    def __init__(self, sink: Sink, *, interval_seconds: float = 1.0, max_kinds: int = 200) -> None:
        self._sink = sink
        self._interval = interval_seconds
        self._max_kinds = max_kinds
        self._counts: Counter[Refusal] = Counter()
        self._condition = Condition()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="refusals", daemon=True)
        self._thread.start()

    def record(self, refusal: Refusal) -> None:
        """Note one refusal; never blocks on the log."""
        with self._condition:
            if refusal not in self._counts and len(self._counts) >= self._max_kinds:
                refusal = Refusal(refusal.app, refusal.code, "", "", "")
            self._counts[refusal] += 1
            self._condition.notify()

    def close(self) -> None:
        """Write what is held and stop; closing again does nothing."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._counts or self._is_closed)
                if self._is_closed and not self._counts:
                    return
            if not self._is_closed:
                with self._condition:
                    self._condition.wait_for(lambda: self._is_closed, timeout=self._interval)
            self._flush()

    def _flush(self) -> None:
        with self._condition:
            held, self._counts = self._counts, Counter()
        try:
            self._sink(list(held.items()))
        except SpiceError as error:
            _log.warning("%d kinds of refusals wait for the log: %s", len(held), error.message)
            with self._condition:
                self._counts.update({refusal: count for refusal, count in held.items() if not self._is_closed})
