"""Places outside for the contract of connectors: each can be changed, emptied, closed to us, and taken away."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from google_server import CLIENT_ID, CLIENT_SECRET, Fault, GoogleServer, Sheet, Spreadsheet, google_server

from spice_core.adapters.google_sheets.connector import GoogleSheetsConnector
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.connector import SqlConnector
from spice_core.ports.connector import Access, Connector, SourceSpec
from tests.write_path import CountedIds, SteppedClock

SECRET = "secret-of-the-place"  # noqa: S105 - of these tests only
_FILE = "contract_0123456789"


class Place(ABC):
    """A place with one source of rows of two texts."""

    connector: Connector
    access: Access
    spec: SourceSpec

    @abstractmethod
    def put(self, *rows: tuple[str, str]) -> None:
        """Let the source hold exactly these rows."""

    @abstractmethod
    def drop(self) -> None:
        """Take the source away."""

    @abstractmethod
    def refuse(self) -> Access:
        """Return an access that the place refuses."""

    @abstractmethod
    def go_away(self) -> None:
        """Let the place not answer."""


class SheetPlace(Place):
    def __init__(self, server: GoogleServer) -> None:
        self.server = server
        server.refresh_tokens.add(SECRET)
        server.files[_FILE] = Spreadsheet("Contract", [Sheet(3, "Rows", [])], readers={SECRET})
        urls = dict.fromkeys(("sheets_url", "drive_url", "token_url", "consent_url"), server.url)
        options = GoogleOptions(**urls, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, timeout_seconds=2.0, attempts=2)
        self.connector = GoogleSheetsConnector(options, clock=SteppedClock(), ids=CountedIds())
        self.access = Access("shop:place", {"spreadsheets": _FILE}, {"refresh_token": SECRET})
        self.spec = SourceSpec(f"{_FILE}/3")

    def put(self, *rows: tuple[str, str]) -> None:
        self.server.edit(_FILE, 3, [list(row) for row in rows])

    def drop(self) -> None:
        self.server.files[_FILE].sheets.clear()
        self.server.files[_FILE].version += 1

    def refuse(self) -> Access:
        return Access("shop:place", self.access.config, {"refresh_token": f"wrong {SECRET}"})

    def go_away(self) -> None:
        self.server.faults.append(Fault("/", "close", 10_000))


class TablePlace(Place):
    def __init__(self, dsn: str, *, watermark: bool) -> None:
        self.dsn = dsn
        parts = urlsplit(dsn)
        self.host = parse_qs(parts.query)["host"][0]
        self.connector = SqlConnector(SqlOptions(hosts=[f"{self.host}:5432", "127.0.0.1:1"]))
        config = {"driver": "postgresql", "host": self.host, "port": 5432, "database": parts.path[1:], "username": "postgres"}
        self.access = Access("shop:place", {**config, "tls": "disable"}, {"password": SECRET})
        self.spec = SourceSpec("public.contract", {}, ("name",), "name" if watermark else None)
        self.run("DROP TABLE IF EXISTS contract; CREATE TABLE contract (name text, said text)")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def put(self, *rows: tuple[str, str]) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute("DELETE FROM contract")
            for row in rows:
                connection.execute("INSERT INTO contract VALUES (%s, %s)", row)

    def drop(self) -> None:
        self.run("DROP TABLE contract")

    def refuse(self) -> Access:
        return Access("shop:place", {**self.access.config, "username": "no_such_role"}, self.access.secrets)

    def go_away(self) -> None:
        self.access = Access("shop:place", {**self.access.config, "host": "127.0.0.1", "port": 1}, self.access.secrets)


@contextmanager
def sheet_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A worksheet behind a local server."""
    with google_server() as server:
        place = SheetPlace(server)
        yield place
        place.connector.close()


@contextmanager
def table_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A table of a real PostgreSQL, read whole."""
    place = TablePlace(request.getfixturevalue("module_database"), watermark=False)
    yield place
    place.connector.close()


@contextmanager
def watermark_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A table of a real PostgreSQL, read by a watermark."""
    place = TablePlace(request.getfixturevalue("module_database"), watermark=True)
    yield place
    place.connector.close()
