"""Which connectors there are, with their options, and what keeps their secrets."""

import os
from collections.abc import Mapping
from pathlib import Path

from spice_core.adapters.google_sheets.connector import GoogleSheetsConnector
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.secret_cipher import SecretCipher
from spice_core.adapters.postgres.secret_store import PostgresSecretStore
from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.connector import SqlConnector
from spice_core.bootstrap.closing import Closing
from spice_core.bootstrap.places import state_directory
from spice_core.errors import ConfigurationError
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Connector
from spice_core.ports.id_source import IdSource
from spice_core.ports.secret_store import SecretStore
from spice_core.settings import Settings

_KEY_FILE = "secret_key"


def secret_store(settings: Settings, postgres: Postgres) -> SecretStore:
    return PostgresSecretStore(postgres, cipher=SecretCipher(lambda: secret_keys(settings)))


def secret_keys(settings: Settings) -> list[str]:
    """Return the keys of secrets, the one to encrypt with first; development makes one of its own in SPICE_HOME.

    Raises:
        ConfigurationError: production without SECRET_KEY.
    """
    if settings.secret_key is not None:
        return settings.encryption_keys()
    if settings.is_production:
        raise ConfigurationError("SECRET_KEY must be set: it encrypts the secrets of connections")
    return [_own_key(state_directory(settings) / _KEY_FILE), *settings.encryption_keys()]


def connectors_of(settings: Settings, clock: Clock, ids: IdSource, closing: Closing) -> Mapping[str, Connector]:
    google = GoogleOptions(
        sheets_url=settings.google_sheets_url,
        drive_url=settings.google_drive_url,
        token_url=settings.google_token_url,
        consent_url=settings.google_consent_url,
        api_key=settings.google_api_key.get_secret_value() if settings.google_api_key else None,
        client_id=settings.google_client_id,
        client_secret=settings.google_client_secret.get_secret_value() if settings.google_client_secret else None,
    )
    sql = SqlOptions(
        hosts=settings.sql_source_hosts,
        timeout_seconds=settings.sql_source_timeout_seconds,
        max_rows=settings.sql_source_max_rows,
    )
    made: list[Connector] = [closing(GoogleSheetsConnector(google, clock=clock, ids=ids)), closing(SqlConnector(sql))]
    return {connector.kind.name: connector for connector in made}


def _own_key(path: Path) -> str:
    """Return this installation's own key, made at the first use; of processes that come at once one makes it."""
    if not path.exists():
        own = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(os.urandom(32).hex())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path.read_text()
