"""`spice check`: does every store hold what the log says?"""

from spice_api.cli.report import AsJson, Database, console, print_json, print_table
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform, empty_stores, live_stores
from spice_core.errors import DatabaseNotFound
from spice_core.services.compare_stores import StoresComparison, compare_stores


def check(*, db: Database | None = None, as_json: AsJson = False) -> int:
    """Verify the log, replay it into empty stores in memory, and compare these with the live ones; all databases, or one.

    Changes nothing. Writes under way show as differences. Needs memory for the whole database. The exit code is 1 if the chain is
    damaged, a worker is behind, or anything differs: `spice rebuild` makes what differs anew.
    """
    with platform(process="check") as parts:
        found = [_compared(parts, name) for name in ([db] if db else parts.log.databases())]
    if as_json:
        print_json([{"is_equal": item.is_equal, "comparison": item} for item in found])
    else:
        for item in found:
            _print(item)
    return 0 if all(item.is_equal for item in found) else 1


def _compared(parts: Platform, database: str) -> StoresComparison:
    if not parts.log.exists(database):
        raise DatabaseNotFound(f"there is no log of {database}; there are: {', '.join(parts.log.databases()) or 'none'}")
    return compare_stores(live_stores(parts), empty=empty_stores(parts), work=parts.work, database=database)


def _print(found: StoresComparison) -> None:
    screen = console()
    parts = ", ".join(f"{count:,} {part}" for part, count in found.compared.items())
    verdict = "[green]equal[/]" if found.is_equal else "[red]different[/]"
    screen.print(f"{verdict} {found.database}: {found.chain.events:,} events; {parts}; {found.dead_letters} dead letters")
    if found.chain.problem is not None:
        screen.print(f"segment {found.chain.problem.segment}: {found.chain.problem.message}", markup=False)
    for worker, events in found.behind.items():
        if events:
            screen.print(f"the worker {worker} is {events:,} events behind", markup=False)
    if found.differences:
        rows = [[item.part, item.key, item.live, item.replayed] for item in found.differences]
        print_table(["part", "key", "is", "should be"], rows, title=f"{sum(found.different.values()):,} differences")
