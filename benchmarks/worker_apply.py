"""Bar 5: events to registry, state and graph, against one transaction per event and against bare batched SQL.

Ours is the real worker: the runner with its lease, claims and marks, the graph handler that decides every command, one graph
commit per batch, and the domain events appended to the log and synced. The feed repeats a tenth of the events and mixes up
a hundredth. The peers only write rows: a mark per event, the newest state per instance guarded by its number, and its link.
All commit durably; the peers' state and ours are compared with a sequential oracle.

Run: `python -m benchmarks.worker_apply [--events 20000] [--pairs 5] [--s3]`.
"""

import argparse
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from benchmarks.log_append_s3 import opened_s3
from benchmarks.report import Row, paired, write
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.events import RecordedEvent
from spice_core.ports.object_store import ObjectStore
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.submit_commands import CommandService
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.stream import Parts

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BATCH = 1000
PER_INSTANCE = 10
State = dict[str, dict[str, Any]]
THING = {
    "id": "Thing",
    "label": "Thing",
    "properties": [{"name": "thing_id", "type": "string", "required": True}, {"name": "value", "type": "string"}],
    "relationships": [{"predicate": "follows", "target": "Thing", "cardinality": "n:1"}],
}


@dataclass(frozen=True)
class Load:
    """Commands on one database, in log order, and the state they end in."""

    database: str
    commands: Sequence[Command]
    oracle: State


class DisturbedFeed(LogEventFeed):
    """Repeats a tenth of what it delivers and swaps a hundredth of the neighbours."""

    def __init__(self, log: EventLog, seed: int) -> None:
        super().__init__(log)
        self._dice = random.Random(seed)

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        events = list(super().poll(consumer, database, after=after, limit=limit))
        return disturbed(events, self._dice)


def disturbed(events: list[Any], dice: random.Random) -> list[Any]:
    """Return `events` with a tenth of them twice and a hundredth in another order."""
    events = events + dice.sample(events, k=len(events) // 10)
    for _ in range(len(events) // 100):
        place = dice.randrange(len(events) - 1)
        events[place], events[place + 1] = events[place + 1], events[place]
    return events


def make_load(database: str, count: int, seed: int = 7) -> Load:
    """Return `count` commands: instances are created, then changed, in an order that keeps each instance's own."""
    dice = random.Random(seed)
    instances = count // PER_INSTANCE
    commands: list[Command] = []
    oracle: State = {}
    numbers: dict[str, int] = {}
    pending = [f"t{number}" for number in range(instances) for _ in range(PER_INSTANCE)]
    dice.shuffle(pending)
    for name in pending:
        key, number = f"Thing/{name}", numbers.get(name, 0)
        patch: dict[str, Any] = {"value": f"value {dice.random():.12f} of {name}"}
        if number == 0:
            patch["thing_id"] = name
            if oracle and dice.random() < 0.5:
                patch["follows"] = dice.choice(list(oracle)[-50:])
        numbers[name] = number + 1
        oracle[key] = {**oracle.get(key, {}), **patch}
        commands.append(_command(database, name, patch, number))
    return Load(database, commands, oracle)


def _command(database: str, name: str, patch: dict[str, Any], number: int) -> Command:
    return Command(
        command_id=str(uuid.uuid4()),
        command_type=CommandType.UPDATE_INSTANCE if number else CommandType.CREATE_INSTANCE,
        db_name=database,
        aggregate_type="Instance",
        aggregate_id=naming.aggregate_id(database, "main", "Thing", name),
        created_at=NOW,
        payload=patch,
        class_id="Thing",
        instance_id=name,
        created_by="bench",
    )


class Bench:
    """One PostgreSQL, one log; every run takes a database of its own."""

    def __init__(self, dsn: str, stack: ExitStack, *, store: ObjectStore) -> None:
        self.dsn = dsn
        self.clock, self.ids = SystemClock(), RandomIds()
        postgres = Postgres(dsn, max_size=10)
        stack.callback(postgres.close)
        self.log = EventLog(
            store=store,
            ledger=PostgresLedger(postgres),
            clock=self.clock,
            ids=self.ids,
            writer_id="bench",
        )
        self.log.start()
        stack.callback(self.log.close)
        self.graph = PostgresGraphStore(postgres)
        self.work = PostgresWorkLedger(postgres)
        self.commands = CommandService(log=self.log, graph=self.graph, work=self.work, clock=self.clock, ids=self.ids)

    def runner(self, seed: int) -> Runner:
        parts = Parts(
            feed=DisturbedFeed(self.log, seed),
            log=self.log,
            work=self.work,
            statuses=MemoryCommandStatuses(),
            clock=self.clock,
            owner=self.ids.new_id(),
            limits=RunnerLimits(batch=BATCH),
            metrics=WorkerMetrics(since=self.clock.now()),
        )
        return Runner([GraphHandler(log=self.log, graph=self.graph)], parts)

    def ours(self, count: int) -> float:
        """Apply `count` commands with the worker; return events per second."""
        load = make_load(f"b{uuid.uuid4().hex[:12]}", count)
        self.commands.create_database(load.database)
        runner = self.runner(1)
        runner.step("graph", load.database)
        self.commands.create_class(load.database, "main", THING)
        runner.step("graph", load.database)
        for start in range(0, count, BATCH):
            self.commands.submit(load.database, load.commands[start : start + BATCH])
        head = self.log.head(load.database).position
        while self.log.stats(load.database).unfolded_events:
            time.sleep(0.05)
        started = time.perf_counter()
        while self.work.position("graph", load.database) < head:
            runner.step("graph", load.database)
        seconds = time.perf_counter() - started
        nodes = self.graph.view(load.database).page(["Thing"], limit=count).nodes
        assert {node.key: dict(node.document) for node in nodes} == load.oracle
        assert self.work.dead_letters(database=load.database, state="") == []
        self.log.fold(load.database)
        return count / seconds

    def batched(self, count: int) -> float:
        """Apply `count` events with batched SQL; return events per second."""
        return self._rows(count, BATCH)

    def one_by_one(self, count: int) -> float:
        """Apply `count` events, a transaction each; return events per second."""
        return self._rows(count, 1)

    def _rows(self, count: int, batch: int) -> float:
        load = make_load("peer", count)
        dice = random.Random(1)
        states: State = {}
        rows = []
        for number, command in enumerate(load.commands):
            key = f"Thing/{command.instance_id}"
            states[key] = {**states.get(key, {}), **command.payload}
            rows.append((number + 1, command.command_id, key, states[key]))
        pages = [disturbed(rows[start : start + BATCH], dice) for start in range(0, count, BATCH)]
        with psycopg.connect(self.dsn) as connection:
            connection.execute(_PEER_TABLES)
            connection.commit()
            started = time.perf_counter()
            for page in pages:
                for start in range(0, len(page), batch):
                    _write_rows(connection, page[start : start + batch])
                    connection.commit()
            seconds = time.perf_counter() - started
            found = dict(connection.execute("SELECT key, document FROM peer.state").fetchall())
        assert found == load.oracle
        return count / seconds


_PEER_TABLES = """
DROP SCHEMA IF EXISTS peer CASCADE;
CREATE SCHEMA peer;
CREATE TABLE peer.processed (event_id uuid PRIMARY KEY, position bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE peer.state (key text PRIMARY KEY, position bigint NOT NULL, document jsonb NOT NULL);
CREATE TABLE peer.link (source text PRIMARY KEY, target text NOT NULL);
CREATE INDEX ON peer.link (target);
"""
_PEER_MARK = """
INSERT INTO peer.processed (event_id, position) SELECT * FROM unnest(%s::uuid[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
_PEER_STATE = """
INSERT INTO peer.state AS known (key, position, document)
SELECT DISTINCT ON (key) key, position, document::jsonb
  FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS new (key, position, document) ORDER BY key, position DESC
    ON CONFLICT (key) DO UPDATE SET position = excluded.position, document = excluded.document
 WHERE known.position < excluded.position
"""
_PEER_LINK = """
INSERT INTO peer.link AS known (source, target) SELECT DISTINCT ON (source) source, target
  FROM unnest(%s::text[], %s::text[]) AS new (source, target)
    ON CONFLICT (source) DO UPDATE SET target = excluded.target
"""


def _write_rows(connection: psycopg.Connection[Any], rows: Sequence[tuple[int, str, str, dict[str, Any]]]) -> None:
    positions = [row[0] for row in rows]
    keys = [row[2] for row in rows]
    links = [(row[2], row[3]["follows"]) for row in rows if "follows" in row[3]]
    connection.execute(_PEER_MARK, ([row[1] for row in rows], positions))
    connection.execute(_PEER_STATE, (keys, positions, [orjson.dumps(row[3]).decode() for row in rows]))
    if links:
        connection.execute(_PEER_LINK, ([source for source, _ in links], [target for _, target in links]))


def main() -> None:
    """Measure and write the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--s3", action="store_true", help="the log on an S3 server")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="spice-bench-"))
    directory.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        dsn = start_embedded(directory / "postgres")
        stack.callback(stop_embedded, directory / "postgres")
        migrate(dsn)
        store = opened_s3(stack, directory, dsn).new_store() if arguments.s3 else LocalObjectStore(directory / "objects")
        bench = Bench(dsn, stack, store=store)
        count, few = arguments.events, max(arguments.events // 10, BATCH)
        case = f"{count} events, 10 % twice, 1 % reordered" + (", log on S3" if arguments.s3 else "")
        batched = paired(lambda: bench.ours(count), lambda: bench.batched(count), arguments.pairs)
        loop = paired(lambda: bench.ours(count), lambda: bench.one_by_one(few), arguments.pairs)
        rows = [
            Row.of("worker-apply", case, "bare batched SQL", batched, unit="events/s", bar=0.7),
            Row.of("worker-apply", case, "one transaction per event", loop, unit="events/s", bar=15.0),
        ]
        if arguments.dry:
            for row in rows:
                print(row)
        else:
            write(rows)


if __name__ == "__main__":
    main()
