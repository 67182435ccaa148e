"""Bar 9: a large CSV file to a registered dataset version with types, statistics, keys and hash, against bare copies to Parquet.

Ours runs on the embedded stores on the local disk, with the registry's worker as a process of its own; time ends when the
version is registered. DuckDB copies the file to Parquet on the same number of threads; Polars scans and sinks it; Spark reads
and writes it with `local[2]` where `pyspark` and a Java are installed. Each copy is a process of its own that counts without its
start. Rows are compared first. The file is lineitem of TPC-H (`tpchgen-cli`), 200 MB, or 766 MB with `--full`; `--file` names
another.

Run: `python -m benchmarks.ingest_csv [--full] [--file x.csv] [--pairs 5] [--dry]`.
"""

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.memory import peak_mb
from benchmarks.report import Pairs, Row, write
from spice_core.bootstrap import Platform, bootstrap, ingest_dataset, stop_infrastructure
from spice_core.domain.datasets import DatasetVersion
from spice_core.services.ingest_dataset import UploadRequest
from spice_core.services.wait_for_reads import ReadBarrier
from spice_core.settings import load_settings, process_environment

DATABASE = "bench"
SCALE, FULL_SCALE = 0.27, 1.0
CHUNK = 1 << 20
MEMORY_MB = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took; memory is the peak of the process so far, at least what its parent had when it was started."""

    seconds: float
    cpu_seconds: float
    peak_mb: int


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Platform]:
    """Start the platform with the workers that an ingest waits for."""
    settings = load_settings(state_dir=folder / "state")
    parts = bootstrap(settings, process="bench")
    command = [sys.executable, "-m", "spice_workers", "graph", "registry"]
    environment = {**process_environment(), "SPICE_HOME": str(settings.state_path)}
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        parts.commands.create_database(DATABASE)
        ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=60).wait(DATABASE, "graph")
        yield parts
    finally:
        worker.terminate()
        worker.wait(30)
        parts.close()
        stop_infrastructure(settings)


def lineitem(folder: Path, scale: float) -> Path:
    """Generate the file."""
    command = [
        str(Path(sys.executable).with_name("tpchgen-cli")),
        "csv",
        "-s",
        str(scale),
        "--tables=lineitem",
        f"--output-dir={folder}",
    ]
    subprocess.run(command, check=True)
    return folder / "lineitem.csv"


def chunks(file: Path, extra: int) -> Iterator[bytes]:
    """Yield the file as a client sends it, its last line `extra` times more: what is stored already is not stored again."""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
        stream.seek(-10_000, 2)
        yield stream.read().splitlines(keepends=True)[-1] * extra


def ours(parts: Platform, file: Path, made: list[DatasetVersion]) -> Cost:
    """The cost of one ingest."""
    number = len(made)
    request = UploadRequest(DATABASE, "main", f"lineitem{number}", file.name, f"run {number}")
    cost = measured(lambda: made.append(ingest_dataset(parts).run(request, chunks(file, number))))
    print(f"ours {cost}")
    return cost


def measured(work: Callable[[], object]) -> Cost:
    """Do `work` in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(seconds, 2), round(cpu, 2), round(peak_mb()))


def by_duckdb(file: Path, into: Path) -> None:
    """Copy to Parquet."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
        connection.execute(f"COPY (FROM read_csv('{file}')) TO '{into}' (FORMAT parquet)")


def by_polars(file: Path, into: Path) -> None:
    """Stream to Parquet."""
    import polars as pl  # noqa: PLC0415 - an extra

    pl.scan_csv(file, try_parse_dates=True).sink_parquet(into)


def by_spark(file: Path, into: Path) -> None:
    """Read with inferred types and write Parquet; the session is started before."""
    session = spark()
    session.read.csv(str(file), header=True, inferSchema=True).write.mode("overwrite").parquet(str(into))


@cache
def spark() -> Any:
    """Return the session."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    return SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()


PEERS = {"DuckDB": (by_duckdb, 1.4), "Polars": (by_polars, None), "Spark": (by_spark, 0.25)}


def copied(peer: str, file: Path, folder: Path) -> Cost:
    """The cost of a peer's copy, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ingest_csv", "--file", str(file), "--peer", peer, "--into", str(folder / peer)]
    environment = {**process_environment(), "POLARS_MAX_THREADS": "2"}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    cost = Cost(*json.loads(run.stdout.splitlines()[-1]))
    print(f"{peer} {cost}")
    return cost


def copy(peer: str, file: Path, into: Path) -> None:
    """Be a peer's process: print seconds, CPU seconds and peak memory as JSON."""
    if peer == "Spark":
        spark()
    cost = measured(lambda: PEERS[peer][0](file, into))
    print(json.dumps([cost.seconds, cost.cpu_seconds, cost.peak_mb]))


def measure(file: Path, folder: Path, pairs: int) -> list[Row]:
    """Return the ratios to the peers, by time and by CPU, and the peak of our memory."""
    case = f"lineitem, {file.stat().st_size / 1e6:.0f} MB"
    made: list[DatasetVersion] = []
    found: list[Row] = []
    mine: list[Cost] = []
    with stage(folder) as parts:
        for peer, (_, bar) in PEERS.items():
            if peer == "Spark" and not (find_spec("pyspark") and shutil.which("java")):
                print("Spark is not measured: pyspark or a Java is not installed")
                continue
            costs: list[tuple[Cost, Cost]] = []
            for number in range(pairs):
                first = copied(peer, file, folder) if number % 2 else None
                own = ours(parts, file, made)
                costs.append((own, first or copied(peer, file, folder)))
            mine += [cost for cost, _ in costs]
            for unit in ("seconds", "cpu_seconds"):
                pair = Pairs([getattr(cost, unit) for cost, _ in costs], [getattr(cost, unit) for _, cost in costs])
                name = f"{peer}, bare copy" + (", by CPU" if unit == "cpu_seconds" else "")
                found.append(
                    Row.of("ingest-csv", case, name, pair, unit="s", bar=bar if unit == "seconds" else None, is_rate=False)
                )
    peak = Pairs([max(cost.peak_mb for cost in mine)], [MEMORY_MB])
    found.append(Row.of("ingest-csv", case, "1 GB of memory", peak, unit="MB", bar=1.0, is_rate=False))
    counted = duckdb.read_parquet(str(folder / "DuckDB")).count("*").fetchall()[0][0]
    assert [version.row_count for version in made] == [counted + number for number in range(len(made))]
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="766 MB instead of 200")
    parser.add_argument("--file", type=Path, help="this file instead of lineitem")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--peer", choices=PEERS, help="only copy --file to --into as this peer")
    parser.add_argument("--into", type=Path)
    chosen = parser.parse_args()
    if chosen.peer:
        copy(chosen.peer, chosen.file, chosen.into)
        return
    with tempfile.TemporaryDirectory(prefix="spice-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = chosen.file or lineitem(folder, FULL_SCALE if chosen.full else SCALE)
        rows = measure(file, folder, chosen.pairs)
    if chosen.dry:
        print(*rows, sep="\n")
    else:
        write(rows)


if __name__ == "__main__":
    main()
