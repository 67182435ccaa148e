"""`spice db`: databases."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from spice_api.cli.commands import Wait, actor, outcome, report_outcome
from spice_api.cli.report import AsJson, print_json, print_table
from spice_api.cli.session import platform
from spice_core.errors import DatabaseNotFound, InvalidInput

app = App(name="db", help="List, create and delete databases.")


@app.command(name="list")
def list_databases(*, as_json: AsJson = False) -> int:
    """List the databases with their branches and the length of their logs."""
    with platform() as parts:
        rows = [
            {
                "database": name,
                "branches": [branch.name for branch in parts.graph.branches(name)],
                "datasets": len(parts.registry.datasets(name)),
                "events": parts.log.head(name).position,
            }
            for name in parts.graph.databases()
        ]
    if as_json:
        print_json(rows)
    else:
        columns = ["database", "branches", "datasets", "events"]
        print_table(columns, [[row["database"], ", ".join(row["branches"]), row["datasets"], row["events"]] for row in rows])  # type: ignore[arg-type]
    return 0


@app.command
def create(name: str, *, description: str = "", wait: Wait = 10.0, as_json: AsJson = False) -> int:
    """Create a database with its branch main."""
    with platform() as parts:
        accepted = parts.commands.create_database(name, description=description, actor=actor())
        status = outcome(parts, accepted, seconds=wait)
    return report_outcome(f"database {name}", status, as_json=as_json)


@app.command
def delete(
    name: str,
    *,
    expected_seq: Annotated[
        int | None, Parameter(help="The number of the database's last command; without it, the present one.")
    ] = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask.")] = False,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> int:
    """Delete a database with all its branches; its log stays."""
    if not yes and not sys.stdin.isatty():
        raise InvalidInput("there is no terminal to ask on: add --yes to delete it")
    with platform() as parts:
        if name not in parts.graph.databases():
            raise DatabaseNotFound(f"there is no database {name!r}: `spice db list` shows them")
        if not yes and input(f"Delete database {name} with everything in it? Type its name: ") != name:
            return 1
        number = parts.log.number(name, f"Database|{name}") if expected_seq is None else expected_seq
        accepted = parts.commands.delete_database(name, expected_seq=number, actor=actor())
        status = outcome(parts, accepted, seconds=wait)
    return report_outcome(f"deleting database {name}", status, as_json=as_json)
