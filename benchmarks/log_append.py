"""Bar 1: appending 512-byte commands with `expected_seq`, against UmaDB and eventsourcing on PostgreSQL.

All sides write the same bytes to the same disk and sync before they answer; each client picks its aggregates by Zipf's law
from 1,000 and states the number it expects. Our side is the whole event log: JSON encoding, fingerprints, chain, ledger
folded behind, in one Python process; UmaDB's server is its own Rust process.

Run: `python -m benchmarks.log_append [--pairs 5] [--only 8,32] [--quick]`.
"""

import argparse
import bisect
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from benchmarks.report import Pairs, Row, paired, write
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.events import Event
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.event_log import EventLog

DB = "bench"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
AGGREGATES = 1_000


@dataclass(frozen=True)
class Case:
    """How many clients append how many events in all, and how many in one request."""

    clients: int
    events: int
    batch: int = 1

    @property
    def name(self) -> str:
        if self.batch > 1:
            return f"{self.clients} client{'s' if self.clients > 1 else ''}, batches of {self.batch}"
        return f"{self.clients} client{'s' if self.clients > 1 else ''}"


@dataclass(frozen=True)
class Measured:
    """Events per second and the 99th percentile of a request in milliseconds."""

    rate: float
    p99_ms: float


def zipf(size: int = AGGREGATES, exponent: float = 1.1) -> Callable[[random.Random], int]:
    weights = [1 / (rank + 1) ** exponent for rank in range(size)]
    total, running = sum(weights), 0.0
    cumulated: list[float] = []
    for weight in weights:
        running += weight / total
        cumulated.append(running)
    return lambda dice: min(bisect.bisect(cumulated, dice.random()), size - 1)


PICK = zipf()


def command(aggregate: str) -> Event:
    """A command whose line in the log is about 512 bytes."""
    return Event(
        event_id=str(uuid.uuid4()),
        event_type="UPDATE_INSTANCE_REQUESTED",
        aggregate_type="Instance",
        aggregate_id=aggregate,
        occurred_at=NOW,
        actor="bench",
        data={"payload": {"text": "x" * 170}},
        metadata={"kind": "command"},
    )


def drive(case: Case, client: Callable[[int, random.Random], Callable[[], None]]) -> Measured:
    """Run the clients at once; each `client` gives what does its next request."""
    latencies: list[float] = []
    requests = case.events // case.clients // case.batch
    barrier = threading.Barrier(case.clients + 1)

    def run(number: int) -> None:
        request = client(number, random.Random(number))
        taken: list[float] = []
        barrier.wait()
        for _ in range(requests):
            start = time.perf_counter()
            request()
            taken.append(time.perf_counter() - start)
        latencies.extend(taken)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(case.clients)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    return Measured(requests * case.batch * case.clients / seconds, statistics.quantiles(latencies, n=100)[-1] * 1000)


class Ours:
    """The event log over a local directory and the embedded PostgreSQL; over another store where one is given."""

    name = "spice"

    def __init__(self, root: Path, dsn: str, *, open_store: Callable[[], ObjectStore] | None = None) -> None:
        """`open_store` gives an empty store, each time another one."""
        self._root = root / "store"
        self._dsn = dsn
        self._open_store = open_store or self._local_store

    def _local_store(self) -> ObjectStore:
        shutil.rmtree(self._root, ignore_errors=True)
        return LocalObjectStore(self._root)

    @contextmanager
    def log(self) -> Iterator[EventLog]:
        """A started log without events."""
        with ExitStack() as stack:
            postgres = Postgres(self._dsn, max_size=8)
            stack.callback(postgres.close)
            ledger = PostgresLedger(postgres)
            ledger.forget(DB)
            store = self._open_store()
            stack.callback(store.close)
            log = EventLog(store=store, ledger=ledger, clock=SystemClock(), ids=RandomIds(), writer_id="bench")
            stack.callback(log.close)
            log.start()
            log.append(DB, [command("start")], create=True)
            yield log

    def run(self, case: Case) -> Measured:
        with self.log() as log:
            measured = drive(case, lambda number, dice: self.client(log, case, number, dice))
            self.check(log, case)
            return measured

    def client(self, log: EventLog, case: Case, number: int, dice: random.Random) -> Callable[[], None]:
        numbers: dict[str, int] = {}

        def request() -> None:
            events: list[Event] = []
            expected: dict[str, int] = {}
            for _ in range(case.batch):
                aggregate = f"c{number}-a{PICK(dice)}"
                known = numbers.get(aggregate, 0)
                events.append(command(aggregate))
                expected.setdefault(f"Instance|{aggregate}", known)
                numbers[aggregate] = known + 1
            log.append(DB, events, expected=expected)

        return request

    def check(self, log: EventLog, case: Case) -> None:
        """Equal answers: everything is in the log, once, and the ledger gets there."""
        wanted = 1 + case.events // case.clients // case.batch * case.batch * case.clients
        assert log.head(DB).position == wanted
        while log.stats(DB).unfolded_events:
            time.sleep(0.01)


class UmaDb:
    """UmaDB's server in a process of its own, its Python client in ours."""

    name = "umadb"

    def __init__(self, root: Path) -> None:
        from umadb import Client  # noqa: PLC0415 - an extra

        self._root = root / "umadb"
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"127.0.0.1:{port}"
        program = str(Path(sys.executable).with_name("umadb"))
        arguments = [program, "--listen", self.url, "--db-path", str(self._root)]
        self._server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client: Any = lambda: Client(f"http://{self.url}")
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)

    def close(self) -> None:
        self._server.kill()
        self._server.wait()

    def run(self, case: Case) -> Measured:
        run = uuid.uuid4().hex[:6]
        return drive(case, lambda number, dice: self._client(f"{run}-c{number}", case, dice))

    def _client(self, name: str, case: Case, dice: random.Random) -> Callable[[], None]:
        from umadb import AppendCondition, Event, Query, QueryItem  # noqa: PLC0415 - an extra

        client = self.client()
        last: dict[str, int] = {}

        def request() -> None:
            events, tags = [], []
            for _ in range(case.batch):
                tag = f"{name}-a{PICK(dice)}"
                tags.append(tag)
                events.append(Event(event_type="Updated", data=payload(tag), tags=[tag], uuid=uuid.uuid4()))
            after = last.get(tags[0], 0) if case.batch == 1 else max(last.values(), default=0)
            items = [QueryItem(types=["Updated"], tags=[tag]) for tag in set(tags)]
            position = client.append(events, condition=AppendCondition(fail_if_events_match=Query(items=items), after=after))
            last.update(dict.fromkeys(tags, position))

        return request


def payload(aggregate: str) -> bytes:
    """The bytes that our line holds: JSON, encoded for each event as our side does."""
    event = command(aggregate)
    return orjson.dumps(
        {
            "position": 1_000_000,
            "sequence_number": 100,
            "event_id": event.event_id,
            "event_type": event.event_type,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "occurred_at": event.occurred_at,
            "actor": event.actor,
            "schema_version": "1",
            "data": event.data,
            "metadata": event.metadata,
        }
    )


class EventSourcing:
    """The PostgreSQL recorder of `eventsourcing`, on the same server as our ledger, synchronous commit on."""

    name = "eventsourcing"

    def __init__(self, dsn: str) -> None:
        from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore  # noqa: PLC0415 - an extra

        parts = psycopg.conninfo.conninfo_to_dict(dsn)
        self.datastore = PostgresDatastore(
            dbname=str(parts["dbname"]),
            host=str(parts["host"]),
            port="5432",
            user="postgres",
            password="",
            pool_size=20,
            max_overflow=140,
        )
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS bench_events")
        self.recorder = PostgresApplicationRecorder(self.datastore, events_table_name="bench_events")
        self.recorder.create_table()

    def close(self) -> None:
        self.datastore.close()

    def run(self, case: Case) -> Measured:
        return drive(case, lambda _, dice: self._client(case, dice))

    def _client(self, case: Case, dice: random.Random) -> Callable[[], None]:
        from eventsourcing.persistence import StoredEvent  # noqa: PLC0415 - an extra

        ids = [uuid.uuid4() for _ in range(AGGREGATES)]
        numbers: dict[uuid.UUID, int] = {}

        def request() -> None:
            events = []
            for _ in range(case.batch):
                aggregate = ids[PICK(dice)]
                number = numbers[aggregate] = numbers.get(aggregate, 0) + 1
                events.append(StoredEvent(aggregate, number, "Updated", payload(str(aggregate))))
            self.recorder.insert_events(events)

        return request


BARS = {
    ("umadb", "8 clients"): 1.0,
    ("umadb", "32 clients"): 1.3,
    ("umadb", "128 clients"): 2.0,
    ("umadb", "1 client, batches of 100"): 1.5,
    ("eventsourcing", "8 clients"): 4.0,
    ("eventsourcing", "32 clients"): 10.0,
}


def compare(ours: Ours, peer: UmaDb | EventSourcing, case: Case, peer_case: Case, pairs: int) -> list[Row]:
    p99: tuple[list[float], list[float]] = ([], [])

    def measure(side: Ours | UmaDb | EventSourcing, which: Case, into: list[float]) -> float:
        measured = side.run(which)
        into.append(measured.p99_ms)
        return measured.rate

    rates = paired(lambda: measure(ours, case, p99[0]), lambda: measure(peer, peer_case, p99[1]), pairs)
    bar = BARS.get((peer.name, case.name))
    rows = [Row.of("log-append", case.name, peer.name, rates, unit="events/s", bar=bar)]
    if peer.name == "umadb":
        times = Pairs(*p99)
        rows.append(Row.of("log-append", f"{case.name}, p99", peer.name, times, unit="ms", bar=1.5, is_rate=False))
    return rows


def growth(ours: Ours, events: int) -> Row:
    """The rate while the last of `events` are appended against the rate at 10 k, in one run of batches of 100."""
    case = Case(8, 10_000, 10)
    with ours.log() as log:
        early = [drive(case, lambda n, d: ours.client(log, case, n + 1_000, d)).rate]
        filled, client = 0, 0
        filler = Case(8, events // 10, 100)
        while filled < events:
            client += 1
            drive(filler, lambda n, d, c=client: ours.client(log, filler, n + 10_000 * c, d))
            filled += filler.events
        while log.stats(DB).unfolded_events:
            time.sleep(0.05)
        late = [drive(case, lambda n, d, r=r: ours.client(log, case, n + 2_000 + 100 * r, d)).rate for r in range(3)]
    with ours.log() as log:
        early += [drive(case, lambda n, d, r=r: ours.client(log, case, n + 3_000 + 100 * r, d)).rate for r in range(2)]
    pairs = Pairs([statistics.median(late)], [statistics.median(early)])
    return Row.of("log-append", f"rate at {events:,} events", "at 10 k", pairs, unit="events/s", bar=0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="client counts, comma separated; b for the batches, g for growth")
    parser.add_argument("--peers", default="umadb,eventsourcing")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the growth case")
    options = parser.parse_args()
    only = set(options.only.split(",")) if options.only else {"1", "8", "32", "128", "b", "g"}
    cases = [case for case in (Case(1, 1_500), Case(8, 6_000), Case(32, 12_000), Case(128, 20_000)) if str(case.clients) in only]
    cases += [Case(1, 30_000, 100)] if "b" in only else []
    root = Path(tempfile.mkdtemp(prefix="spice-bench-", dir="/var/tmp"))
    rows: list[Row] = []
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        data_dir = root / "postgres-of-bench"
        stack.callback(stop_embedded, data_dir)
        dsn = start_embedded(data_dir)
        migrate(dsn)
        ours = Ours(root, dsn)
        if "umadb" in options.peers:
            umadb = UmaDb(root)
            stack.callback(umadb.close)
            for case in cases:
                rows += compare(ours, umadb, case, case, options.pairs)
                print(rows[-2], rows[-1], sep="\n", flush=True)
        if "eventsourcing" in options.peers:
            recorder = EventSourcing(dsn)
            stack.callback(recorder.close)
            for case in (case for case in cases if case.clients in {8, 32}):
                rows += compare(ours, recorder, case, Case(case.clients, case.events // 10), options.pairs)
                print(rows[-1], flush=True)
        if "g" in only:
            rows.append(growth(ours, options.events))
    write(rows)


if __name__ == "__main__":
    main()
