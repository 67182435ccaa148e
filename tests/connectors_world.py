"""Connectors over the data plane in memory: a real HTTP server that speaks Google's endpoints, and whatever else is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google_server import CLIENT_ID, CLIENT_SECRET, GoogleServer, Sheet, Spreadsheet

from spice_core.adapters.google_sheets.connector import GoogleSheetsConnector
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.memory.secret_store import MemorySecretStore
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.connectors import ConnectorSource
from spice_core.domain.datasets import DatasetVersion
from spice_core.ports.connector import Connector
from spice_core.services.apply_registry import RegistryHandler
from spice_core.services.fetch_source import FetchSource
from spice_core.services.save_connections import ConnectionCommands
from spice_core.services.submit_records import RecordCommands
from spice_core.services.sync_connectors import SyncConnectors, SyncOutcome, SyncParts
from spice_core.settings import load_settings
from tests.data_world import DataWorld

BUDGET = "budget_0123456789"
REFRESH = "refresh-token-of-ann"
ITEMS = [["id", "item", "amount"], ["1", "pens", 10.5], ["2", "paper", 7]]


def google_connector(google: GoogleServer, world: DataWorld, **options: Any) -> GoogleSheetsConnector:
    """Return the connector of sheets for a server of tests."""
    own = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "timeout_seconds": 1.0, **options}
    urls = dict.fromkeys(("sheets_url", "drive_url", "token_url", "consent_url"), google.url)
    return GoogleSheetsConnector(GoogleOptions(**urls, **own), clock=world.clock, ids=world.path.ids)


def with_budget(google: GoogleServer) -> None:
    """Put a spreadsheet of two worksheets on the server, which one person may read."""
    google.refresh_tokens.add(REFRESH)
    sheets = [Sheet(0, "Items", [list(row) for row in ITEMS]), Sheet(5, "People", [["id", "name"], ["a", "Ann"], ["b", "Bob"]])]
    google.files[BUDGET] = Spreadsheet("Budget", sheets, readers={REFRESH})


@dataclass
class ConnectorWorld(DataWorld):
    """One installation with a database `shop`, connections, and syncs that are called by hand."""

    connectors: Mapping[str, Connector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ingest = self.new_ingest(sources=source_files_of(load_settings(_env_file=None)))
        self.secrets = MemorySecretStore()
        self.records = RecordCommands(commands=self.path.commands, registry=self.registry)

    def open(self, *connectors: Connector) -> "ConnectorWorld":
        """Take `connectors` into use, and create the database."""
        self.connectors = {connector.kind.name: connector for connector in connectors}
        self.connections = ConnectionCommands(
            connectors=self.connectors,
            records=self.records,
            registry=self.registry,
            secrets=self.secrets,
            clock=self.clock,
            ids=self.path.ids,
        )
        self.with_classes()
        self.syncs = self.new_syncs()
        return self

    def new_syncs(self, **parts: Any) -> SyncConnectors:
        """Return the service as another process has it."""
        assert self.path.work is not None
        own = {
            "connections": self.connections,
            "records": self.records,
            "catalogue": self.catalogue,
            "registry": self.registry,
            "datasets": self.datasets,
            "ingest": self.ingest,
            "fetch": FetchSource(self.tables),
            "work": self.path.work,
            "log": self.path.log,
            "clock": self.clock,
            "ids": self.path.ids,
            "scratch": self.folder / "sync",
        }
        return SyncConnectors(SyncParts(**{**own, **parts}))

    def work(self) -> None:
        super().work()
        assert self.path.work is not None
        for database, position in self.registered.items():
            lease = self.path.work.acquire(f"{RegistryHandler.name}:{database}", owner="test", seconds=60)
            assert lease is not None
            self.path.work.mark_done(lease, RegistryHandler.name, [], database=database, position=position)

    def connect_budget(self) -> str:
        """Save the connection of the budget; return its id."""
        saved = self.connections.save_connection(
            "shop", "budget", "google_sheets", {"spreadsheets": BUDGET}, {"refresh_token": REFRESH}
        )
        self.work()
        return saved.record_id

    def add_source(self, connection_id: str, key: str, dataset: str, **more: Any) -> str:
        """Save a source; return its id."""
        source = ConnectorSource("", "shop", "main", dataset, connection_id, key, "", **more)
        saved = self.connections.save_source(source)
        self.work()
        return saved.record_id

    def sync(self, source_id: str, **options: Any) -> SyncOutcome:
        """Sync a source now, whatever its pause says, and let the workers work."""
        self.work()
        outcome = self.syncs.sync("shop", source_id, **options)
        self.work()
        return outcome

    def versions(self, source_id: str) -> list[DatasetVersion]:
        """Return the versions of a source's dataset, newest first."""
        return self.registry.versions("shop", source_id)

    def records_of(self, kind: RecordKind) -> list[Mapping[str, Any]]:
        """Return the documents of a kind."""
        return [record.document for record in self.registry.records("shop", kind)]

    def close(self) -> None:
        for connector in self.connectors.values():
            connector.close()
        super().close()
