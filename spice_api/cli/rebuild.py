"""`spice rebuild`: projections anew from the log, compared with what was there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cyclopts import App

from spice_api.cli.report import AsJson, console, print_json, progress
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform
from spice_core.errors import DatabaseNotFound
from spice_core.services.rebuild import ReadModel, Rebuilder, Stores
from spice_core.services.rebuild_search import SearchRebuild

app = App(
    name="rebuild",
    help="Build projections anew from the log, and compare. Workers may run meanwhile: they give way where they must.",
)
_READ_MODELS: tuple[ReadModel, ...] = ("statuses", "lineage", "audit")
_SAMPLES = 10
Report = Callable[[int, int], None]


@app.command
def search(database: str, *, accept: bool = False, as_json: AsJson = False) -> int:
    """Rebuild the search index of a database beside the live one, compare every branch with graph and log, and swap it in.

    If anything differs or was left out, the new index is dropped, the live one serves on, and the exit code is 1.

    Parameters
    ----------
    accept
        Swap it in also then.
    """
    with platform(process="rebuild") as parts, _progress(parts, database, "search") as report:
        done = rebuilder(parts).search(database, progress=report, accept=accept)
    if as_json:
        print_json(done)
    else:
        _print_search(done)
    return 0 if done.is_sound else 1


@app.command
def ledger(database: str, *, as_json: AsJson = False) -> int:
    """Forget the ledger of a database and fold its log again; compare before and after.

    The exit code is 0 also where the ledger had lost something: that is what the rebuild is for.
    """
    with platform(process="rebuild") as parts:
        _require(parts, database)
        done = rebuilder(parts).ledger(database)
    if as_json:
        print_json({"database": done.database, "events": done.events, "missing": done.missing, "different": done.different})
    else:
        found = "it said what the log says" if done.is_equal else f"{done.missing:,} were missing, {done.different:,} differed"
        console().print(f"[green]done[/] {done.events:,} events folded; before, {found}")
    return 0


@app.command
def graph(database: str, *, as_json: AsJson = False) -> int:
    """Forget the graph of a database and replay its log; the exit code is 1 if a branch ends in another commit than before."""
    with platform(process="rebuild") as parts, _progress(parts, database, "graph") as report:
        head = parts.log.head(database).position
        done = rebuilder(parts).graph(database, progress=lambda position: report(position, head))
    if as_json:
        print_json({"database": done.database, "commits": done.commits, "heads": done.heads_after, "is_equal": done.is_equal})
    else:
        found = "[green]every branch ends as before[/]" if done.is_equal else "[yellow]not as before[/]"
        console().print(f"{done.commits:,} commits, {found}")
    return 0 if done.is_equal else 1


@app.command(name="read-models")
def read_models(database: str, *, as_json: AsJson = False) -> int:
    """Rebuild command statuses, lineage and audit of a database; the exit code is 1 if they were not as the log says."""
    with platform(process="rebuild") as parts:
        _require(parts, database)
        done = []
        for name in _READ_MODELS:
            with _progress(parts, database, name) as report:
                done.append(rebuilder(parts).read_model(name, database, progress=report))
    if as_json:
        print_json([{"name": item.name, "events": item.events, "is_equal": item.is_equal} for item in done])
    else:
        for item in done:
            found = "[green]as before[/]" if item.is_equal else "[yellow]not as before[/]"
            console().print(f"{item.name:<9} {item.events:>9,} events, {found}")
    return 0 if all(item.is_equal for item in done) else 1


def rebuilder(parts: Platform) -> Rebuilder:
    """Return the service that rebuilds."""
    stores = Stores(
        log=parts.log,
        ledger=parts.ledger,
        work=parts.work,
        graph=parts.graph,
        search=parts.search,
        statuses=parts.statuses,
        lineage=parts.lineage,
        audit=parts.audit,
        clock=parts.clock,
    )
    return Rebuilder(stores, owner=parts.ids.new_id(), lease_seconds=parts.settings.lease_seconds)


def _print_search(done: SearchRebuild) -> None:
    screen = console()
    verdict = "[green]swapped in[/]" if done.is_swapped else "[red]not swapped in[/]: the index of before serves on"
    screen.print(f"{done.events:,} events up to position {done.position:,}, {len(done.skipped)} left out; {verdict}")
    found = done.comparison
    if found is None:
        return
    counts = f"{found.documents:,} documents, {found.nodes:,} nodes, {found.folded:,} in the log"
    if found.is_equal:
        screen.print(f"[green]equal[/] {counts} on all branches: nothing differs")
    else:
        screen.print(f"[red]different[/] {counts}: {found.missing:,} missing, {found.extra:,} extra, {found.different:,} other")
        screen.print(f"for example {', '.join(found.samples[:_SAMPLES])}", markup=False)
    if not done.is_swapped:
        screen.print("swap it in all the same with --accept", markup=False)


@contextmanager
def _progress(parts: Platform, database: str, what: str) -> Iterator[Report]:
    _require(parts, database)
    with progress(f"{what} of {database}", total=parts.log.head(database).position) as bar:

        def report(position: int, head: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=position, total=head)

        yield report


def _require(parts: Platform, database: str) -> None:
    if not parts.log.exists(database):
        raise DatabaseNotFound(f"there is no log of {database}; there are: {', '.join(parts.log.databases()) or 'none'}")
