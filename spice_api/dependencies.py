"""What routes ask for by type: the platform, who is asking, and how a request is traced.

Dependencies that only put things together are coroutines: a plain function would cost a change of threads each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request

from spice_api.auth import Principal
from spice_core.bootstrap import Platform
from spice_core.domain import naming
from spice_core.services.submit_commands import Origin, command_id_of_key

MAIN = naming.MAIN
_LARGEST_NUMBER = 2**53


async def platform_of(request: Request) -> Platform:
    """Return the platform of the running app."""
    return cast("Platform", request.app.state.platform)


async def principal_of(request: Request) -> Principal:
    """Return the verified principal of the request."""
    return cast("Principal", request.state.principal)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a command, how it is traced, and the key or id that makes a repetition harmless."""

    actor: str
    trace: Mapping[str, str]
    idempotency_key: str | None
    command_id: str | None

    def origin(self, database: str) -> Origin:
        """Return what a command for `database` says of where it came from."""
        command_id = self.command_id
        if command_id is None and self.idempotency_key is not None:
            command_id = command_id_of_key(database, self.idempotency_key)
        return Origin(actor=self.actor, command_id=command_id, trace=self.trace)


async def caller_of(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="The same request again with the same key gets the first answer again; another request gets 409.",
        ),
    ] = None,
    x_command_id: Annotated[UUID | None, Header(description="The id the command shall have, instead of a key.")] = None,
) -> Caller:
    """Return who sends a command."""
    command_id = str(x_command_id) if x_command_id else None
    return Caller(request.state.principal.actor, request.state.trace, idempotency_key, command_id)


PlatformDep = Annotated[Platform, Depends(platform_of)]
PrincipalDep = Annotated[Principal, Depends(principal_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]

DatabasePath = Annotated[str, Path(max_length=100, description="The database.", examples=["demo"])]
DatabaseQuery = Annotated[str, Query(max_length=100, description="The database.", examples=["demo"])]
ClassPath = Annotated[str, Path(max_length=200, description="The class.", examples=["Product"])]
BranchQuery = Annotated[str, Query(max_length=200, description="The branch to read or write.", examples=["main"])]
ExpectedSeq = Annotated[
    int,
    Query(
        ge=0,
        le=_LARGEST_NUMBER,
        description="The sequence number that the client saw. If it has moved on: 409, and nothing is written.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return at most.")]
Offset = Annotated[int, Query(ge=0, le=_LARGEST_NUMBER, description="How many to skip.")]
After = Annotated[str | None, Query(max_length=4000, description="`next_after` of the page before.")]
