"""What the read models in PostgreSQL have in common: a position that moves together with the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.errors import Closed
from spice_core.ports.read_models import Projection, commits_lost

_TRANSACTION = load_queries("transactions")


class PostgresProjection(Projection):
    """One table of the schema `spice_read` and its position per database."""

    table: ClassVar[str]

    def __init__(self, postgres: Postgres) -> None:
        """Use `postgres`, which the caller closes."""
        self._postgres = postgres
        self._sql = load_queries("read_models")
        self._is_closed = False

    def position(self, database: str) -> int:
        with self._reading() as connection:
            row = connection.execute(self._sql["position"], self._scope(database)).fetchone()
        return int(row[0]) if row else 0

    def reset(self, database: str) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql["forget_position"], self._scope(database))
            connection.execute(self._sql[f"forget_{self.table}"], {"database": database})

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed(f"The read model {self.table} is closed.")

    def _scope(self, database: str) -> dict[str, str]:
        return {"projection": self.table, "database": database}

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            yield connection

    @contextmanager
    def _following(self, database: str, position: int, after: int) -> Iterator[tuple[Connection, int]]:
        """Lend a connection and the position so far; moves to `position` (never back) in the same commit."""
        self._check_open()
        scope = self._scope(database)
        with self._postgres.connection() as connection:
            with connection.pipeline():
                connection.execute(_TRANSACTION["end_when_hanging"])
                connection.execute(_TRANSACTION["lose_nothing_but_time"])
                locked = connection.execute(self._sql["lock_position"], scope)
            row = locked.fetchone()
            known = int(row[0]) if row else 0
            if known < after:
                raise commits_lost(self.table, database, known=known, after=after)
            yield connection, known
            if position > known:
                connection.execute(self._sql["advance"], {**scope, "position": position})


def as_utc(value: datetime) -> datetime:
    """Return the same instant in UTC: the server answers in the session's time zone."""
    return value.astimezone(UTC)
