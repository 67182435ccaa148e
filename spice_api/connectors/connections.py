"""Connections: kept, tried, asked what they offer, and authorized by people."""

from typing import Annotated

from fastapi import APIRouter, Query

from spice_api.connectors.known import AuthorizingDep, ConnectionDep, ConnectionsDep, DatabaseDep
from spice_api.connectors.schemas import (
    CheckAnswer,
    ConnectionAnswer,
    ConnectionBody,
    ConnectionList,
    ConsentAnswer,
    FoundList,
    KindList,
    connection_answer,
    found_body,
    kind_body,
)
from spice_api.dependencies import CallerDep, PlatformDep, PrincipalDep
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.domain.rates import WRITE
from spice_core.errors import SourceNotAuthorized

router = APIRouter(prefix="/api/v1/connectors", tags=["connectors"], route_class=StrictJsonRoute)


@router.get("/kinds")
async def list_kinds(platform: PlatformDep) -> Envelope[KindList]:
    """List the kinds of connections, and the fields that each takes."""
    found = [kind_body(item.kind, takes_consent=item.oauth is not None) for item in platform.connectors.values()]
    return Envelope(message=f"{len(found)} kinds", data=KindList(kinds=found))


@router.post("/connections", status_code=202, openapi_extra=counts_as(WRITE))
def save_connection(
    body: ConnectionBody, database: DatabaseDep, connections: ConnectionsDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Add or replace a connection. Its secrets are encrypted in a store of their own; no log and no answer holds them."""
    saved = connections.save_connection(
        database,
        body.name,
        body.kind,
        body.config,
        body.secrets,
        expected_seq=body.expected_seq,
        **caller.origin(database),
    )
    result = settling.result(saved.accepted, command_type="SAVE_RECORD")
    return result.model_copy(update={"result": {"connection_id": saved.record_id}})


@router.get("/connections")
def list_connections(database: DatabaseDep, connections: ConnectionsDep) -> Envelope[ConnectionList]:
    """List the connections of a database."""
    found = [connection_answer(item) for item in connections.connections(database)]
    return Envelope(message=f"{len(found)} connections", data=ConnectionList(connections=found))


@router.get("/connections/{connection_id}")
def get_connection(connection: ConnectionDep) -> Envelope[ConnectionAnswer]:
    """Return one connection; of its secrets, which are set."""
    return Envelope(message=connection.name, data=connection_answer(connection))


@router.delete("/connections/{connection_id}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_connection(
    connection: ConnectionDep,
    connections: ConnectionsDep,
    caller: CallerDep,
    settling: SettlingDep,
    expected_seq: Annotated[int | None, Query(ge=0)] = None,
) -> CommandResult:
    """Remove a connection that has no sources, with its secrets."""
    accepted = connections.delete_connection(
        connection.database, connection.connection_id, expected_seq=expected_seq, **caller.origin(connection.database)
    )
    return settling.result(accepted, command_type="DELETE_RECORD")


@router.post("/connections/{connection_id}/test")
def test_connection(connection: ConnectionDep, connections: ConnectionsDep) -> Envelope[CheckAnswer]:
    """Ask the place whether it lets us in: 409 where it refuses the credentials, 503 where it does not answer."""
    message = connections.check(connection)
    return Envelope(message=message, data=CheckAnswer(message=message))


@router.get("/connections/{connection_id}/sources")
def discover(connection: ConnectionDep, connections: ConnectionsDep) -> Envelope[FoundList]:
    """List what a connection offers: worksheets, tables, views."""
    found = [found_body(item) for item in connections.discover(connection)]
    return Envelope(message=f"{len(found)} sources", data=FoundList(sources=found))


@router.post("/connections/{connection_id}/authorize")
def authorize(connection: ConnectionDep, authorizing: AuthorizingDep, principal: PrincipalDep) -> Envelope[ConsentAnswer]:
    """Begin an authorization: open the address in a browser, consent, and the connection is active."""
    address = authorizing.begin(connection.database, connection.connection_id, actor=principal.actor)
    return Envelope(message="open the address in a browser", data=ConsentAnswer(authorization_url=address))


@router.get("/oauth/callback")
def end_authorization(
    authorizing: AuthorizingDep,
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=2000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Envelope[CheckAnswer]:
    """Where a browser comes back to after the consent. It needs no token: `state` is a secret that is good once."""
    if code is None:
        raise SourceNotAuthorized(f"the consent was not given: {(error or 'no code')[:100]}")
    saved = authorizing.finish(state, code)
    message = f"{saved.record_id} is authorized; this window can be closed"
    return Envelope(message=message, data=CheckAnswer(message=message))
