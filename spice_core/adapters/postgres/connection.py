"""One pool of connections to PostgreSQL, with our errors."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, TransactionTimeout
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from spice_core.errors import Closed, LedgerUnavailable, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]

_PASSING = (IdleInTransactionSessionTimeout, TransactionTimeout, ReadOnlySqlTransaction)
"""What is no OperationalError and passes all the same; a server is read-only as a standby, or where its disk is nearly full."""

_HANGING_SECONDS = 15
"""How long a process may stand still in the middle of a transaction before the server ends it and gives its locks to others."""


class Postgres:
    """A pool of connections to one PostgreSQL database, shared by the adapters of a process.

    The server need not be up: connections are made when they are asked for, and made anew after it was away.
    """

    def __init__(self, dsn: str, *, max_size: int = 10, wait_seconds: float = 5.0) -> None:
        """Prepare up to `max_size` connections; a caller waits `wait_seconds` for one before it gets an error."""
        self.dsn = dsn
        self._is_closed = False
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            dsn,
            min_size=0,
            max_size=max_size,
            timeout=wait_seconds,
            reconnect_timeout=wait_seconds,
            kwargs={"application_name": "spice", "connect_timeout": max(2, round(wait_seconds))},
            configure=_end_abandoned_transactions,
            open=True,
        )

    @contextmanager
    def connection(self, *, unavailable: type[Unavailable] = LedgerUnavailable, autocommit: bool = False) -> Iterator[Connection]:
        """Lend a connection; the block is one transaction, committed at its end and rolled back by an exception.

        With `autocommit` every statement is its own transaction, which saves two round trips.

        Raises:
            unavailable: the server is away, too busy, out of space or read-only, or every connection is lent.
            Closed: `close` was called.
        """
        if self._is_closed:
            raise Closed("The PostgreSQL pool is closed.")
        try:
            connection = self._lend()
            try:
                with connection, _autocommit(connection, autocommit):
                    yield connection
            finally:
                self._pool.putconn(connection)
        except PoolClosed as error:
            raise Closed("The PostgreSQL pool is closed.") from error
        except (psycopg.OperationalError, psycopg.InterfaceError, *_PASSING, PoolTimeout) as error:
            raise unavailable(f"PostgreSQL does not answer: {str(error).strip() or type(error).__name__}") from error

    def _lend(self) -> Connection:
        """Take a live connection from the pool; those whose server went away are given up, as many as there are."""
        # The pool's own check waits a second or more between two stale connections; after a restart all are stale.
        while _is_stale(connection := self._pool.getconn()):
            connection.close()
            self._pool.putconn(connection)
        return connection

    def close(self) -> None:
        """Close all connections; closing again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._pool.close()


def _end_abandoned_transactions(connection: Connection) -> None:
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_HANGING_SECONDS}s'")
    connection.autocommit = False


def _is_stale(connection: Connection) -> bool:
    """Whether the server went away; costs a round trip only where the idle socket has something to say."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if not poll.poll(0):
        return False
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def _autocommit(connection: Connection, is_wanted: bool) -> Iterator[None]:
    if not is_wanted:
        yield
        return
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = False
