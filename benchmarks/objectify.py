"""Bar 11: 100,000 rows of a dataset version to instances to search, against one command per row over HTTP; then 1 % changed.

Both sides run on the same platform: the embedded stores on the local disk, workers and OMS as processes of their own. Time ends
when the search worker has done everything, so that every node is FULL. The peer sends its rows over one kept connection.

Run: `python -m benchmarks.objectify [--rows 100000] [--single 1000] [--pairs 5] [--dry]`.
"""

import argparse
import contextlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.memory import peak_mb
from benchmarks.report import Pairs, Row, write
from spice_core.bootstrap import Platform, bootstrap, ingest_dataset, objectify, stop_infrastructure
from spice_core.domain.datasets import ClassMapping, DatasetVersion, FieldMapping
from spice_core.services.ingest_dataset import UploadRequest
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.wait_for_reads import ReadBarrier
from spice_core.settings import Settings, load_settings, process_environment

DATABASE = "bench"
PATIENCE_SECONDS = 1800.0
WORKERS = (["graph"], ["search"], ["read-models", "registry"])
GROUP = {
    "id": "Group",
    "label": "Group",
    "properties": [{"name": "code", "type": "string", "primaryKey": True, "required": True}],
}
LINK = {"predicate": "in_group", "target": "Group", "label": "in group", "cardinality": "n:1"}


def item_class(name: str) -> dict[str, Any]:
    """A class of eight properties and a link."""
    types = {"title": "string", "note": "string", "amount": "decimal", "count": "integer", "day": "date", "seen": "dateTime"}
    key = {"name": "id", "type": "string", "primaryKey": True, "required": True}
    rest = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"id": name, "label": name, "properties": [key, *rest], "relationships": [LINK]}


def item(number: int, generator: random.Random) -> dict[str, Any]:
    """One row."""
    return {
        "id": f"item-{number:07}",
        "title": f"Title {generator.randrange(5000)} of {number}",
        "note": " ".join(generator.choice(("red", "green", "blue", "old", "small", "heavy")) for _ in range(6)),
        "amount": f"{generator.randrange(10**6) / 100:.2f}",
        "count": generator.randrange(1000),
        "day": f"2024-{generator.randrange(1, 13):02}-{generator.randrange(1, 29):02}",
        "seen": f"2024-01-{generator.randrange(1, 29):02}T10:{generator.randrange(60):02}:00Z",
        "group": f"g{generator.randrange(100)}",
    }


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    """The rows as a file."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Stage:
    """A running platform."""

    parts: Platform
    processes: list[subprocess.Popen[bytes]]
    oms: str

    def ingest(self, name: str, rows: list[dict[str, Any]], key: str) -> DatasetVersion:
        parts = self.parts
        service = ingest_dataset(parts)
        return service.run(UploadRequest(DATABASE, "main", name, f"{name}.csv", key), [csv_of(rows)])

    def map(self, version: DatasetVersion, class_id: str, fields: dict[str, str]) -> str:
        mapping_id = mapping_id_of(DATABASE, "main", version.dataset_id, class_id)
        entries = tuple(FieldMapping(target, (source,)) for target, source in fields.items())
        mapping = ClassMapping(mapping_id, DATABASE, "main", version.dataset_id, class_id, entries, version.schema_hash)
        RegistryCommands(commands=self.parts.commands, registry=self.parts.registry).save_mapping(mapping)
        self.wait("registry")
        return mapping_id

    def wait(self, *handlers: str) -> None:
        """Wait until the handlers have done everything that is in the log."""
        parts = self.parts
        barrier = ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=PATIENCE_SECONDS)
        barrier.wait(DATABASE, *handlers)

    def peak_megabytes(self) -> float:
        """The largest peak of any of the processes, this one included."""
        return max(peak_mb(), *(peak_mb(process.pid) for process in self.processes))


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Start everything in a directory that goes away."""
    with tempfile.TemporaryDirectory(prefix="spice-bench-", ignore_cleanup_errors=True) as folder:
        oms_port, *worker_ports = (free_port() for _ in range(1 + len(WORKERS)))
        settings = load_settings(state_dir=Path(folder) / "state")
        environment = {
            **process_environment(),
            "SPICE_HOME": str(settings.state_path),
            "OMS_PORT": str(oms_port),
            "OMS_REQUIRE_AUTH": "false",
            "ALLOW_INSECURE_OMS_AUTH_DISABLE": "true",
            "SPICE_RATE_LIMIT_ENABLED": "false",
        }
        parts = bootstrap(settings, process="bench")
        commands = [(["spice_workers", *names], port) for names, port in zip(WORKERS, worker_ports, strict=True)]
        commands.append((["spice_api.cli.main", "api", "oms"], oms_port))
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment | {"SPICE_WORKER_PORT": str(port)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for command, port in commands
        ]
        try:
            yield Stage(parts, processes, f"http://127.0.0.1:{oms_port}/api/v1")
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)
            parts.close()
            stop(settings)


def stop(settings: Settings) -> None:
    """Stop the embedded PostgreSQL."""
    stop_infrastructure(settings)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def prepare(running: Stage, classes: list[str]) -> None:
    """Create the database, the classes and the groups."""
    commands = running.parts.commands
    commands.create_database(DATABASE)
    running.wait("graph")
    commands.create_class(DATABASE, "main", GROUP)
    for name in classes:
        commands.create_class(DATABASE, "main", item_class(name))
    running.wait("graph", "search")
    groups = running.ingest("groups", [{"code": f"g{number}"} for number in range(100)], "groups")
    objectify(running.parts).run(DATABASE, running.map(groups, "Group", {"code": "code"}))


def over_http(running: Stage, class_id: str, rows: list[dict[str, Any]]) -> float:
    """Rows per second, one command per row."""
    with httpx2.Client(base_url=running.oms, timeout=60) as client:
        wait_for_oms(client)
        started = time.perf_counter()
        for row in rows:
            data = {**row, "in_group": f"Group/{row['group']}"}
            del data["group"]
            answer = client.post(f"/instances/{DATABASE}/async/{class_id}/create", json={"data": data})
            answer.raise_for_status()
        running.wait("graph", "search")
        return len(rows) / (time.perf_counter() - started)


def wait_for_oms(client: httpx2.Client) -> None:
    """Wait until the app answers."""
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            client.get("/health")
            return
        time.sleep(0.2)


def by_objectify(running: Stage, version: DatasetVersion, class_id: str) -> tuple[float, str]:
    """Seconds until every row is in search, and the mapping."""
    names = ("id", "title", "note", "amount", "count", "day", "seen")
    mapping_id = running.map(version, class_id, {**{name: name for name in names}, "in_group": "group"})
    started = time.perf_counter()
    run = objectify(running.parts).run(DATABASE, mapping_id)
    running.wait("graph", "search")
    seconds = time.perf_counter() - started
    assert (run.state, run.created, run.rejected) == ("succeeded", run.rows, 0), run
    return seconds, mapping_id


def again(running: Stage, mapping_id: str, changed: int) -> float:
    """Seconds of the next version."""
    started = time.perf_counter()
    run = objectify(running.parts).run(DATABASE, mapping_id)
    running.wait("graph", "search")
    assert (run.state, run.updated, run.created, run.deleted) == ("succeeded", changed, 0, 0), run
    return time.perf_counter() - started


def measure(rows: int, single: int, pairs: int) -> tuple[Pairs, Pairs, float]:
    """Return rates of both sides, times of the second and the first version, and the peak memory of a process in MB."""
    generator = random.Random(11)
    table = [item(number, generator) for number in range(rows)]
    changed = sorted(generator.sample(range(rows), max(1, rows // 100)))
    ours: list[float] = []
    theirs: list[float] = []
    firsts: list[float] = []
    seconds: list[float] = []
    with stage() as running:
        prepare(running, [f"{side}{number}" for number in range(pairs) for side in ("Ours", "Theirs")])
        for number in range(pairs):
            version = running.ingest(f"items{number}", table, f"first {number}")
            first, mapping_id = by_objectify(running, version, f"Ours{number}")
            theirs.append(over_http(running, f"Theirs{number}", table[:single]))
            for index in changed:
                table[index] = {**table[index], "count": table[index]["count"] + 1}
            running.ingest(f"items{number}", table, f"second {number}")
            seconds.append(again(running, mapping_id, len(changed)))
            firsts.append(first)
            ours.append(rows / first)
            print(f"pair {number}: {rows / first:.0f} rows/s, {theirs[-1]:.0f} over HTTP, second version {seconds[-1]:.2f} s")
        peak = running.peak_megabytes()
    return Pairs(ours, theirs), Pairs(seconds, firsts), peak


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--single", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    rates, times, peak = measure(chosen.rows, chosen.single, chosen.pairs)
    case = f"{chosen.rows:,} rows"
    rows = [
        Row.of("objectify", case, "one command per row over HTTP", rates, unit="rows/s", bar=20.0),
        Row.of("objectify", f"{case}, then 1 % changed", "the first version", times, unit="s", bar=0.05, is_rate=False),
    ]
    print(f"peak memory of a process {peak:.0f} MB; median {statistics.median(rates.ours):.0f} rows/s")
    if chosen.dry:
        print(*rows, sep="\n")
    else:
        write(rows)


if __name__ == "__main__":
    main()
