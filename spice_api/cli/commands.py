"""What commands that change something share: who asks, and waiting for the outcome."""

import os
import pwd
from typing import Annotated

from cyclopts import Parameter

from spice_api.cli.report import console, print_json
from spice_core.bootstrap import Platform
from spice_core.domain.read_models import CommandState, CommandStatus
from spice_core.services.submit_commands import Accepted
from spice_core.services.track_commands import CommandTracker

Wait = Annotated[float, Parameter(name="--wait", help="Wait up to this many seconds for the outcome; 0 does not wait.")]


def actor() -> str:
    """Return who runs this command: the user of the operating system."""
    return f"os:{pwd.getpwuid(os.getuid()).pw_name}"


def outcome(parts: Platform, accepted: Accepted, *, seconds: float) -> CommandStatus:
    """Wait until the command is final, at most `seconds`; return its status then."""
    tracker = CommandTracker(log=parts.log, statuses=parts.status_reader, clock=parts.clock)
    return tracker.wait(accepted.command_id, seconds=seconds, database=accepted.database)


def report_outcome(what: str, status: CommandStatus, *, as_json: bool) -> int:
    """Print how a command ended; return 0 for done or under way, 1 for failed."""
    state, error = status.state, status.error
    if as_json:
        print_json({"command_id": status.command_id, "status": state, "error": error, "result": status.result})
    elif state is CommandState.COMPLETED:
        console().print(f"[green]done[/] {what}")
    elif state is CommandState.FAILED:
        console().print(f"[red]failed[/] {what}: {error}")
    else:
        console().print(f"[yellow]accepted[/] {what}; command {status.command_id} is {state} (do workers run? `spice dev`)")
    return 1 if state is CommandState.FAILED else 0
