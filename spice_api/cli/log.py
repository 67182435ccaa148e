"""`spice log`: the event log, for operators."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress

from spice_api.cli.report import AsJson, Database, Limit, console, print_json, print_json_line, print_table, progress
from spice_api.cli.session import platform, using_infrastructure
from spice_core.bootstrap import Platform, adopt_store, copy_store, open_store
from spice_core.domain.events import RecordedEvent
from spice_core.errors import ConfigurationError, DatabaseNotFound, InvalidInput, NotFound
from spice_core.services.event_log.reader import LogHead
from spice_core.services.event_log.signed_head import open_head, sign_head
from spice_core.services.event_log.verifier import VerifyReport
from spice_core.settings import Settings, load_settings

app = App(name="log", help="Verify, follow and read the event log.")
_PAGE = 1000
_POLL_SECONDS = 0.5


@app.command
def verify(
    *,
    db: Database | None = None,
    witness: Annotated[str | None, Parameter(help="What `spice log head` printed earlier; needs --db.")] = None,
    as_json: AsJson = False,
) -> int:
    """Check every byte, the chain, the numbering, and what the ledger remembers; of all databases, or one.

    A `--witness` also catches a log that was cut off or rewritten as a whole since. The exit code is 1 if a log is damaged;
    the first damage is named with its segment and position.
    """
    if witness is not None and db is None:
        raise InvalidInput("--witness is the head of one log: name it with --db")
    with platform() as parts:
        known = None if witness is None else open_head(witness, database=db or "", key=_secret(parts.settings))
        reports = [_verify(parts, name, known) for name in ([db] if db else parts.log.databases())]
    if as_json:
        print_json(reports)
    else:
        columns = ["database", "segments", "events", "commands", "bytes", "head", "result"]
        print_table(columns, [_verified_row(report) for report in reports])
    return 0 if all(report.is_intact for report in reports) else 1


@app.command
def head(*, db: Database) -> int:
    """Print the head of a log, signed with SECRET_KEY: kept elsewhere, `spice log verify --witness` compares with it."""
    with platform() as parts:
        _head(parts, db)
        console().print(sign_head(db, parts.log.head(db), key=_secret(parts.settings)), markup=False, soft_wrap=True)
    return 0


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
        _print_stats(rows, workers)
    return 0


@app.command
def pack(
    *,
    db: Database | None = None,
    drop_segments_before: Annotated[int | None, Parameter(help="Then remove the packed segments below this one.")] = None,
    as_json: AsJson = False,
) -> int:
    """Copy full ranges of segments into packs, which makes replays fast; of all databases, or one.

    Segments are removed only when asked for, only those that a verified pack holds, and only an hour after they were packed.
    """
    if drop_segments_before is not None and db is None:
        raise InvalidInput("--drop-segments-before needs --db")
    with platform() as parts:
        rows = [_packed(parts, name, drop_segments_before) for name in ([db] if db else parts.log.databases())]
    if as_json:
        print_json(rows)
    else:
        print_table(["database", "new packs", "segments dropped", "packs too young"], [list(row.values()) for row in rows])
    return 0


@app.command
def copy(
    *,
    to: Annotated[str, Parameter(help="`s3`, `s3://BUCKET/PREFIX`, or a directory to be SPICE_HOME.")],
    source: Annotated[str | None, Parameter(name="--from", help="As --to; else the store of the settings.")] = None,
    as_json: AsJson = False,
) -> int:
    """Copy the log and the dataset bytes to another store, and verify the copy; what is there already is left alone.

    Repeat it after the last writer has stopped, then point the settings at the copy. Endpoint and keys of S3 are those of
    the settings (SPICE_S3_ENDPOINT, …). The exit code is 1 if a copied log is damaged.
    """
    origin, target = _store_settings(source), _store_settings(to)
    with ExitStack() as stack, progress("copying") as bar:
        opened = [open_store(settings) for settings in (origin, target)]
        for store in opened:
            stack.callback(store.close)
        shown = (lambda what, seen: _show(bar, what, seen)) if bar else (lambda *_: None)
        report = copy_store(opened[0], opened[1], progress=shown)
    if as_json:
        print_json(report)
    else:
        console().print(f"{report.objects} objects, {report.bytes} bytes copied", markup=False)
        columns = ["database", "segments", "events", "commands", "bytes", "head", "result"]
        print_table(columns, [_verified_row(log) for log in report.logs])
    return 0 if report.is_intact else 1


@app.command
def adopt(*, force: bool = False, as_json: AsJson = False) -> int:
    """Let this PostgreSQL belong to the installation that the object store belongs to: after PostgreSQL was lost or replaced.

    One that belongs to another installation is changed only with `--force`; then `spice rebuild ledger` makes it true.
    """
    settings = load_settings()
    with using_infrastructure(settings):
        installation, before = adopt_store(settings, replaces=force)
    if as_json:
        print_json({"installation": installation, "before": before})
    else:
        console().print(f"PostgreSQL belongs to installation {installation} (before: {before or 'none'})", markup=False)
    return 0


def _print_stats(rows: Sequence[Mapping[str, object]], workers: Sequence[str]) -> None:
    if not rows:
        console().print("no databases yet: `spice db create NAME`", markup=False)
    for row in rows:
        console().print(f"{row['database']}: {row['segments']:,} segments, {row['events']:,} events", markup=False)
        for worker in workers:
            console().print(f"  {worker:<10}{row[worker]:>12,} behind", markup=False)


def _packed(parts: Platform, database: str, drop_before: int | None) -> dict[str, object]:
    _head(parts, database)
    parts.log.fold(database)
    made = parts.log.pack(database)
    dropped = None if drop_before is None else parts.log.drop_packed(database, before=drop_before)
    return {
        "database": database,
        "packs": len(made),
        "dropped": dropped.segments if dropped else 0,
        "waiting": dropped.waiting_packs if dropped else 0,
    }


def _store_settings(place: str | None) -> Settings:
    if place is None:
        return load_settings()
    if place == "s3":
        return load_settings(object_store="s3")
    if place.startswith("s3://"):
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        return load_settings(object_store="s3", s3_bucket=bucket, s3_prefix=prefix.strip("/"))
    return load_settings(object_store="local", state_dir=Path(place))


def _show(bar: Progress, what: str, seen: int) -> None:
    bar.update(bar.task_ids[0], description=f"copying {what}", completed=seen)


def _verify(parts: Platform, database: str, witness: LogHead | None = None) -> VerifyReport:
    _head(parts, database)
    with progress(f"verifying {database}", total=parts.log.head(database).segment) as bar:
        told = (lambda segment, _: bar.update(bar.task_ids[0], completed=segment)) if bar else None
        return parts.log.verify(database, progress=told, witness=witness)


def _secret(settings: Settings) -> bytes:
    if settings.secret_key is None:
        raise ConfigurationError("SECRET_KEY is not set: a head is signed with it, and must be opened with the same one")
    return settings.secret_key.get_secret_value().encode()


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
