"""`spice connector`: Google Sheets and SQL databases as sources of datasets."""

import getpass
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import App, Parameter

from spice_api.cli.commands import Wait, actor, outcome, report_outcome
from spice_api.cli.report import AsJson, Branch, Database, console, print_json, print_table, progress
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform, authorize_connections, connection_commands, sync_connectors
from spice_core.domain import naming
from spice_core.domain.connectors import POLLING_SECONDS, ConnectorSource, DeletedPolicy, SyncState, connection_id_of
from spice_core.errors import InvalidInput
from spice_core.services.sync_connectors import SyncOutcome

app = App(name="connector", help="Take Google Sheets and SQL databases as sources of datasets.")

_FAILURES = frozenset({"failed", "retrying", "needs_authorization"})
Connection = Annotated[str, Parameter(help="The connection's name.")]
Dataset = Annotated[str, Parameter(help="The dataset that the source fills.")]


@app.command
def kinds(*, as_json: AsJson = False) -> int:
    """List the kinds of connections, and the fields that each takes."""
    with platform() as parts:
        found = [item.kind for item in parts.connectors.values()]
    if as_json:
        print_json(found)
        return 0
    for kind in found:
        rows = [
            [field.name, "secret" if field.is_secret else "", "required" if field.is_required else "", field.description]
            for field in kind.connection_fields
        ]
        print_table(["field", "", "", "meaning"], rows, title=f"{kind.name}: {kind.title}")
    return 0


@app.command
def connect(
    name: Connection,
    *,
    db: Database,
    kind: Annotated[str, Parameter(help="One of `spice connector kinds`.")],
    set: Annotated[Sequence[str], Parameter(name="--set", help="A field: `spreadsheets=…`, `host=…`; once per field.")] = (),  # noqa: A002
    secret: Annotated[
        Sequence[str], Parameter(help="The name of a secret field; its value is asked for, or read as a line of standard input.")
    ] = (),
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> int:
    """Add or replace a connection. Secrets are never words of a command line: shells and process lists keep those."""
    config = dict(_pair(text) for text in set)
    secrets = {field: _secret(field) for field in secret}
    with platform() as parts:
        saved = connection_commands(parts).save_connection(db, name, kind, config, secrets, actor=actor())
        status = outcome(parts, saved.accepted, seconds=wait)
    return report_outcome(f"connection {saved.record_id}", status, as_json=as_json)


@app.command(name="connections")
def list_connections(*, db: Database, as_json: AsJson = False) -> int:
    """List the connections of a database; of their secrets, which are set."""
    with platform() as parts:
        found = connection_commands(parts).connections(db)
    if as_json:
        print_json(
            [{**_shown_connection(item), "secrets": {name: {"set": True} for name in item.secret_fields}} for item in found]
        )
    else:
        rows = [[item.name, item.kind, item.status, ", ".join(item.secret_fields) or "-"] for item in found]
        print_table(["connection", "kind", "status", "secrets set"], rows)
    return 0


@app.command
def check(name: Connection, *, db: Database, as_json: AsJson = False) -> int:
    """Ask the place whether it lets us in. The exit code is 1 where it refuses, 3 where it does not answer."""
    with platform() as parts:
        service = connection_commands(parts)
        message = service.check(service.connection(db, connection_id_of(db, name)))
    if as_json:
        print_json({"ok": True, "message": message})
    else:
        console().print(f"[green]ok[/] {message}")
    return 0


@app.command
def discover(name: Connection, *, db: Database, as_json: AsJson = False) -> int:
    """List what a connection offers; `spice connector add` takes the key."""
    with platform() as parts:
        service = connection_commands(parts)
        found = service.discover(service.connection(db, connection_id_of(db, name)))
    if as_json:
        print_json(found)
    else:
        rows = [[item.key, item.title, item.kind, ", ".join(item.key_columns) or "-"] for item in found]
        print_table(["key", "title", "kind", "key columns"], rows, whole=["key"])
    return 0


@app.command
def add(
    name: Connection,
    key: Annotated[str, Parameter(help="As `spice connector discover` names it, or `query:name`.")],
    dataset: Dataset,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    option: Annotated[Sequence[str], Parameter(help="An option of the kind: `values=formatted`, `query=SELECT …`.")] = (),
    key_column: Annotated[Sequence[str], Parameter(help="A column that tells rows apart; once per column.")] = (),
    watermark: Annotated[str | None, Parameter(help="Read only what is new by this column.")] = None,
    overlap: Annotated[float, Parameter(help="How far behind the watermark to read again: seconds, or units.")] = 300.0,
    every: Annotated[float, Parameter(help="Seconds between two looks.")] = POLLING_SECONDS,
    on_deleted: Annotated[
        Literal["keep", "fail", "delete_dataset"], Parameter(help="What happens once the source is gone at its origin.")
    ] = "keep",
    disabled: Annotated[bool, Parameter(negative="", help="Keep it without looking at it.")] = False,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> int:
    """Add or replace a source: one worksheet, table or query that fills one dataset, from now on."""
    source = ConnectorSource(
        source_id="",
        database=db,
        branch=branch,
        dataset=dataset,
        connection_id=connection_id_of(db, name),
        key=key,
        incarnation="",
        options=dict(_pair(text) for text in option),
        key_columns=tuple(key_column),
        watermark_column=watermark,
        overlap=overlap,
        polling_interval_seconds=every,
        is_enabled=not disabled,
        on_source_deleted=DeletedPolicy(on_deleted),
    )
    with platform() as parts:
        saved = connection_commands(parts).save_source(source, actor=actor())
        status = outcome(parts, saved.accepted, seconds=wait)
    return report_outcome(f"source {saved.record_id}", status, as_json=as_json)


@app.command(name="sources")
def list_sources(
    *,
    db: Database,
    failed: Annotated[bool, Parameter(negative="", help="Only those whose sync failed and waits for you.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the sources of a database, and where their syncs stand."""
    with platform() as parts:
        syncs = sync_connectors(parts)
        pairs = [(source, syncs.state(source)) for source in connection_commands(parts).sources(db)]
    found = [(source, state) for source, state in pairs if not failed or state.status == "failed"]
    if as_json:
        print_json([{"source": source, "sync": _shown_state(state)} for source, state in found])
    else:
        rows = [
            [source.dataset, source.branch, source.key, state.status if source.is_enabled else "disabled", state.error]
            for source, state in found
        ]
        print_table(["dataset", "branch", "key", "sync", "error"], rows)
    return 0


@app.command
def sync(
    dataset: Dataset,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    force: Annotated[bool, Parameter(negative="", help="Read it whatever its change token says.")] = False,
    as_json: AsJson = False,
) -> int:
    """Bring the dataset of a source up to date, now. The exit code is 1 where the source could not be read."""
    with platform() as parts, progress(f"reading {dataset}") as bar:

        def shown(rows: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=rows)

        found = sync_connectors(parts).sync(db, naming.aggregate_id(db, branch, dataset), is_forced=force, progress=shown)
    _report(found, as_json=as_json)
    return 1 if found.result in _FAILURES else 0


@app.command
def runs(dataset: Dataset, *, db: Database, branch: Branch = naming.MAIN, as_json: AsJson = False) -> int:
    """List the newest syncs of a source that changed something or failed."""
    with platform() as parts:
        state = sync_connectors(parts).state(connection_commands(parts).source(db, naming.aggregate_id(db, branch, dataset)))
    if as_json:
        print_json(_shown_state(state))
    else:
        rows = [[run.at.isoformat(timespec="seconds"), run.result, run.row_count, run.seconds, run.error] for run in state.runs]
        print_table(["at", "result", "rows", "seconds", "error"], rows)
    return 0


@app.command
def retry(dataset: Dataset, *, db: Database, branch: Branch = naming.MAIN, as_json: AsJson = False) -> int:
    """Let a failed or discarded sync be tried again, with all its attempts."""
    with platform() as parts:
        state = sync_connectors(parts).retry(db, naming.aggregate_id(db, branch, dataset), actor=actor())
    return _decided(f"{dataset} is tried again in a moment", state, as_json=as_json)


@app.command
def discard(dataset: Dataset, *, db: Database, branch: Branch = naming.MAIN, as_json: AsJson = False) -> int:
    """Give a failed sync up: its source rests until it is retried."""
    with platform() as parts:
        state = sync_connectors(parts).discard(db, naming.aggregate_id(db, branch, dataset), actor=actor())
    return _decided(f"{dataset} rests until it is retried", state, as_json=as_json)


@app.command
def remove(dataset: Dataset, *, db: Database, branch: Branch = naming.MAIN, wait: Wait = 10.0, as_json: AsJson = False) -> int:
    """Remove a source; its dataset stays."""
    with platform() as parts:
        accepted = connection_commands(parts).delete_source(db, naming.aggregate_id(db, branch, dataset), actor=actor())
        status = outcome(parts, accepted, seconds=wait)
    return report_outcome(f"source of {dataset} removed", status, as_json=as_json)


@app.command
def disconnect(name: Connection, *, db: Database, wait: Wait = 10.0, as_json: AsJson = False) -> int:
    """Remove a connection that has no sources, with its secrets."""
    with platform() as parts:
        accepted = connection_commands(parts).delete_connection(db, connection_id_of(db, name), actor=actor())
        status = outcome(parts, accepted, seconds=wait)
    return report_outcome(f"connection {name} removed", status, as_json=as_json)


@app.command
def authorize(name: Connection, *, db: Database, as_json: AsJson = False) -> int:
    """Print the address where a person consents; it comes back to GOOGLE_REDIRECT_URI, good for ten minutes."""
    with platform() as parts:
        address = authorize_connections(parts).begin(db, connection_id_of(db, name), actor=actor())
    if as_json:
        print_json({"authorization_url": address})
    else:
        console().print(f"open this in a browser: {address}")
    return 0


@app.command
def rotate_secrets(*, as_json: AsJson = False) -> int:
    """Encrypt all secrets anew with SECRET_KEY; afterwards SPICE_PREVIOUS_SECRET_KEYS may be emptied."""
    with platform() as parts:
        count = _rotated(parts)
    if as_json:
        print_json({"secrets": count})
    else:
        console().print(f"[green]done[/] {count:,} secrets are under the newest key")
    return 0


def _rotated(parts: Platform) -> int:
    return parts.secrets.rotate()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{text[:100]!r}: write name=value")
    return name, value


def _secret(field: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{field}: ")
    value = sys.stdin.readline().rstrip("\n")
    if not value:
        raise InvalidInput(f"no value of {field} on standard input")
    return value


def _shown_connection(item: object) -> dict[str, object]:
    names = ("connection_id", "database", "name", "kind", "config", "status", "version")
    return {name: getattr(item, name) for name in names}


def _shown_state(state: SyncState) -> dict[str, object]:
    names = ("status", "version_id", "attempts", "next_try_at", "synced_at", "error", "error_code", "runs")
    return {name: getattr(state, name) for name in names}


def _report(found: SyncOutcome, *, as_json: bool) -> None:
    if as_json:
        print_json({"source_id": found.source_id, "result": found.result, "version_id": found.version_id,
                    "row_count": found.row_count, "error": found.error})  # fmt: skip
        return
    color = "red" if found.result in _FAILURES else "green"
    about = f": {found.error}" if found.error else f", {found.row_count:,} rows" if found.row_count is not None else ""
    console().print(f"[{color}]{found.result}[/] {found.source_id}", end="")
    console().print(about, markup=False)


def _decided(message: str, state: SyncState, *, as_json: bool) -> int:
    if as_json:
        print_json(_shown_state(state))
    else:
        console().print(f"[green]done[/] {message}")
    return 0
