"""Nothing is true only in a projection: rebuild the search index from the log, compare, and check the log itself."""

from collections.abc import Sequence

from rich.console import Console

from spice_api.cli.rebuild import rebuilder
from spice_api.cli.tour.findings import Findings
from spice_core.bootstrap import Platform
from spice_core.services.wait_for_reads import ReadBarrier

_PATIENCE_SECONDS = 600.0


def prove(parts: Platform, databases: Sequence[str], *, findings: Findings, console: Console) -> None:
    """Rebuild and compare each database, and verify its log."""
    barrier = ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=_PATIENCE_SECONDS)
    for database in databases:
        barrier.wait(database, "graph", "search")
        started = parts.clock.monotonic()
        done = rebuilder(parts).search(database)
        seconds = parts.clock.monotonic() - started
        found = done.comparison
        rate = done.events / seconds if seconds else 0.0
        console.print(f"  {database}: search rebuilt from {done.events:,} events in {seconds:.1f} s ({rate:,.0f} events/s)")
        detail = f"{found.documents:,} documents, {found.nodes:,} nodes, {found.folded:,} in the log" if found else ""
        findings.holds(f"{database}: documents, graph and log are equal, nothing differs", bool(found and found.is_equal), detail)
        report = parts.log.verify(database)
        text = f"{report.events:,} events in {report.segments:,} segments, head {report.head.chain_hash[:12]}"
        findings.holds(f"{database}: the chain of the log is intact", report.is_intact, text)
