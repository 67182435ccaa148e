"""Looking at a PostgreSQL server: version, rights, clock."""

from collections.abc import Iterator

import psycopg

from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.postgres.queries import load_queries
from spice_core.domain.findings import Finding, attempted, clock_finding
from spice_core.ports.clock import Clock

OLDEST_VERSION = 15
_CONNECT_SECONDS = 5
_PART = "postgresql"


def inspect_postgres(dsn: str, *, clock: Clock, advice: str) -> Iterator[Finding]:
    """Yield what is found at `dsn`; `advice` is for a server that does not answer. Applies missing migrations."""
    sql = load_queries("inspection")
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_SECONDS) as connection:
            row = connection.execute(sql["server"]).fetchone()
            assert row is not None  # noqa: S101 - the query has one row
            version, number, now, is_standby, size, _ = row
            yield _version(version, number, size)
            yield clock_finding(_PART, theirs=now, ours=clock.now())
            if is_standby:
                yield Finding(
                    _PART, "down", "the server is a standby: it takes no writes", "SPICE_POSTGRES_URL must name the primary"
                )
                return
            connection.execute(sql["probe"])
            connection.rollback()
    except psycopg.Error as error:
        yield Finding(_PART, "down", " ".join(str(error).split())[:300], advice)
        return
    yield attempted("migrations", lambda: _migrated(dsn), "the user of SPICE_POSTGRES_URL needs the right to create tables")


def _version(version: str, number: int, size: int) -> Finding:
    found = f"version {version.split(maxsplit=1)[0]}, {size / 1e6:,.0f} MB"
    if number // 10_000 < OLDEST_VERSION:
        return Finding(_PART, "down", found, f"SPICE_POSTGRES_URL must name PostgreSQL {OLDEST_VERSION} or newer")
    return Finding(_PART, "ok", found)


def _migrated(dsn: str) -> str:
    applied = migrate(dsn)
    return f"{len(applied)} were applied just now" if applied else "all applied"
