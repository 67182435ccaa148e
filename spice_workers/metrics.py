"""What the workers say about themselves: Prometheus metrics, and a summary per interval."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as PrometheusCounter

from spice_core.domain.events import RecordedEvent


@dataclass(frozen=True, slots=True)
class Summary:
    """What one handler did on one database since the last summary.

    `handled` counts events by class (instances) or aggregate type (everything else); `lag_events` is how far behind the
    log's head the handler is at the end, `lag_seconds` how old the last event it handled was when it was done.
    """

    handler: str
    database: str
    handled: Mapping[str, int]
    buried: int
    lag_events: int
    lag_seconds: float
    since: datetime
    until: datetime


@dataclass(slots=True)
class _Tally:
    handled: Counter[str]
    buried: int = 0
    lag_seconds: float = 0.0


class WorkerMetrics:
    """Metrics of one process, in a registry of its own. Safe for many threads."""

    def __init__(self, *, since: datetime) -> None:
        self.registry = CollectorRegistry()
        labels = ("handler", "database")
        self._events = PrometheusCounter("spice_worker_events", "Events handled.", labels, registry=self.registry)
        self._batches = PrometheusCounter("spice_worker_batches", "Batches handled.", labels, registry=self.registry)
        self._pauses = PrometheusCounter("spice_worker_retries", "Passes that ended in a pause.", labels, registry=self.registry)
        self._buried = PrometheusCounter("spice_worker_dead_letters", "Events buried.", labels, registry=self.registry)
        self._gaps = PrometheusCounter("spice_worker_feed_gaps", "Gaps, read from the log.", labels, registry=self.registry)
        self._paused = Gauge("spice_worker_paused", "1 while the stream waits for an engine.", labels, registry=self.registry)
        self._lag = Gauge("spice_worker_lag_events", "Events between the position and the head.", labels, registry=self.registry)
        self._age = Gauge("spice_worker_lag_seconds", "Age of the newest handled event.", labels, registry=self.registry)
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._lags: dict[tuple[str, str], int] = {}
        self._since = since

    def passed(self, handler: str, database: str, result: str, *, error: str | None) -> None:
        """Note the end of a pass."""
        self._paused.labels(handler, database).set(1 if error else 0)
        if error and result == "paused":
            self._pauses.labels(handler, database).inc()

    def handled(self, handler: str, database: str, events: Sequence[RecordedEvent], *, failed: int, at: datetime) -> None:
        """Note a batch that was marked done."""
        if not events and not failed:
            return
        self._batches.labels(handler, database).inc()
        self._events.labels(handler, database).inc(len(events))
        with self._lock:
            tally = self._tallies.setdefault((handler, database), _Tally(Counter()))
            tally.handled.update(_class_of(event) for event in events)
            tally.buried += failed
            if events:
                tally.lag_seconds = max(0.0, (at - events[-1].event.occurred_at).total_seconds())
                self._age.labels(handler, database).set(tally.lag_seconds)

    def buried(self, handler: str, database: str) -> None:
        """Note a dead letter."""
        self._buried.labels(handler, database).inc()

    def gap(self, handler: str, database: str) -> None:
        """Note that the feed skipped something."""
        self._gaps.labels(handler, database).inc()

    def lag(self, handler: str, database: str, events: int) -> None:
        """Note how far behind the head a handler is."""
        self._lag.labels(handler, database).set(events)
        with self._lock:
            self._lags[handler, database] = events

    def summarize(self, at: datetime, report: Callable[[Summary], None]) -> None:
        """Report every handler and database with work since the last call, and start anew."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
            since, self._since = self._since, at
            lags = dict(self._lags)
        for (handler, database), tally in sorted(tallies.items()):
            lag = lags.get((handler, database), 0)
            report(Summary(handler, database, dict(tally.handled), tally.buried, lag, tally.lag_seconds, since, at))


def _class_of(recorded: RecordedEvent) -> str:
    class_id = recorded.event.data.get("class_id")
    return class_id if isinstance(class_id, str) and class_id else recorded.event.aggregate_type
