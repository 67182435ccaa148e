"""Bar 4: the log's tail into Kafka, with a durable position, against a bare producer of the same messages.

Our side is the relay as it runs: segments read and verified from disk, headers made, every batch awaited, the position
marked in PostgreSQL. The peer holds keys, headers and values in memory and produces them with the same producer
configuration (idempotent, all acknowledgements), then flushes once.

Needs a broker: starts one of its own (`spice_api.dev.servers`), or uses `--bootstrap`.
Run: `python -m benchmarks.relay [--pairs 5] [--events 60000] [--bootstrap 127.0.0.1:9092]`.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.log_append import DB, NOW, command
from benchmarks.report import Pairs, Row, paired, write
from spice_api.dev.servers.cache import Cache
from spice_api.dev.servers.kafka import KafkaServer
from spice_core.adapters.kafka.access import KafkaAccess
from spice_core.adapters.kafka.event_publisher import KafkaEventPublisher
from spice_core.adapters.kafka.messages import headers_of
from spice_core.adapters.kafka.topics import TopicPlan
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.errors import FeedUnavailable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.identity import log_identity
from spice_core.services.event_log.line_feed import LineFeed
from spice_core.services.relay_events import RelayHandler
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.stream import Parts

BAR = 0.4
LAG_SAMPLES = 300
TICK_SECONDS = RunnerLimits().tick_seconds


class Bench:
    """One log of `events` commands, and topics without messages for every run."""

    def __init__(self, root: Path, dsn: str, bootstrap: str, events: int) -> None:
        self._stack = ExitStack()
        self._clock = SystemClock()
        self._bootstrap = bootstrap
        self.events = events
        postgres = Postgres(dsn, max_size=8)
        self._stack.callback(postgres.close)
        self._work = PostgresWorkLedger(postgres)
        store = LocalObjectStore(root / "store")
        self.log = EventLog(store=store, ledger=PostgresLedger(postgres), clock=self._clock, ids=RandomIds(), writer_id="bench")
        self._stack.callback(self.log.close)
        self.log.start()
        for first in range(0, events, 1000):
            self.log.append(DB, [command(f"a{number % 1000}") for number in range(first, first + 1000)], create=True)
        identity, recorded = log_identity(self.log, DB).encode(), self.log.read(DB, after=0, limit=events)
        self._headers = [headers_of(one, log=identity, database=DB.encode()) for one in recorded]
        self._lines = self.log.read_lines(DB, after=0, limit=events)

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def publisher(self) -> Iterator[tuple[KafkaEventPublisher, TopicPlan]]:
        plan = TopicPlan(prefix=f"bench{uuid.uuid4().hex[:8]}.")
        publisher = KafkaEventPublisher(KafkaAccess(self._bootstrap), plan, may_create=True)
        for _ in range(200):
            try:
                publisher.check()
                publisher.is_empty()
                break
            except FeedUnavailable:
                time.sleep(0.05)
        yield publisher, plan
        publisher.close()

    def runner(self, publisher: KafkaEventPublisher) -> Runner:
        self._work.reset("relay", DB)
        feed = LineFeed(self.log)
        parts = Parts(
            feed=feed,
            log=self.log,
            work=self._work,
            statuses=MemoryCommandStatuses(),
            clock=self._clock,
            owner=uuid.uuid4().hex,
            limits=RunnerLimits(),
            metrics=WorkerMetrics(since=NOW),
        )
        return Runner([RelayHandler(log=self.log, work=self._work, publisher=publisher, feed=feed)], parts)

    def ours(self) -> float:
        """Events per second of the relay, from an empty topic to the marked position of the last event."""
        with self.publisher() as (publisher, plan):
            runner = self.runner(publisher)
            start = time.perf_counter()
            runner.run_until_idle()
            seconds = time.perf_counter() - start
            runner.stop()
            assert self._work.position("relay", DB) == self.events
            assert self._arrived(plan) == self.events
        return self.events / seconds

    def theirs(self) -> float:
        """Events per second of a bare producer."""
        with self.publisher() as (_, plan):
            producer = Producer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "enable.idempotence": True,
                    "acks": "all",
                    "linger.ms": 5,
                    "batch.size": 1_000_000,
                    "queue.buffering.max.messages": 1_000_000,
                }
            )
            topic, key = plan.commands, DB.encode()
            start = time.perf_counter()
            for line, headers in zip(self._lines, self._headers, strict=True):
                producer.produce(topic, line, key, headers=headers)
            assert producer.flush() == 0
            seconds = time.perf_counter() - start
            assert self._arrived(plan) == self.events
        return self.events / seconds

    def lag(self) -> list[float]:
        """Seconds from the return of an append to the arrival at a consumer, one event at a time."""
        with self.publisher() as (publisher, plan):
            runner = self.runner(publisher)
            runner.run_until_idle()
            consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "bench", "fetch.wait.max.ms": 10})
            ends = [
                TopicPartition(plan.commands, n, consumer.get_watermark_offsets(TopicPartition(plan.commands, n))[1])
                for n in range(3)
            ]
            consumer.assign(ends)
            arrived: dict[str, float] = {}
            done = threading.Event()

            def receive() -> None:
                while not done.is_set():
                    for message in consumer.consume(100, timeout=0.01):
                        now = time.perf_counter()
                        arrived[dict(message.headers() or [])["event_id"].decode()] = now  # type: ignore[union-attr]

            receiver = threading.Thread(target=receive)
            receiver.start()
            runner.start()
            sent: dict[str, float] = {}
            for number in range(LAG_SAMPLES):
                event = command(f"a{number}")
                self.log.append(DB, [event])
                sent[event.event_id] = time.perf_counter()
                time.sleep(0.01)
            deadline = time.monotonic() + 20
            while len(arrived) < len(sent) and time.monotonic() < deadline:
                time.sleep(0.01)
            runner.stop()
            done.set()
            receiver.join()
            consumer.close()
            assert len(arrived) == len(sent)
            return sorted(max(0.0, arrived[name] - at) for name, at in sent.items())

    def _arrived(self, plan: TopicPlan) -> int:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "bench"})
        try:
            return sum(consumer.get_watermark_offsets(TopicPartition(plan.commands, number))[1] for number in range(3))
        finally:
            consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--bootstrap", default="", help="a broker that runs; else one is started")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="spice-bench-", dir="/var/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        bootstrap = options.bootstrap
        if not bootstrap:
            server = KafkaServer(root / "kafka", cache=Cache.of_user(), ports={"port": 0})
            stack.callback(server.remove)
            server.start()
            bootstrap = server.bootstrap
        stack.callback(stop_embedded, root / "postgres")
        dsn = start_embedded(root / "postgres")
        migrate(dsn)
        bench = Bench(root, dsn, bootstrap, options.events)
        stack.callback(bench.close)
        rates = paired(bench.ours, bench.theirs, options.pairs)
        lags = bench.lag()
        allowed = TICK_SECONDS + 0.05
        p99 = Pairs([statistics.quantiles(lags, n=100)[-1] * 1000], [allowed * 1000])
        rows = [
            Row.of("relay", f"{options.events:,} events of 0.5 kB", "bare producer", rates, unit="events/s", bar=BAR),
            Row.of("relay", "lag p99", "poll interval + 50 ms", p99, unit="ms", bar=1.0, is_rate=False),
        ]
    write(rows)


if __name__ == "__main__":
    main()
