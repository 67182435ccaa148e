"""Waiting for a command on behalf of a client that prefers to: `Prefer: wait=N` (RFC 7240)."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response

from spice_api.dependencies import PlatformDep
from spice_api.envelope import CommandResult, Envelope, Progress, Started, command_result, pending, status_url
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus
from spice_core.errors import Conflict, SpiceError
from spice_core.services.submit_commands import Accepted, AcceptedBulk
from spice_core.services.track_commands import CommandTracker

MAX_WAIT_SECONDS = 60.0
SYNCHRONOUS_WAIT_SECONDS = 10.0
"""How long routes wait whose clients expect the result itself, not a command id."""

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)


async def tracker_of(platform: PlatformDep) -> CommandTracker:
    """Return what follows commands on the running app's platform."""
    return CommandTracker(statuses=platform.status_reader, log=platform.log, clock=platform.clock)


TrackerDep = Annotated[CommandTracker, Depends(tracker_of)]


@dataclass(frozen=True, slots=True)
class Settling:
    """Waits as long as the client prefers, and says in the response that it did."""

    tracker: CommandTracker
    response: Response
    seconds: float

    def status(self, command_id: str, *, database: str) -> CommandStatus | None:
        """Return the final status if it came in time (the answer is then 200), else None."""
        if not self.seconds:
            return None
        found = self.tracker.wait(command_id, seconds=self.seconds, database=database)
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
    prefer: Annotated[
        str | None,
        Header(
            max_length=200,
            description="`wait=N` answers with the final status if it comes within N seconds (60 at most).",
            examples=["wait=10"],
        ),
    ] = None,
) -> Settling:
    """Return the client's preference to wait."""
    found = _WAIT.search(prefer or "")
    seconds = min(float(found[1]), MAX_WAIT_SECONDS) if found else 0.0
    return Settling(tracker, response, seconds)


SettlingDep = Annotated[Settling, Depends(settling_of)]


def require_completed(tracker: CommandTracker, command_id: str) -> CommandStatus | None:
    """Wait for a command whose client expects the result itself; return None where it is still under way.

    Raises:
        SpiceError: the command failed; the error it failed with.
    """
    final = tracker.wait(command_id, seconds=SYNCHRONOUS_WAIT_SECONDS)
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
