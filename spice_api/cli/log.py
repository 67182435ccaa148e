"""`spice log`: the event log, for operators."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import App, Parameter

from spice_api.cli.report import AsJson, Database, Limit, console, print_json, print_json_line, print_table, progress
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform
from spice_core.domain.events import RecordedEvent
from spice_core.errors import DatabaseNotFound, NotFound
from spice_core.services.event_log.verifier import VerifyReport

app = App(name="log", help="Verify, follow and read the event log.")
_PAGE = 1000
_POLL_SECONDS = 0.5


@app.command
def verify(*, db: Database | None = None, as_json: AsJson = False) -> int:
    """Check every byte, the chain, the numbering, and what the ledger remembers; of all databases, or one.

    The exit code is 1 if a log is damaged; the first damage is named with its segment and position.
    """
    with platform() as parts:
        reports = [_verify(parts, name) for name in ([db] if db else parts.log.databases())]
    if as_json:
        print_json(reports)
    else:
        columns = ["database", "segments", "events", "commands", "bytes", "head", "result"]
        print_table(columns, [_verified_row(report) for report in reports])
    return 0 if all(report.is_intact for report in reports) else 1


@app.command
def tail(
    *,
    db: Database,
    limit: Limit = 20,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    as_json: AsJson = False,
) -> int:
    """Print the newest events of a database, oldest first; with `--follow` go on until Ctrl-C (one JSON value per line)."""
    with platform() as parts:
        after = max(0, _head(parts, db) - limit)
        for recorded in _events(parts, db, after=after, follow=follow):
            if as_json:
                print_json_line(recorded)
            else:
                console().print(_line(recorded), markup=False)
    return 0


@app.command
def show(target: str, *, db: Database, as_json: AsJson = False) -> int:
    """Print one event in full: TARGET is its position, or its event id."""
    with platform() as parts:
        _head(parts, db)
        if target.isdigit():
            found = next(iter(parts.log.read(db, after=int(target) - 1, limit=1)), None)
        else:
            found = parts.log.find(db, target)
    if found is None:
        raise NotFound(f"the log of {db} has no event {target}")
    if not as_json:
        console().print(_line(found), markup=False)
    print_json(found)
    return 0


@app.command
def stats(*, db: Database | None = None, as_json: AsJson = False) -> int:
    """Show how long each log is, how far the ledger trails it, and how far each worker is."""
    with platform() as parts:
        names = [db] if db else parts.log.databases()
        workers = ("graph", "search", "statuses", "lineage", "audit", "registry")
        rows = []
        for name in names:
            found = parts.log.stats(name)
            behind = {worker: _behind(parts, worker, name, found.head.position) for worker in workers}
            rows.append({"database": name, "segments": found.head.segment, "events": found.head.position} | behind)
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["database", "segments", "events", *(f"{worker} behind" for worker in workers)], [list(r.values()) for r in rows]
        )
    return 0


def _verify(parts: Platform, database: str) -> VerifyReport:
    _head(parts, database)
    with progress(f"verifying {database}", total=parts.log.head(database).segment) as bar:
        return parts.log.verify(
            database, progress=(lambda segment, _: bar.update(bar.task_ids[0], completed=segment)) if bar else None
        )


def _verified_row(report: VerifyReport) -> list[object]:
    found = "intact" if report.problem is None else f"segment {report.problem.segment}: {report.problem.message}"
    head = report.head.chain_hash[:12]
    return [report.database, report.segments, report.events, report.commands, report.bytes, head, found]


def _head(parts: Platform, database: str) -> int:
    """Return the position of the log's end. Raises `DatabaseNotFound`."""
    if not parts.log.exists(database):
        raise DatabaseNotFound(f"there is no log of {database}; there are: {', '.join(parts.log.databases()) or 'none'}")
    return parts.log.head(database).position


def _events(parts: Platform, database: str, *, after: int, follow: bool) -> Iterator[RecordedEvent]:
    while True:
        page = parts.log.read(database, after=after, limit=_PAGE)
        yield from page
        if page:
            after = page[-1].position
        elif not follow:
            return
        else:
            parts.log.wait(seconds=_POLL_SECONDS)


def _line(recorded: RecordedEvent) -> str:
    event = recorded.event
    who = event.actor or "-"
    return (
        f"{recorded.position:>8}  {event.occurred_at:%Y-%m-%d %H:%M:%S}  {event.event_type:<34} "
        f"{event.aggregate_id} #{event.sequence_number}  {who}  {event.event_id}"
    )


def _behind(parts: Platform, worker: str, database: str, head: int) -> int:
    return max(0, head - parts.work.position(worker, database))
