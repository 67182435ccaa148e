"""Where a command is: asked once, waited for, or followed as server-sent events."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from spice_api.envelope import CommandResult, command_result
from spice_api.json_route import StrictJsonRoute
from spice_api.waiting import MAX_WAIT_SECONDS, TrackerDep
from spice_core.domain.read_models import FINAL_STATES, CommandStatus
from spice_core.errors import CommandNotFound, InvalidInput

router = APIRouter(prefix="/api/v1/commands/{command_id}", tags=["commands"], route_class=StrictJsonRoute)


def command_id_of(command_id: Annotated[str, Path(max_length=100, examples=["2f1b7a52-6f0e-4c0e-9d43-0d8f5a0f5b7c"])]) -> str:
    """Return the id of a path in its one form. Raises `InvalidInput` for what is no UUID."""
    try:
        return str(UUID(command_id))
    except ValueError as error:
        raise InvalidInput(f"{command_id!r} is not a command id: it is a UUID") from error


CommandId = Annotated[str, Depends(command_id_of)]


def known_command(command_id: CommandId, tracker: TrackerDep) -> CommandStatus:
    """Return the status of a command. Raises `CommandNotFound`."""
    found = tracker.status(command_id)
    if found is None:
        raise CommandNotFound(f"there is no command {command_id}", details={"command_id": command_id})
    return found


KnownCommand = Annotated[CommandStatus, Depends(known_command)]


@router.get("/status")
def command_status(
    status: KnownCommand,
    tracker: TrackerDep,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for a final status.")] = 0,
) -> CommandResult:
    """Return where a command is. A status never goes back from COMPLETED or FAILED."""
    if wait and status.state not in FINAL_STATES:
        status = tracker.wait(status.command_id, seconds=wait) or status
    return command_result(status)


@router.get("/events", response_class=EventSourceResponse)
def command_events(
    status: KnownCommand,
    tracker: TrackerDep,
    timeout: Annotated[float, Query(ge=0, le=600, description="Seconds after which the stream ends.")] = 60,
) -> Iterable[ServerSentEvent]:
    """Follow a command: one `status` event per change, the last one final."""
    for step in tracker.stream(status.command_id, seconds=timeout):
        yield ServerSentEvent(event="status", data=command_result(step))
