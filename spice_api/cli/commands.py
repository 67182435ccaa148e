"""What commands that change something share: who asks, and waiting for the outcome."""

import os
import pwd
from typing import Annotated

from cyclopts import Parameter

from spice_api.cli.report import console, print_json
from spice_core.bootstrap import Platform
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus

Wait = Annotated[float, Parameter(name="--wait", help="Wait up to this many seconds for the outcome; 0 does not wait.")]
_POLL_SECONDS = 0.05


def actor() -> str:
    """Return who runs this command: the user of the operating system."""
    return f"os:{pwd.getpwuid(os.getuid()).pw_name}"


def outcome(parts: Platform, command_id: str, *, seconds: float) -> CommandStatus | None:
    """Wait until the command is final, at most `seconds`; return its status, None where nobody has seen it yet."""
    deadline = parts.clock.monotonic() + seconds
    while True:
        status = parts.statuses.get(command_id)
        if status is not None and status.state in FINAL_STATES:
            return status
        if parts.clock.monotonic() >= deadline:
            return status
        parts.clock.sleep(_POLL_SECONDS)


def report_outcome(what: str, command_id: str, status: CommandStatus | None, *, as_json: bool) -> int:
    """Print how a command ended; return 0 for done or under way, 1 for failed."""
    state = status.state if status else CommandState.PENDING
    error = status.error if status else None
    if as_json:
        print_json({"command_id": command_id, "status": state, "error": error, "result": status.result if status else None})
    elif state is CommandState.COMPLETED:
        console().print(f"[green]done[/] {what}")
    elif state is CommandState.FAILED:
        console().print(f"[red]failed[/] {what}: {error}")
    else:
        console().print(f"[yellow]accepted[/] {what}; command {command_id} is {state} (do workers run? `spice dev`)")
    return 1 if state is CommandState.FAILED else 0
