"""What the workers say about themselves: Prometheus metrics, and a summary per interval."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from spice_core.domain.events import RecordedEvent
from spice_core.ports.event_feed import EventFeed
from spice_core.services.platform_metrics import PlatformMetrics

MOST_DATABASES = 200
"""Databases with metrics of their own in one process; the others are counted together, and have no gauges."""
_OTHERS = "_others"
_BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


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


class FeedCollector(Collector):
    """Shows the counters of a feed as they are when a scrape asks."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """Yield the one family there is."""
        about = "Events and messages of the feed, by what became of them."
        found = CounterMetricFamily("spice_feed_deliveries", about, labels=["kind"])
        for kind, count in sorted(self._feed.counters().items()):
            found.add_metric([kind], count)
        yield found


class WorkerMetrics:
    """Metrics of one process, in a registry of its own. Safe for many threads."""

    def __init__(self, *, since: datetime, platform: PlatformMetrics | None = None) -> None:
        """`platform` is what the process counts besides; its metrics are shown beside these."""
        self.registry = CollectorRegistry()
        if platform is not None:
            self.registry.register(platform.registry)
        labels = ("handler", "database")
        self._events = PrometheusCounter("spice_worker_events", "Events handled.", labels, registry=self.registry)
        self._batches = PrometheusCounter("spice_worker_batches", "Batches handled.", labels, registry=self.registry)
        self._pauses = PrometheusCounter("spice_worker_retries", "Passes that ended in a pause.", labels, registry=self.registry)
        self._buried = PrometheusCounter("spice_worker_dead_letters", "Events buried.", labels, registry=self.registry)
        self._gaps = PrometheusCounter("spice_worker_feed_gaps", "Gaps, read from the log.", labels, registry=self.registry)
        self._paused = Gauge("spice_worker_paused", "1 while the stream waits for an engine.", labels, registry=self.registry)
        self._lag = Gauge("spice_worker_lag_events", "Events between the position and the head.", labels, registry=self.registry)
        self._age = Gauge("spice_worker_lag_seconds", "Age of the newest handled event.", labels, registry=self.registry)
        self._seconds = Histogram(
            "spice_worker_batch_seconds",
            "Time a handler took for a batch.",
            ["handler"],
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self._databases: set[str] = set()
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._lags: dict[tuple[str, str], int] = {}
        self._since = since

    def passed(self, handler: str, database: str, result: str, *, error: str | None) -> None:
        """Note the end of a pass."""
        shown = self._shown(database)
        if shown is not _OTHERS:
            self._paused.labels(handler, shown).set(1 if error else 0)
        if error and result == "paused":
            self._pauses.labels(handler, shown).inc()

    def took(self, handler: str, seconds: float) -> None:
        """Note how long a handler took for a batch, whatever became of it."""
        self._seconds.labels(handler).observe(seconds)

    def handled(self, handler: str, database: str, events: Sequence[RecordedEvent], *, failed: int, at: datetime) -> None:
        """Note a batch that was marked done."""
        if not events and not failed:
            return
        shown = self._shown(database)
        self._batches.labels(handler, shown).inc()
        self._events.labels(handler, shown).inc(len(events))
        with self._lock:
            tally = self._tallies.setdefault((handler, database), _Tally(Counter()))
            tally.handled.update(_class_of(event) for event in events)
            tally.buried += failed
            if events:
                tally.lag_seconds = max(0.0, (at - events[-1].event.occurred_at).total_seconds())
                if shown is not _OTHERS:
                    self._age.labels(handler, shown).set(tally.lag_seconds)

    def buried(self, handler: str, database: str) -> None:
        """Note a dead letter."""
        self._buried.labels(handler, self._shown(database)).inc()

    def gap(self, handler: str, database: str) -> None:
        """Note that the feed skipped something."""
        self._gaps.labels(handler, self._shown(database)).inc()

    def lag(self, handler: str, database: str, events: int | None) -> None:
        """Note how far behind the head a handler is; None where another process works the stream, whose news that is."""
        shown = self._shown(database)
        if shown is not _OTHERS:
            self._lag.labels(handler, shown).set(events or 0)
        with self._lock:
            self._lags[handler, database] = events or 0

    def _shown(self, database: str) -> str:
        """Return the label of a database: itself, as long as they are few."""
        if database in self._databases:
            return database
        if len(self._databases) >= MOST_DATABASES:
            return _OTHERS
        self._databases.add(database)
        return database

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
