"""The services of connectors over the running app's platform, and what a path names of them."""

from typing import Annotated

from fastapi import Depends, Path

from spice_api.dependencies import DatabaseQuery, PlatformDep
from spice_api.reading import BarrierDep
from spice_core.bootstrap import authorize_connections, connection_commands, sync_connectors
from spice_core.domain import naming
from spice_core.domain.connectors import Connection, ConnectorSource
from spice_core.errors import RecordNotFound
from spice_core.services.authorize_connections import AuthorizeConnections
from spice_core.services.save_connections import ConnectionCommands
from spice_core.services.sync_connectors import SyncConnectors


async def connections_of(platform: PlatformDep) -> ConnectionCommands:
    """Return what keeps connections and sources."""
    return connection_commands(platform)


def syncs_of(platform: PlatformDep) -> SyncConnectors:
    """Return what syncs sources."""
    return sync_connectors(platform)


async def authorizing_of(platform: PlatformDep) -> AuthorizeConnections:
    """Return what takes people's consent."""
    return authorize_connections(platform)


ConnectionsDep = Annotated[ConnectionCommands, Depends(connections_of)]
SyncsDep = Annotated[SyncConnectors, Depends(syncs_of)]
AuthorizingDep = Annotated[AuthorizeConnections, Depends(authorizing_of)]
ConnectionId = Annotated[str, Path(max_length=400, description="The connection's id.", examples=["demo:budget"])]
SourceId = Annotated[str, Path(max_length=400, description="The source's id: its dataset's.", examples=["demo:main:items"])]


def known_database(db_name: DatabaseQuery, platform: PlatformDep, barrier: BarrierDep) -> str:
    """Return a database, after a bounded wait for what was accepted before. Raises `DatabaseNotFound`."""
    platform.commands.settled.view(db_name, naming.MAIN)
    barrier.wait(db_name, "registry")
    return db_name


def known_connection(
    connection_id: ConnectionId, platform: PlatformDep, barrier: BarrierDep, connections: ConnectionsDep
) -> Connection:
    """Return a connection, after a bounded wait. Raises `RecordNotFound`."""
    return connections.connection(_database_of(connection_id, platform, barrier), connection_id)


def known_source(source_id: SourceId, platform: PlatformDep, barrier: BarrierDep, connections: ConnectionsDep) -> ConnectorSource:
    """Return a source, after a bounded wait. Raises `RecordNotFound`."""
    return connections.source(_database_of(source_id, platform, barrier), source_id)


def _database_of(record_id: str, platform: PlatformDep, barrier: BarrierDep) -> str:
    database = naming.split_aggregate_id(record_id)[0]
    if not database or not platform.log.exists(database):
        raise RecordNotFound(f"there is no {record_id[:200]!r}")
    barrier.wait(database, "registry")
    return database


DatabaseDep = Annotated[str, Depends(known_database)]
ConnectionDep = Annotated[Connection, Depends(known_connection)]
SourceDep = Annotated[ConnectorSource, Depends(known_source)]
