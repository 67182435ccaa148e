"""Waiting for a command on behalf of a client that prefers to: `Prefer: wait=N` (RFC 7240)."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, sleep, to_thread
from fastapi import Depends, Header, Request, Response

from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope, Progress, Started, command_result, pending, status_url
from spice_api.task_board import TaskBoard
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus
from spice_core.errors import Conflict, SpiceError
from spice_core.ports.clock import Clock
from spice_core.services.submit_commands import Accepted, AcceptedBulk
from spice_core.services.track_commands import CommandTracker
from spice_core.services.waiting_room import WaitingRoom

MAX_WAIT_SECONDS = 60.0
SYNCHRONOUS_WAIT_SECONDS = 10.0
"""How long routes wait whose clients expect the result itself, not a command id."""
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows commands for any number of clients: who waits holds no thread, only a look at the status does, for a moment."""

    tracker: CommandTracker
    clock: Clock
    threads: CapacityLimiter

    async def end(self, status: CommandStatus, *, seconds: float) -> CommandStatus:
        """Return the final status as soon as there is one, at the latest after `seconds` the latest one."""
        async for found in self.changes(status, seconds=seconds):
            status = found
        return status

    async def changes(self, status: CommandStatus, *, seconds: float) -> AsyncIterator[CommandStatus]:
        """Yield `status`, then each change of it, until it is final or `seconds` have passed."""
        yield status
        deadline, pause = self.clock.monotonic() + seconds, _FIRST_PAUSE_SECONDS
        look = partial(self.tracker.status, status.command_id, database=status.database)
        while status.state not in FINAL_STATES and (left := deadline - self.clock.monotonic()) > 0:
            await sleep(min(pause, left))
            pause = min(pause * 1.25, _LONGEST_PAUSE_SECONDS)
            found = await to_thread.run_sync(look, limiter=self.threads)
            if found != status:
                status, pause = found, _FIRST_PAUSE_SECONDS
                yield status


async def tracker_of(platform: PlatformDep) -> CommandTracker:
    """Return what follows commands on the running app's platform."""
    return CommandTracker(statuses=platform.status_reader, log=platform.log, clock=platform.clock)


TrackerDep = Annotated[CommandTracker, Depends(tracker_of)]


async def follower_of(request: Request, platform: PlatformDep, tracker: TrackerDep) -> Follower:
    """Return what follows commands without holding a thread."""
    return Follower(tracker, platform.clock, edge_of(request.scope).look_threads)


async def outcomes_of(request: Request) -> WaitingRoom:
    """Return what bounds the routes that wait for an outcome."""
    return edge_of(request.scope).outcomes


FollowerDep = Annotated[Follower, Depends(follower_of)]
OutcomesDep = Annotated[WaitingRoom, Depends(outcomes_of)]


@dataclass(frozen=True, slots=True)
class StartedTask:
    """What a client is told of a task that was started for it; `result` where it has ended."""

    task_id: str
    status: Literal["accepted", "succeeded", "failed"]
    message: str
    status_url: str
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Settling:
    """Waits as long as the client prefers, and says in the response that it did; not at all if too many wait already."""

    tracker: CommandTracker
    response: Response
    seconds: float
    room: WaitingRoom

    def status(self, command_id: str, *, database: str) -> CommandStatus | None:
        """Return the final status if it came in time (the answer is then 200), else None."""
        if not self.seconds:
            return None
        with self.room.place() as has_place:
            found = self.tracker.wait(command_id, seconds=self.seconds if has_place else 0, database=database)
        if found.state not in FINAL_STATES:
            return None
        self.response.status_code = 200
        self.response.headers["Preference-Applied"] = f"wait={int(self.seconds)}"
        return found

    def result(self, accepted: Accepted, *, command_type: str) -> CommandResult:
        """Return the bare result of an accepted command: PENDING, or final after a wait."""
        final = self.status(accepted.command_id, database=accepted.database)
        if final is not None:
            return command_result(final)
        result = pending(
            accepted.command_id, command_type=command_type, database=accepted.database, aggregate_id=accepted.aggregate_id
        )
        about = {"class_id": accepted.class_id, "instance_id": accepted.instance_id}
        result.result = {**about, "sequence_number": accepted.sequence_number}
        return result

    def task(self, board: TaskBoard, task_id: str, *, what: str) -> StartedTask:
        """Return where a task is: under way (the answer is then 202), or ended while the client waited (200)."""
        with self.room.place() as has_place:
            found = board.wait(task_id, seconds=self.seconds if has_place else 0)
        url = f"/api/v1/tasks/{task_id}"
        if found is None or found.state == "running":
            self.response.status_code = 202
            return StartedTask(task_id, "accepted", f"the {what} is under way", url, None)
        self.response.status_code = 200
        result = None if found.result is None else dict(found.result)
        return StartedTask(task_id, found.state, found.error or f"the {what} ended", url, result)

    def bulk_result(self, accepted: AcceptedBulk, *, command_type: str) -> CommandResult:
        """Return the bare result of an accepted bulk request, with the ids of its members."""
        final = self.status(accepted.bulk_id, database=accepted.database)
        if final is not None:
            return command_result(final)
        result = pending(
            accepted.bulk_id, command_type=command_type, database=accepted.database, aggregate_id=accepted.aggregate_id
        )
        result.progress = Progress(total=len(accepted.members), done=0, failed=0)
        result.result = {"instance_ids": [member.instance_id for member in accepted.members]}
        return result

    def envelope(self, accepted: Accepted, message: str, **about: str) -> Envelope[Started]:
        """Return the enveloped answer to an accepted command; `about` names what it is about."""
        final = self.status(accepted.command_id, database=accepted.database)
        data = Started(
            command_id=accepted.command_id,
            status="processing" if final is None else final.state.value.lower(),
            status_url=status_url(accepted.command_id),
            error=None if final is None else final.error,
        )
        return Envelope(status="accepted", message=message, data=data.model_copy(update=about))


async def settling_of(
    response: Response,
    tracker: TrackerDep,
    room: OutcomesDep,
    prefer: Annotated[
        str | None,
        Header(
            max_length=200,
            description="`wait=N` answers with the final status if it comes within N seconds (60 at most). "
            "Where too many clients wait already, the answer comes at once.",
            examples=["wait=10"],
        ),
    ] = None,
) -> Settling:
    """Return the client's preference to wait."""
    found = _WAIT.search(prefer or "")
    seconds = min(float(found[1]), MAX_WAIT_SECONDS) if found else 0.0
    return Settling(tracker, response, seconds, room)


SettlingDep = Annotated[Settling, Depends(settling_of)]


def require_completed(tracker: CommandTracker, room: WaitingRoom, command_id: str) -> CommandStatus | None:
    """Wait for a command whose client expects the result itself; return None where it is still under way.

    Where `room` has no place, it is looked at once.

    Raises:
        SpiceError: the command failed; the error it failed with.
    """
    with room.place() as has_place:
        final = tracker.wait(command_id, seconds=SYNCHRONOUS_WAIT_SECONDS if has_place else 0)
    if final.state not in FINAL_STATES:
        return None
    if final.state is not CommandState.COMPLETED:
        raise failure_of(final)
    return final


def failure_of(status: CommandStatus) -> SpiceError:
    """Return the error that a failed command failed with, as if it had been raised here."""
    result = status.result or {}
    kind = _class_of(str(result.get("code", "")), SpiceError) or Conflict
    error = kind.__new__(kind)
    SpiceError.__init__(error, status.error, details={**result.get("details", {}), "command_id": status.command_id})
    return error


def _class_of(code: str, among: type[SpiceError]) -> type[SpiceError] | None:
    if among.code == code:
        return among
    return next((found for kind in among.__subclasses__() if (found := _class_of(code, kind))), None)
