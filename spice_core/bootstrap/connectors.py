"""What works with connections, over the parts of a platform."""

from spice_core.bootstrap.ingest import ingest_dataset
from spice_core.bootstrap.places import state_directory
from spice_core.bootstrap.platform import Platform
from spice_core.services.authorize_connections import AuthorizeConnections
from spice_core.services.fetch_source import FetchSource
from spice_core.services.save_connections import ConnectionCommands
from spice_core.services.submit_records import RecordCommands
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.sync_connectors import SyncConnectors, SyncParts


def connection_commands(platform: Platform) -> ConnectionCommands:
    """Return the service that keeps connections and sources."""
    return ConnectionCommands(
        connectors=platform.connectors,
        records=RecordCommands(commands=platform.commands, registry=platform.registry),
        registry=platform.registry,
        secrets=platform.secrets,
        clock=platform.clock,
        ids=platform.ids,
    )


def authorize_connections(platform: Platform) -> AuthorizeConnections:
    """Return the service by which people consent."""
    return AuthorizeConnections(
        connections=connection_commands(platform),
        secrets=platform.secrets,
        clock=platform.clock,
        ids=platform.ids,
        redirect_uri=platform.settings.google_redirect_uri,
    )


def sync_connectors(platform: Platform) -> SyncConnectors:
    """Return the service that syncs sources: for workers, sensors and people."""
    records = RecordCommands(commands=platform.commands, registry=platform.registry)
    return SyncConnectors(
        SyncParts(
            connections=connection_commands(platform),
            records=records,
            catalogue=RegistryCommands(commands=platform.commands, registry=platform.registry),
            registry=platform.registry,
            datasets=platform.datasets,
            ingest=ingest_dataset(platform),
            fetch=FetchSource(platform.tables),
            work=platform.work,
            log=platform.log,
            clock=platform.clock,
            ids=platform.ids,
            scratch=state_directory(platform.settings) / "scratch",
        )
    )
