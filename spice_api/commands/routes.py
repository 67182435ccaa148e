"""Where a command is: asked once, waited for, or followed as server-sent events."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from spice_api.envelope import CommandResult, command_result
from spice_api.json_route import StrictJsonRoute
from spice_api.waiting import MAX_WAIT_SECONDS, FollowerDep, TrackerDep
from spice_core.domain.read_models import CommandStatus

router = APIRouter(prefix="/api/v1/commands/{command_id}", tags=["commands"], route_class=StrictJsonRoute)


def known_command(
    command_id: Annotated[str, Path(max_length=100, examples=["2f1b7a52-6f0e-4c0e-9d43-0d8f5a0f5b7c"])], tracker: TrackerDep
) -> CommandStatus:
    """Return the status of a command, so that an unknown one is an error before a stream begins."""
    return tracker.status(command_id.lower())


KnownCommand = Annotated[CommandStatus, Depends(known_command)]


@router.get("/status")
async def command_status(
    status: KnownCommand,
    follower: FollowerDep,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for a final status.")] = 0,
) -> CommandResult:
    """Return where a command is. A status never goes back from COMPLETED or FAILED."""
    return command_result(await follower.end(status, seconds=wait))


@router.get("/events", response_class=EventSourceResponse)
async def command_events(
    status: KnownCommand,
    follower: FollowerDep,
    timeout: Annotated[float, Query(ge=0, le=600, description="Seconds after which the stream ends.")] = 60,
) -> AsyncIterable[ServerSentEvent]:
    """Follow a command: one `status` event per change, the last one final."""
    async for step in follower.changes(status, seconds=timeout):
        yield ServerSentEvent(event="status", data=command_result(step))
