"""Bar 3: reading a log in order with its hash chain verified, against UmaDB and eventsourcing on PostgreSQL.

All sides hold the same events. Each is read in two ways: as the bytes that were stored, and with its JSON parsed; ours then
makes whole `RecordedEvent`s, the peers only `orjson.loads`. Ours was written in batches of 1,000, as a bulk load writes it.

Run: `python -m benchmarks.log_replay [--events 1000000] [--pairs 5]`.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import orjson
import psycopg

from benchmarks.log_append import DB, EventSourcing, Ours, UmaDb, command, payload
from benchmarks.log_append_s3 import opened_s3
from benchmarks.report import Row, paired, write
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.segment import parse_segment, segment_key
from spice_core.services.event_log.segments import Segments

BATCH = 1_000


def fill_ours(ours: Ours, events: int, stack: ExitStack) -> Callable[[bool], float]:
    log = stack.enter_context(ours.log())
    written = 1
    while written < events:
        size = min(BATCH, events - written)
        log.append(DB, [command(f"a{(written + number) % 5_000}") for number in range(size)])
        written += size
        while log.stats(DB).unfolded_events > 50_000:
            time.sleep(0.05)

    def read(is_parsed: bool) -> float:
        start, after = time.perf_counter(), 0
        while page := (log.read if is_parsed else log.read_lines)(DB, after=after, limit=BATCH):
            after += len(page)
        assert after == events
        return events / (time.perf_counter() - start)

    return read


def fill_umadb(peer: UmaDb, events: int) -> Callable[[bool], float]:
    import uuid  # noqa: PLC0415

    from umadb import Event  # noqa: PLC0415 - an extra

    client = peer.client()
    for start in range(0, events, BATCH):
        size = min(BATCH, events - start)
        names = [f"a{(start + number) % 5_000}" for number in range(size)]
        client.append([Event(event_type="Updated", data=payload(name), tags=[name], uuid=uuid.uuid4()) for name in names])

    def read(is_parsed: bool) -> float:
        start, count = time.perf_counter(), 0
        for found in client.read():
            count += 1
            if is_parsed:
                orjson.loads(found.event.data)
        assert count == events
        return events / (time.perf_counter() - start)

    return read


def fill_eventsourcing(peer: EventSourcing, events: int, dsn: str) -> Callable[[bool], float]:
    import uuid  # noqa: PLC0415

    # Straight into its table: its own insert of 1,000 events at once never returned here.
    ids = [uuid.uuid4() for _ in range(5_000)]
    columns = "originator_id, originator_version, topic, state"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY bench_events ({columns}) FROM STDIN") as copy:
            for number in range(events):
                aggregate = number % 5_000
                copy.write_row((ids[aggregate], number // 5_000 + 1, "Updated", payload(f"a{aggregate}")))
        cursor.execute("ANALYZE bench_events")

    def read(is_parsed: bool) -> float:
        start, count, after = time.perf_counter(), 0, 0
        while page := peer.recorder.select_notifications(after, BATCH, inclusive_of_start=False):
            after = page[-1].id
            count += len(page)
            if is_parsed:
                for found in page:
                    orjson.loads(found.state)
        assert count == events
        return events / (time.perf_counter() - start)

    return read


def verification_share(root: Path, events: int) -> Row:
    """What checking hash and chain costs: reading and parsing with it against the same without."""
    store = LocalObjectStore(root / "store")
    segments = Segments(store, clock=SystemClock(), ids=RandomIds(), limits=LogLimits(store_attempts=1, cache_bytes=0))
    count = -(-(events - 1) // BATCH) + 1

    def checked() -> float:
        start = time.perf_counter()
        for number in range(1, count + 1):
            found = segments.read(DB, number)
            assert found is not None
            found.events()
        return time.perf_counter() - start

    def unchecked() -> float:
        start = time.perf_counter()
        for number in range(1, count + 1):
            data = store.get(segment_key(DB, number))
            parse_segment(data, database=DB, number=number, is_checked=False).events()
        return time.perf_counter() - start

    pairs = paired(checked, unchecked)
    store.close()
    return Row.of("log-replay", "with verification", "without", pairs, unit="s", bar=1.25, is_rate=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--s3", action="store_true", help="our log on an S3 server (the peers stay on the local disk)")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="spice-bench-", dir="/var/tmp"))
    rows: list[Row] = []
    case = f"{options.events:,} events" + (" on S3" if options.s3 else "")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        data_dir = root / "postgres-of-bench"
        stack.callback(stop_embedded, data_dir)
        dsn = start_embedded(data_dir)
        migrate(dsn)
        open_store = opened_s3(stack, root, dsn).new_store if options.s3 else None
        ours = fill_ours(Ours(root, dsn, open_store=open_store), options.events, stack)
        if not options.s3:
            rows.append(verification_share(root, options.events))
        umadb = UmaDb(root)
        stack.callback(umadb.close)
        read_umadb = fill_umadb(umadb, options.events)
        recorder = EventSourcing(dsn)
        stack.callback(recorder.close)
        read_recorder = fill_eventsourcing(recorder, options.events, dsn)
        for is_parsed, suffix in ((False, ", bytes as stored"), (True, ", JSON parsed")):
            for peer, read, bar in (("umadb", read_umadb, 0.5), ("eventsourcing", read_recorder, 1.5)):
                pairs = paired(lambda p=is_parsed: ours(p), lambda r=read, p=is_parsed: r(p), options.pairs)
                rows.append(Row.of("log-replay", case + suffix, peer, pairs, unit="events/s", bar=bar))
                print(rows[-1], flush=True)
    write(rows)


if __name__ == "__main__":
    main()
