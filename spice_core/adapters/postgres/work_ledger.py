"""The ledger of work in PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.errors import Closed, LeaseLost, NotFound
from spice_core.ports.work_ledger import Claim, DeadLetter, Lease, WorkItem, WorkLedger

_TRANSACTION = load_queries("transactions")


class PostgresWorkLedger(WorkLedger):
    """The schema `spice_work`; every statement takes a whole batch, and the server's clock decides about leases.

    A claim is one row per batch. Commits are asynchronous where a lost one only repeats work.
    """

    def __init__(self, postgres: Postgres) -> None:
        """Use `postgres`, which the caller closes."""
        self._postgres = postgres
        self._sql = load_queries("work")
        self._is_closed = False

    def acquire(self, name: str, *, owner: str, seconds: float) -> Lease | None:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql["ensure_partitions"])
            row = connection.execute(self._sql["acquire"], {"name": name, "owner": owner, "seconds": seconds}).fetchone()
        return Lease(name, owner, row[0]) if row else None

    def renew(self, lease: Lease, *, seconds: float) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql["ensure_partitions"])
            renewed = connection.execute(self._sql["renew"], {**_names(lease), "seconds": seconds})
            if renewed.rowcount == 0:
                raise _lost(lease)

    def release(self, lease: Lease) -> None:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            connection.execute(self._sql["release"], _names(lease))

    def holder(self, name: str) -> str | None:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            row = connection.execute(self._sql["holder"], {"name": name}).fetchone()
        return row[0] if row else None

    def holders(self, prefix: str) -> Mapping[str, str]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            return dict(connection.execute(self._sql["holders"], {"prefix": prefix}).fetchall())

    def claim(self, lease: Lease, handler: str, items: Sequence[WorkItem]) -> Mapping[str, Claim]:
        self._check_open()
        if not items:
            return {}
        scope = _scope(lease, handler, items[0].database)
        reach = _reach([item.position for item in items])
        with self._fenced(lease) as connection:
            with connection.pipeline():
                position = connection.execute(self._sql["lock_position"], scope)
                done = connection.execute(self._sql["done_among"], {**scope, **reach})
                buried = connection.execute(self._sql["buried_among"], {**scope, **reach})
                others = connection.execute(self._sql["overlapping_claims"], {**scope, **reach})
            claims = others.fetchall()
            marks = _Marks(
                position=_value(position),
                done={row[0] for row in done.fetchall()},
                buried=dict(buried.fetchall()),
                live=[(row[0], row[1]) for row in claims if row[5] and row[3] != lease.name],
            )
            answers = {item.event_id: marks.answer(item) for item in items}
            taken = [item.position for item in items if answers[item.event_id] is Claim.CLAIMED]
            if taken:
                attempts = 1 + max((row[2] for row in claims if not row[5] or row[3] == lease.name), default=0)
                with connection.pipeline():
                    connection.execute(self._sql["failed_among"], {**scope, "taken": taken})
                    connection.execute(self._sql["replace_claims"], {**scope, **_reach(taken), "attempts": attempts})
        return answers

    def mark_done(self, lease: Lease, handler: str, items: Sequence[WorkItem], *, database: str, position: int) -> None:
        self._check_open()
        scope = {**_scope(lease, handler, database), **_columns(items), "position": position}
        with self._fenced(lease, is_asynchronous=True) as connection, connection.pipeline():
            connection.execute(self._sql["lock_position"], scope)
            if items:
                connection.execute(self._sql["mark_done"], {**scope, **_reach(scope["positions"])})
            connection.execute(self._sql["forget_claims"], scope)
            connection.execute(self._sql["advance"], scope)

    def mark_failed(self, lease: Lease, handler: str, item: WorkItem, *, error: str) -> int:
        self._check_open()
        scope = {**_scope(lease, handler, item.database), "event_id": item.event_id, "position": item.position, "error": error}
        with self._fenced(lease) as connection:
            return _value(connection.execute(self._sql["mark_failed"], scope))

    def bury(
        self, lease: Lease, handler: str, items: Sequence[WorkItem], *, event_types: Sequence[str], error: str, behind: str | None
    ) -> None:
        self._check_open()
        if not items:
            return
        scope = {**_scope(lease, handler, items[0].database), **_columns(items)}
        with self._fenced(lease) as connection:
            if behind is not None:
                connection.execute(self._sql["forget_attempts"], scope)
            connection.execute(self._sql["bury"], {**scope, "event_types": list(event_types), "error": error, "behind": behind})

    def parked_aggregates(self, handler: str, database: str) -> Mapping[str, str]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            rows = connection.execute(self._sql["parked_aggregates"], {"handler": handler, "database": database})
            return dict(rows.fetchall())

    def dead_letters(
        self,
        *,
        handler: str | None = None,
        database: str | None = None,
        state: str = "waiting",
        behind: str | None = None,
        limit: int = 100,
    ) -> list[DeadLetter]:
        self._check_open()
        wanted = {"handler": handler, "database": database, "state": state, "behind": behind, "limit": limit}
        with self._postgres.connection(autocommit=True) as connection:
            return [DeadLetter(*row) for row in connection.execute(self._sql["dead_letters"], wanted).fetchall()]

    def set_dead_letter_state(self, handler: str, *, database: str, event_id: str, state: str) -> None:
        self._check_open()
        wanted = {"handler": handler, "database": database, "event_id": event_id, "state": state}
        with self._postgres.connection(autocommit=True) as connection:
            if connection.execute(self._sql["set_state"], wanted).rowcount == 0:
                raise NotFound(f"{handler} has no dead letter {event_id} in {database}")

    def unannounced(self, *, limit: int = 100) -> list[DeadLetter]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            return [DeadLetter(*row) for row in connection.execute(self._sql["unannounced"], {"limit": limit}).fetchall()]

    def mark_announced(self, letters: Sequence[DeadLetter]) -> None:
        self._check_open()
        told = {
            "handlers": [letter.handler for letter in letters],
            "databases": [letter.database for letter in letters],
            "event_ids": [letter.event_id for letter in letters],
            "failures": [letter.last_failed_at for letter in letters],
        }
        with self._postgres.connection() as connection:
            connection.execute(self._sql["mark_announced"], told)

    def position(self, handler: str, database: str) -> int:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            row = connection.execute(self._sql["position"], {"handler": handler, "database": database}).fetchone()
        return int(row[0]) if row else 0

    def positions(self) -> Mapping[tuple[str, str], int]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            rows = connection.execute(self._sql["positions"]).fetchall()
        return {(handler, database): position for handler, database, position in rows}

    def reset(self, handler: str, database: str) -> None:
        self._check_open()
        with self._postgres.connection() as connection, connection.pipeline():
            for table in ("positions", "claims", "attempts", "processed", "dead_letters"):
                connection.execute(self._sql[f"reset_{table}"], {"handler": handler, "database": database})

    def purge(self, *, before: datetime) -> int:
        self._check_open()
        with self._postgres.connection() as connection:
            return _value(connection.execute(self._sql["purge"], {"before": before}))

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The ledger of work is closed.")

    @contextmanager
    def _fenced(self, lease: Lease, *, is_asynchronous: bool = False) -> Iterator[Connection]:
        """Lend a connection whose transaction commits only while `lease` is the newest of its name."""
        with self._postgres.connection() as connection:
            with connection.pipeline():
                connection.execute(_TRANSACTION["end_when_hanging"])
                if is_asynchronous:
                    connection.execute(_TRANSACTION["lose_nothing_but_time"])
                fence = connection.execute(self._sql["fence"], _names(lease))
            if fence.fetchone() is None:
                raise _lost(lease)
            yield connection


class _Marks:
    """What is known about a batch that is to be claimed."""

    def __init__(self, *, position: int, done: set[str], buried: Mapping[str, str], live: Sequence[tuple[int, int]]) -> None:
        self._position = position
        self._done = done
        self._buried = buried
        self._live = live

    def answer(self, item: WorkItem) -> Claim:
        state = self._buried.get(item.event_id)
        if item.event_id in self._done or (state is not None and state != "retrying"):
            return Claim.DUPLICATE_DONE
        if any(first <= item.position <= last for first, last in self._live):
            return Claim.IN_PROGRESS
        if item.position <= self._position and state is None:
            return Claim.STALE
        return Claim.CLAIMED


def _names(lease: Lease) -> dict[str, Any]:
    return {"name": lease.name, "owner": lease.owner, "epoch": lease.epoch}


def _scope(lease: Lease, handler: str, database: str) -> dict[str, Any]:
    return {**_names(lease), "handler": handler, "database": database}


def _reach(positions: Sequence[int]) -> dict[str, int]:
    return {"first": min(positions), "last": max(positions)}


def _columns(items: Sequence[WorkItem]) -> dict[str, Any]:
    return {
        "positions": [item.position for item in items],
        "numbers": [item.sequence_number for item in items],
        "event_ids": [item.event_id for item in items],
        "aggregates": [item.aggregate for item in items],
    }


def _value(cursor: Any) -> int:
    row = cursor.fetchone()
    assert row is not None, "the statement returns one row"  # noqa: S101 - for the type checker
    return int(row[0])


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.owner} no longer holds {lease.name} (epoch {lease.epoch})")
