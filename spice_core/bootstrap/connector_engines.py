"""Which connectors there are, with their options, and what keeps their secrets."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.secret_cipher import SecretCipher
from spice_core.adapters.postgres.secret_store import PostgresSecretStore
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


class Connectors(Mapping[str, Connector]):
    """The connectors by name, made when one is first asked for: to load what they rest on is a fifth of the start of a process,
    and most never ask."""

    def __init__(self, settings: Settings, clock: Clock, ids: IdSource) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._lock = threading.Lock()
        self._made: Mapping[str, Connector] | None = None

    def __getitem__(self, name: str) -> Connector:
        return self._connectors()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._connectors())

    def __len__(self) -> int:
        return len(self._connectors())

    def close(self) -> None:
        """Close those that were made."""
        with self._lock:
            for connector in (self._made or {}).values():
                connector.close()

    def _connectors(self) -> Mapping[str, Connector]:
        with self._lock:
            if self._made is None:
                made = [_google_sheets(self._settings, self._clock, self._ids), _sql(self._settings)]
                self._made = {connector.kind.name: connector for connector in made}
            return self._made


def _google_sheets(settings: Settings, clock: Clock, ids: IdSource) -> Connector:
    from spice_core.adapters.google_sheets.connector import GoogleSheetsConnector  # noqa: PLC0415 - see Connectors

    google = GoogleOptions(
        sheets_url=settings.google_sheets_url,
        drive_url=settings.google_drive_url,
        token_url=settings.google_token_url,
        consent_url=settings.google_consent_url,
        api_key=settings.google_api_key.get_secret_value() if settings.google_api_key else None,
        client_id=settings.google_client_id,
        client_secret=settings.google_client_secret.get_secret_value() if settings.google_client_secret else None,
    )
    return GoogleSheetsConnector(google, clock=clock, ids=ids)


def _sql(settings: Settings) -> Connector:
    from spice_core.adapters.sql_source.access import SqlOptions  # noqa: PLC0415 - see Connectors
    from spice_core.adapters.sql_source.connector import SqlConnector  # noqa: PLC0415 - see Connectors

    options = SqlOptions(
        hosts=settings.sql_source_hosts,
        timeout_seconds=settings.sql_source_timeout_seconds,
        max_rows=settings.sql_source_max_rows,
    )
    return SqlConnector(options)


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
