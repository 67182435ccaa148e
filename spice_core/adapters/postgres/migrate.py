"""Schema changes: ordered SQL files, each applied once."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files

import psycopg

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.errors import ConfigurationError, LedgerUnavailable

_FILE = re.compile(r"(\d{3})_\w+\.sql")


def migrate(target: Postgres | str, *, migrations: Mapping[str, str] | None = None) -> list[str]:
    """Apply the migrations that `target` (a pool or a DSN) lacks, in order; return their names.

    Each file is one transaction. Several processes may call this at once: they take turns. `migrations` (name to SQL)
    defaults to the files beside this module.

    Raises:
        ConfigurationError: an applied file has changed since, or was applied by a newer program.
        LedgerUnavailable: the server does not answer.
    """
    wanted = available_migrations() if migrations is None else dict(sorted(migrations.items()))
    sql = load_queries("migrations")
    with _connection(target) as connection:
        connection.execute(sql["take_turns"])
        try:
            connection.execute(sql["create_table"])
            applied: dict[str, str] = dict(connection.execute(sql["applied"]).fetchall())
            _refuse_changed(applied, wanted)
            missing = [name for name in wanted if name not in applied]
            for name in missing:
                with connection.transaction():
                    connection.execute(wanted[name])
                    connection.execute(sql["record"], (name, _checksum(wanted[name])))
        finally:
            connection.execute(sql["end_turn"])
    return missing


def available_migrations() -> dict[str, str]:
    """Return the SQL of every shipped migration by file name, in order."""
    folder = files("spice_core.adapters.postgres") / "migrations"
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if _FILE.fullmatch(entry.name)}
    return dict(sorted(texts.items()))


def _refuse_changed(applied: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    unknown = sorted(set(applied) - set(wanted))
    if unknown:
        raise ConfigurationError(f"The database was migrated by a newer program ({', '.join(unknown)}); use that program")
    changed = [name for name, text in wanted.items() if name in applied and applied[name] != _checksum(text)]
    if changed:
        raise ConfigurationError(f"{', '.join(changed)} changed after it was applied; write a new migration file instead")


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _connection(target: Postgres | str) -> Iterator[Connection]:
    if isinstance(target, Postgres):
        with target.connection(autocommit=True) as connection:
            yield connection
        return
    try:
        with psycopg.connect(target, autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"PostgreSQL does not answer: {error}") from error
