"""`spice dead-letters`: events that no retry helped."""

from cyclopts import App

from spice_api.cli.commands import Wait, actor, outcome, report_outcome
from spice_api.cli.report import AsJson, Database, Limit, console, print_json, print_table
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform
from spice_core.domain.commands import CommandType
from spice_core.errors import NotFound
from spice_core.ports.work_ledger import DeadLetter
from spice_core.services.dead_letters import dead_letter_command

app = App(name="dead-letters", help="Look at events that no retry helped; retry or discard them.")
_ALL = 10_000


@app.command(name="list")
def list_dead_letters(*, db: Database | None = None, state: str = "waiting", limit: Limit = 100, as_json: AsJson = False) -> int:
    """List dead letters, oldest first; `--state ""` for all. The exit code is 0 also where there are some."""
    with platform() as parts:
        found = parts.work.dead_letters(database=db, state=state, limit=limit)
    if as_json:
        print_json(found)
    elif not found:
        console().print("[green]none[/]")
    else:
        columns = ["handler", "database", "position", "event", "type", "attempts", "state", "error"]
        print_table(columns, [_row(item) for item in found])
    return 0


@app.command
def show(event_id: str, *, db: Database, as_json: AsJson = False) -> int:
    """Show a dead letter with the event that it is about."""
    with platform() as parts:
        found = _find(parts, db, event_id)
        recorded = parts.log.find(db, event_id)
    if not as_json:
        console().print(f"[red]{found.handler}[/] gave up after {found.attempts} attempts: {found.error}")
    print_json({"dead_letter": found, "event": recorded.event if recorded else None})
    return 0


@app.command
def retry(event_id: str, *, db: Database, wait: Wait = 10.0, as_json: AsJson = False) -> int:
    """Hand the event, and those parked behind it, to its handler again."""
    return _decide(CommandType.RETRY_DEAD_LETTER, event_id, db=db, wait=wait, as_json=as_json)


@app.command
def discard(event_id: str, *, db: Database, wait: Wait = 10.0, as_json: AsJson = False) -> int:
    """Give the event up: its command ends FAILED, and those parked behind it go on."""
    return _decide(CommandType.DISCARD_DEAD_LETTER, event_id, db=db, wait=wait, as_json=as_json)


def _decide(kind: CommandType, event_id: str, *, db: str, wait: float, as_json: bool) -> int:
    with platform() as parts:
        found = _find(parts, db, event_id)
        command = dead_letter_command(
            kind,
            db,
            handler=found.handler,
            event_id=event_id,
            command_id=parts.ids.new_id(),
            at=parts.clock.now(),
            actor=actor(),
        )
        accepted = parts.commands.submit(db, [command])[0]
        status = outcome(parts, accepted, seconds=wait)
    word = "retrying" if kind is CommandType.RETRY_DEAD_LETTER else "discarding"
    return report_outcome(f"{word} {event_id}", status, as_json=as_json)


def _find(parts: Platform, database: str, event_id: str) -> DeadLetter:
    for item in parts.work.dead_letters(database=database, state="", limit=_ALL):
        if item.event_id == event_id:
            return item
    raise NotFound(f"there is no dead letter {event_id} in {database}; `spice dead-letters list -d {database}` names them")


def _row(item: DeadLetter) -> list[object]:
    return [item.handler, item.database, item.position, item.event_id, item.event_type, item.attempts, item.state, item.error]
