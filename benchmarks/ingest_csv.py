"""Bar 9: a large CSV file to a registered dataset version with types, statistics, keys and hash, against bare copies to Parquet.

Ours runs on the embedded stores on the local disk, with the registry's worker as a process of its own; time ends when the
version is registered. DuckDB copies the file to Parquet on the same number of threads; Polars scans and sinks it. Rows are
compared first. The file is lineitem of TPC-H (`tpchgen-cli`), 200 MB, or 766 MB with `--full`; `--file` names another.

Run: `python -m benchmarks.ingest_csv [--full] [--file x.csv] [--pairs 5] [--dry]`.
"""

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.report import Row, paired, write
from spice_core.bootstrap import Platform, bootstrap, ingest_dataset, stop_infrastructure
from spice_core.domain.datasets import DatasetVersion
from spice_core.services.ingest_dataset import UploadRequest
from spice_core.services.wait_for_reads import ReadBarrier
from spice_core.settings import load_settings, process_environment

DATABASE = "bench"
SCALE, FULL_SCALE = 0.27, 1.0
CHUNK = 1 << 20


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
    command = ["tpchgen-cli", "csv", "-s", str(scale), "--tables=lineitem", f"--output-dir={folder}"]
    subprocess.run(command, check=True)
    return folder / "lineitem.csv"


def chunks(file: Path, extra: int) -> Iterator[bytes]:
    """Yield the file as a client sends it, its last line `extra` times more: what is stored already is not stored again."""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
        stream.seek(-10_000, 2)
        yield stream.read().splitlines(keepends=True)[-1] * extra


def ours(parts: Platform, file: Path, made: list[DatasetVersion]) -> float:
    """Seconds of one ingest."""
    number = len(made)
    request = UploadRequest(DATABASE, "main", f"lineitem{number}", file.name, f"run {number}")
    started = time.perf_counter()
    made.append(ingest_dataset(parts).run(request, chunks(file, number)))
    seconds = time.perf_counter() - started
    print(f"ours {seconds:.1f} s")
    return seconds


def by_duckdb(file: Path, folder: Path) -> float:
    """Seconds of a bare copy to Parquet."""
    into = folder / "duckdb.parquet"
    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
        connection.execute(f"COPY (FROM read_csv('{file}')) TO '{into}' (FORMAT parquet)")
    seconds = time.perf_counter() - started
    print(f"DuckDB {seconds:.1f} s")
    return seconds


def by_polars(file: Path, folder: Path) -> float:
    """Seconds of a streamed copy to Parquet."""
    import polars as pl  # noqa: PLC0415 - an extra

    started = time.perf_counter()
    pl.scan_csv(file, try_parse_dates=True).sink_parquet(folder / "polars.parquet")
    seconds = time.perf_counter() - started
    print(f"Polars {seconds:.1f} s")
    return seconds


def measure(file: Path, folder: Path, pairs: int) -> list[Row]:
    """Return the ratios to both peers, by time."""
    case = f"lineitem, {file.stat().st_size / 1e6:.0f} MB"
    peers = (("DuckDB", by_duckdb, 1.4), ("Polars", by_polars, None))
    made: list[DatasetVersion] = []
    found = []
    with stage(folder) as parts:
        for peer, copy, bar in peers:
            pair = paired(lambda: ours(parts, file, made), lambda copy=copy: copy(file, folder), pairs)  # type: ignore[misc]
            found.append(Row.of("ingest-csv", case, f"{peer}, bare copy", pair, unit="s", bar=bar, is_rate=False))
    counted = duckdb.read_parquet(str(folder / "duckdb.parquet")).count("*").fetchall()[0][0]
    assert [version.row_count for version in made] == [counted + number for number in range(len(made))]
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="766 MB instead of 200")
    parser.add_argument("--file", type=Path, help="this file instead of lineitem")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spice-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = chosen.file or lineitem(folder, FULL_SCALE if chosen.full else SCALE)
        rows = measure(file, folder, chosen.pairs)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if chosen.dry:
        print(*rows, sep="\n")
    else:
        write(rows)


if __name__ == "__main__":
    main()
