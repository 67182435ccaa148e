"""Where the embedded parts keep their state, and the PostgreSQL below everything."""

import os
from pathlib import Path

from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.migrate import migrate
from spice_core.settings import Settings


def start_infrastructure(settings: Settings) -> str:
    """Make sure that the embedded servers run and are migrated; return the DSN of PostgreSQL."""
    dsn = postgres_dsn(settings)
    migrate(dsn)
    return dsn


def stop_infrastructure(settings: Settings) -> None:
    """Stop the embedded servers of this state directory; a named PostgreSQL server is left alone."""
    if settings.postgres_url is None:
        stop_embedded(postgres_directory(settings))


def companion_dsn(settings: Settings, database: str) -> str:
    """Return the DSN of another database on the same PostgreSQL server, created if it is the embedded one."""
    if settings.postgres_url is None:
        return start_embedded(postgres_directory(settings), database=database)
    return settings.postgres_url.get_secret_value()


def postgres_directory(settings: Settings) -> Path:
    """Return where the embedded PostgreSQL keeps its data."""
    return state_directory(settings) / "postgres"


def state_directory(settings: Settings) -> Path:
    """Return the state directory; creates it, for its owner only.

    As root, passing through stays open to others: PostgreSQL does not run as root and must reach its own folder.
    """
    path = settings.state_path
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


def postgres_dsn(settings: Settings) -> str:
    if settings.postgres_url is not None:
        return settings.postgres_url.get_secret_value()
    return start_embedded(postgres_directory(settings))
