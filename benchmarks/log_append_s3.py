"""Bar 2: appending 512-byte commands with `expected_seq` on a real S3 server, against `deltalake` and bare conditional puts.

All sides write to one SeaweedFS. The bare loop is what the store itself gives: one put-if-absent after another, one request
per event, by one client of the store; ours writes the same bytes as a log, with ledger, chain and numbers.

Run: `python -m benchmarks.log_append_s3 [--pairs 5] [--seconds 3] [--only delta,loop,race,growth]`.
SPICE_TEST_S3_URL (and …_ACCESS_KEY, …_SECRET_KEY) names a server to use instead of starting one.
"""

import argparse
import itertools
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.log_append import PICK, command, payload
from benchmarks.report import Pairs, Row, paired, write
from spice_api.dev.servers.cache import Cache
from spice_api.dev.servers.seaweedfs import SeaweedServer
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.s3.object_store import S3ObjectStore
from spice_core.adapters.s3.options import S3Options
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits

BUCKET = "spice-bench"
BARS = {1: 0.9, 32: 8.0, 256: 20.0}
LIMITS = LogLimits(store_attempts=1, read_ahead=8, look_seconds=5.0, sweep_seconds=30.0)


@dataclass(frozen=True)
class Place:
    """An S3 server and a migrated PostgreSQL."""

    endpoint: str
    access_key: str
    secret_key: str
    dsn: str

    def store(self, prefix: str) -> S3ObjectStore:
        options = S3Options(BUCKET, endpoint=self.endpoint, access_key=self.access_key, secret_key=self.secret_key, prefix=prefix)
        store = S3ObjectStore(options, clock=SystemClock(), ids=RandomIds())
        store.check_bucket(creates=True)
        return store

    def new_store(self) -> ObjectStore:
        """Return an empty store."""
        return self.store(new_name())

    def log(self, stack: ExitStack, prefix: str) -> EventLog:
        postgres = Postgres(self.dsn, max_size=8)
        stack.callback(postgres.close)
        log = EventLog(
            store=self.store(prefix),
            ledger=PostgresLedger(postgres),
            clock=SystemClock(),
            ids=RandomIds(),
            writer_id="bench",
            limits=LIMITS,
        )
        stack.callback(log.close)
        log.start()
        return log


def new_name() -> str:
    return f"b{uuid.uuid4().hex[:10]}"


def for_seconds(clients: int, seconds: float, client: Callable[[int], Callable[[], None]]) -> float:
    """Run `clients` at once for `seconds`; return requests per second."""
    done = [0] * clients
    barrier = threading.Barrier(clients + 1)
    end = [0.0]

    def run(number: int) -> None:
        request = client(number)
        barrier.wait()
        while time.perf_counter() < end[0]:
            request()
            done[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    end[0] = time.perf_counter() + 3600
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    end[0] = start + seconds
    barrier.wait()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def appender(log: EventLog, database: str, number: int) -> Callable[[], None]:
    dice = random.Random(number)
    numbers: dict[str, int] = {}

    def request() -> None:
        aggregate = f"c{number}-a{PICK(dice)}"
        known = numbers.get(aggregate, 0)
        log.append(database, [command(aggregate)], expected={f"Instance|{aggregate}": known})
        numbers[aggregate] = known + 1

    return request


def ours(log: EventLog, clients: int, seconds: float) -> float:
    database = new_name()
    log.append(database, [command("start")], create=True)
    rate = for_seconds(clients, seconds, lambda number: appender(log, database, number))
    assert log.head(database).position >= rate * seconds * 0.5
    return rate


def bare_loop(store: ObjectStore, seconds: float) -> float:
    """One put-if-absent after another, as a log without batches would write."""
    name, numbers = new_name(), itertools.count(1)
    return for_seconds(
        1,
        seconds,
        lambda _: lambda: store.put_if_absent(f"{name}/log/{next(numbers):020d}", payload(f"a{PICK(random.Random())}")),
    )


def delta(place: Place, seconds: float) -> float:
    """Commits per second of one writer that appends one row each time to a Delta table on the same server."""
    import pyarrow as pa  # noqa: PLC0415
    from deltalake import write_deltalake  # noqa: PLC0415 - an extra

    options = {
        "AWS_ENDPOINT_URL": place.endpoint,
        "AWS_ACCESS_KEY_ID": place.access_key,
        "AWS_SECRET_ACCESS_KEY": place.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "conditional_put": "etag",
    }
    table = f"s3://{BUCKET}/{new_name()}"

    def commit() -> None:
        write_deltalake(table, pa.table({"event": [payload("a")]}), mode="append", storage_options=options)

    commit()
    return for_seconds(1, seconds, lambda _: commit)


def racing(first: EventLog, second: EventLog, seconds: float) -> float:
    """Two processes' worth of writers on one log, 16 clients each."""
    database = new_name()
    first.append(database, [command("start")], create=True)
    logs = (first, second)
    rate = for_seconds(32, seconds, lambda number: appender(logs[number % 2], database, number))
    assert first.verify(database).is_intact
    return rate


def growth(log: EventLog, segments: int) -> Row:
    """The median latency of single appends around segment `segments` against that around segment 100, in one log."""
    database = new_name()
    log.append(database, [command("start")], create=True)
    request = appender(log, database, 1)
    taken: list[float] = []
    for _ in range(segments + 60):
        start = time.perf_counter()
        request()
        taken.append((time.perf_counter() - start) * 1000)
    late, early = taken[segments - 60 : segments + 60], taken[40:160]
    pairs = Pairs([statistics.median(late)], [statistics.median(early)])
    return Row.of("log-append-s3", f"p50 at segment {segments:,}", "at 100", pairs, unit="ms", bar=1.1, is_rate=False)


def opened_place(stack: ExitStack) -> Place:
    root = Path(tempfile.mkdtemp(prefix="spice-bench-", dir="/var/tmp"))
    stack.callback(shutil.rmtree, root, ignore_errors=True)
    stack.callback(stop_embedded, root / "postgres-of-bench")
    dsn = start_embedded(root / "postgres-of-bench")
    migrate(dsn)
    return opened_s3(stack, root, dsn)


def opened_s3(stack: ExitStack, root: Path, dsn: str) -> Place:
    """Return the S3 server that the environment names, or one started below `root` until `stack` ends."""
    if url := os.environ.get("SPICE_TEST_S3_URL"):
        keys = (os.environ.get(f"SPICE_TEST_S3_{part}_KEY", "") for part in ("ACCESS", "SECRET"))
        return Place(url, *keys, dsn)
    server = SeaweedServer(root / "s3", cache=Cache.of_user())
    server.start()
    stack.callback(server.stop)
    return Place(server.endpoint, server.access_key, server.secret_key, dsn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", default="delta,loop,race,growth")
    options = parser.parse_args()
    only, seconds, pairs = set(options.only.split(",")), options.seconds, options.pairs
    rows: list[Row] = []
    with ExitStack() as stack:
        place = opened_place(stack)
        prefix = new_name()
        log, store = place.log(stack, prefix), place.store(new_name())
        if "loop" in only:
            for clients, bar in BARS.items():
                rates = paired(lambda c=clients: ours(log, c, seconds), lambda: bare_loop(store, seconds), pairs)
                case = f"{clients} client{'s' if clients > 1 else ''}"
                rows.append(Row.of("log-append-s3", case, "bare put-if-absent loop", rates, unit="events/s", bar=bar))
                print(rows[-1], flush=True)
        if "delta" in only:
            rates = paired(lambda: ours(log, 32, seconds), lambda: delta(place, seconds), pairs)
            rows.append(Row.of("log-append-s3", "32 clients", "deltalake", rates, unit="commits/s", bar=10.0))
            print(rows[-1], flush=True)
        if "race" in only:
            other = place.log(stack, prefix)
            rates = paired(lambda: racing(log, other, seconds), lambda: bare_loop(store, seconds), pairs)
            case = "two racing writers, 16 clients each"
            rows.append(Row.of("log-append-s3", case, "bare put-if-absent loop", rates, unit="events/s", bar=None))
            print(rows[-1], flush=True)
        if "growth" in only:
            rows.append(growth(log, 2_000))
    write(rows)


if __name__ == "__main__":
    main()
