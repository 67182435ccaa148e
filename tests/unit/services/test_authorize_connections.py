"""Consent: one state, good once and for ten minutes, whoever brings it back."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from connectors_world import BUDGET, ConnectorWorld, google_connector, with_budget
from google_server import GoogleServer, google_server

from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.connector import SqlConnector
from spice_core.errors import ConfigurationError, InvalidInput, RecordNotFound, SourceNotAuthorized
from spice_core.services.authorize_connections import AuthorizeConnections

BACK = "http://127.0.0.1:8002/api/v1/connectors/oauth/callback"


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with google_server() as server:
        with_budget(server)
        yield server


@pytest.fixture
def world(tmp_path: Path, google: GoogleServer) -> Iterator[ConnectorWorld]:
    world = ConnectorWorld(tmp_path)
    world.open(google_connector(google, world), SqlConnector(SqlOptions(hosts=["h:5432"])))
    world.connections.save_connection("shop", "budget", "google_sheets", {"spreadsheets": BUDGET}, {})
    config = {"driver": "postgresql", "host": "h", "database": "d", "username": "u"}
    world.connections.save_connection("shop", "sales", "sql", config, {})
    world.work()
    yield world
    world.close()


def authorizing(world: ConnectorWorld) -> AuthorizeConnections:
    return AuthorizeConnections(
        connections=world.connections, secrets=world.secrets, clock=world.clock, ids=world.path.ids, redirect_uri=BACK
    )


def begin(world: ConnectorWorld, google: GoogleServer) -> str:
    """Begin, let a person consent, and return the state that comes back with the code `yes`."""
    address = authorizing(world).begin("shop", "shop:budget", actor="ann")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["redirect_uri"] == BACK
    assert all("readonly" in scope for scope in asked["scope"].split())
    google.codes["yes"] = (asked["code_challenge"], "granted-token")
    return asked["state"]


def test_a_consent_makes_the_connection_active_in_the_name_of_whoever_began(world: ConnectorWorld, google: GoogleServer):
    state = begin(world, google)
    authorizing(world).finish(state, "yes")
    world.work()
    connection = world.connections.connection("shop", "shop:budget")
    assert world.connections.secrets_of(connection) == {"refresh_token": "granted-token"}
    assert world.path.events()[-2].event.actor == "ann"
    assert len(world.secrets._values) == 1
    with pytest.raises(SourceNotAuthorized, match="begin it again"):
        authorizing(world).finish(state, "yes")


def test_a_consent_that_comes_late_or_from_nowhere_is_refused(world: ConnectorWorld, google: GoogleServer):
    state = begin(world, google)
    world.clock.sleep(601)
    for found in (state, "x" * 64, "", "x" * 10_000):
        with pytest.raises(SourceNotAuthorized, match="begin it again"):
            authorizing(world).finish(found, "yes")


def test_a_code_that_google_refuses_changes_nothing(world: ConnectorWorld, google: GoogleServer):
    state = begin(world, google)
    google.codes["yes"] = ("another challenge", "granted-token")
    with pytest.raises(SourceNotAuthorized, match="invalid_grant"):
        authorizing(world).finish(state, "yes")
    assert world.connections.connection("shop", "shop:budget").secret_fields == ()


def test_only_what_takes_consent_is_asked_for_it(world: ConnectorWorld, google: GoogleServer):
    with pytest.raises(InvalidInput, match="take no consent"):
        authorizing(world).begin("shop", "shop:sales", actor=None)
    with pytest.raises(RecordNotFound):
        authorizing(world).begin("shop", "shop:nothing", actor=None)
    world.connectors["google_sheets"].close()
    own = google_connector(google, world, client_id=None)
    world.connectors = {"google_sheets": own}
    world.connections._connectors = world.connectors
    with pytest.raises(ConfigurationError, match="GOOGLE_CLIENT_ID"):
        authorizing(world).begin("shop", "shop:budget", actor=None)
    own.close()
