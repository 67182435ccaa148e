"""The contracts of `CommandStatuses`, `LineageStore` and `AuditStore`, on every adapter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.command_statuses import PostgresCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.lineage_store import PostgresLineageStore
from spice_core.domain.read_models import AuditEntry, CommandState, LineageRecord, StatusChange
from spice_core.errors import Closed, CommitsLost, LedgerUnavailable

_NAMES = count()
_START = datetime(2026, 1, 1, tzinfo=UTC)
_PENDING, _RUNNING, _DONE, _FAILED = (
    CommandState.PENDING,
    CommandState.PROCESSING,
    CommandState.COMPLETED,
    CommandState.FAILED,
)


@pytest.fixture
def db() -> str:
    return f"db{next(_NAMES)}"


def at(position: int) -> datetime:
    return _START + timedelta(seconds=position)


def change(command: str, state: CommandState, position: int, **more) -> StatusChange:
    return StatusChange(command_id=command, state=state, at=at(position), position=position, **more)


def record(position: int, *, artifact: str = "node:main:Person/kim", **more) -> LineageRecord:
    return LineageRecord(
        artifact=artifact,
        event_id=f"e{position}",
        event_type=more.pop("event_type", "INSTANCE_CREATED"),
        command_id=more.pop("command_id", f"c{position}"),
        actor="kim",
        occurred_at=at(position),
        position=position,
        sequence_number=1,
        **more,
    )


def entry(db: str, position: int, **more) -> AuditEntry:
    values = {
        "database": db,
        "position": position,
        "occurred_at": at(position),
        "actor": "kim",
        "action": "INSTANCE_CREATED",
        "status": "success",
        "resource_type": "Instance",
        "resource_id": f"{db}:main:Person:kim",
        "event_id": f"{db}-e{position}",
        "command_id": f"{db}-c{position}",
        "metadata": {"branch": "main"},
    }
    return AuditEntry(**{**values, **more})


# Command statuses


def test_unknown_command_has_no_status(statuses):
    assert statuses.get("nothing") is None


def test_statuses_of_many_commands_are_those_that_are_known(statuses, db):
    ids = [f"{db}c{number}" for number in range(5)]
    statuses.apply(db, [change(name, _DONE, number) for number, name in enumerate(ids, start=1)], position=5)
    statuses.apply(f"{db}x", [change(ids[0], _PENDING, 1)], position=1)
    found = statuses.of_commands([*ids[:3], "nothing"])
    assert sorted((status.command_id, status.database) for status in found) == sorted(
        [(ids[0], db), (ids[0], f"{db}x"), (ids[1], db), (ids[2], db)]
    )
    assert [status for status in found if status.command_id == ids[1]] == [statuses.get(ids[1])]
    assert statuses.of_commands([]) == []


def test_status_shows_the_newest_change_and_the_history_keeps_every_step(statuses, db):
    statuses.apply(db, [change(f"{db}c", _PENDING, 1, command_type="CREATE_INSTANCE", aggregate_id="a")], position=1)
    statuses.apply(db, [change(f"{db}c", _RUNNING, 2), change(f"{db}c", _DONE, 3, result={"commit": "x"})], position=3)
    status = statuses.get(f"{db}c")
    assert (status.database, status.state, status.command_type, status.aggregate_id) == (db, _DONE, "CREATE_INSTANCE", "a")
    assert (status.submitted_at, status.completed_at, status.result, status.error) == (at(1), at(3), {"commit": "x"}, None)
    assert list(status.history) == [(_PENDING, at(1)), (_RUNNING, at(2)), (_DONE, at(3))]


def test_no_change_leaves_a_final_state(statuses, db):
    statuses.apply(db, [change(f"{db}c", _FAILED, 1, error="no"), change(f"{db}c", _DONE, 2)], position=2)
    statuses.apply(db, [change(f"{db}c", _PENDING, 3)], position=3)
    status = statuses.get(f"{db}c")
    assert (status.state, status.error, len(status.history)) == (_FAILED, "no", 1)


def test_repeated_delivery_changes_no_status(statuses, db):
    steps = [change(f"{db}c", _PENDING, 1), change(f"{db}c", _RUNNING, 2)]
    statuses.apply(db, steps, position=2)
    before = statuses.get(f"{db}c")
    statuses.apply(db, steps, position=2)
    statuses.apply(db, steps[:1], position=1)
    assert statuses.get(f"{db}c") == before
    assert statuses.position(db) == 2


def test_attempts_are_noted_and_a_later_change_wins(statuses, db):
    statuses.apply(db, [change(f"{db}c", _PENDING, 1)], position=1)
    statuses.note_attempt([f"{db}c", "unknown"], error="boom", at=at(2))
    statuses.note_attempt([f"{db}c"], error="boom again", at=at(3))
    status = statuses.get(f"{db}c")
    assert (status.state, status.retry_count, status.error) == (CommandState.RETRYING, 2, "boom again")
    statuses.apply(db, [change(f"{db}c", _DONE, 4)], position=4)
    statuses.note_attempt([f"{db}c"], error="late", at=at(5))
    status = statuses.get(f"{db}c")
    assert (status.state, status.retry_count, status.error) == (_DONE, 2, None)
    assert [state for state, _ in status.history] == ["PENDING", "RETRYING", "RETRYING", "COMPLETED"]


def _bulk(db: str, size: int) -> list[StatusChange]:
    members = [change(f"{db}m{n}", _PENDING, n + 2, bulk_id=f"{db}b", aggregate_id=f"a{n}") for n in range(size)]
    return [change(f"{db}b", _PENDING, 1, command_type="BULK_CREATE_INSTANCES", total=size), *members]


@pytest.mark.parametrize("cuts", [(10,), (3, 5, 10), tuple(range(1, 11))])
def test_bulk_command_completes_when_its_members_have(statuses, db, cuts):
    steps = [*_bulk(db, 4), change(f"{db}b", _RUNNING, 6)]
    steps += [change(f"{db}m{n}", _DONE, 7 + n, bulk_id=f"{db}b") for n in range(4)]
    start = 0
    for cut in cuts:
        statuses.apply(db, steps[start:cut], position=steps[cut - 1].position)
        start = cut
    status = statuses.get(f"{db}b")
    assert (status.state, status.total, status.done, status.failed) == (_DONE, 4, 4, 0)
    assert status.completed_at == at(10)
    assert [state for state, _ in status.history] == ["PENDING", "PROCESSING", "COMPLETED"]


def test_progress_of_a_bulk_command_is_real_and_its_failures_are_named(statuses, db):
    statuses.apply(db, _bulk(db, 3), position=4)
    statuses.apply(db, [change(f"{db}m0", _DONE, 5, bulk_id=f"{db}b")], position=5)
    status = statuses.get(f"{db}b")
    assert (status.state, status.done, status.failed, status.total) == (_PENDING, 1, 0, 3)
    last = [change(f"{db}m1", _FAILED, 6, error="bad", aggregate_id="a1"), change(f"{db}m2", _DONE, 7, bulk_id=f"{db}b")]
    statuses.apply(db, last, position=7)
    statuses.apply(db, last, position=7)
    status = statuses.get(f"{db}b")
    assert (status.state, status.done, status.failed, status.error) == (_FAILED, 2, 1, "1 of 3 failed")
    assert list(status.errors) == [{"command_id": f"{db}m1", "aggregate_id": "a1", "error": "bad"}]


def test_statuses_never_alias_the_callers_memory(statuses, db):
    result = {"commit": "x"}
    statuses.apply(db, [change(f"{db}c", _DONE, 1, result=result)], position=1)
    result["commit"] = "changed"
    statuses.get(f"{db}c").result["more"] = True
    assert statuses.get(f"{db}c").result == {"commit": "x"}


# Every projection


def check_lost_commits(projection, db, row) -> None:
    """Let `projection` be told that it had reached more than it shows."""
    projection.apply(db, [row(1), row(2)], position=2)
    with pytest.raises(CommitsLost, match="is at 2 and had reached 5"):
        projection.apply(db, [row(6)], position=6, after=5)
    assert projection.position(db) == 2
    projection.apply(db, [row(position) for position in range(3, 7)], position=6, after=2)
    assert projection.position(db) == 6


def test_statuses_that_lost_commits_say_so_and_store_nothing(statuses, db):
    check_lost_commits(statuses, db, lambda position: change(f"{db}c{position}", _DONE, position))
    assert len(statuses.of_commands([f"{db}c{position}" for position in range(1, 7)])) == 6


def test_lineage_that_lost_commits_says_so_and_stores_nothing(lineage, db):
    check_lost_commits(lineage, db, record)
    assert [known.position for known in lineage.of_artifact(db, "node:main:Person/kim")] == [6, 5, 4, 3, 2, 1]


def test_audit_that_lost_commits_says_so_and_stores_nothing(audit, db):
    check_lost_commits(audit, db, lambda position: entry(db, position))
    assert [known.position for known in audit.query(database=db)] == [6, 5, 4, 3, 2, 1]


# Lineage


def test_records_of_an_artifact_come_newest_first(lineage, db):
    lineage.apply(db, [record(1), record(2, artifact="other"), record(3)], position=3)
    assert [known.position for known in lineage.of_artifact(db, "node:main:Person/kim")] == [3, 1]
    assert [known.position for known in lineage.of_artifact(db, "node:main:Person/kim", limit=1)] == [3]
    assert lineage.of_artifact(db, "nothing") == []


def test_records_come_back_as_they_were_stored(lineage, db):
    full = record(1, commit="abc", dataset_version="v1", source={"row": 7, "dataset_id": "d"})
    lineage.apply(db, [full], position=1)
    assert lineage.of_artifact(db, full.artifact) == [full]


def test_repeated_delivery_changes_no_lineage(lineage, db):
    for _ in range(2):
        lineage.apply(db, [record(1), record(2)], position=2)
    lineage.apply(db, [record(2), record(3)], position=3)
    assert [known.position for known in lineage.of_artifact(db, record(1).artifact)] == [3, 2, 1]
    assert lineage.counts(db) == {"INSTANCE_CREATED": 3}


def test_records_of_a_dataset_version_are_paged_by_position(lineage, db):
    lineage.apply(db, [record(n, dataset_version="v1" if n % 2 else "v2", artifact=f"n{n}") for n in range(1, 8)], position=7)
    assert [known.position for known in lineage.of_dataset_version(db, "v1", limit=2)] == [1, 3]
    assert [known.position for known in lineage.of_dataset_version(db, "v1", after=3)] == [5, 7]


def test_records_of_a_command_come_by_position(lineage, db):
    lineage.apply(db, [record(n, command_id="one" if n < 3 else "two", artifact=f"n{n}") for n in (1, 2, 3)], position=3)
    assert [known.position for known in lineage.of_command(db, "one")] == [1, 2]


def test_counts_are_by_event_type(lineage, db):
    lineage.apply(db, [record(1), record(2), record(3, event_type="INSTANCE_DELETED")], position=3)
    assert lineage.counts(db) == {"INSTANCE_CREATED": 2, "INSTANCE_DELETED": 1}


def test_databases_do_not_see_each_others_lineage(lineage, db):
    lineage.apply(db, [record(1)], position=1)
    assert lineage.of_artifact(f"{db}other", record(1).artifact) == []
    assert lineage.position(f"{db}other") == 0


# Audit


def test_entries_come_back_newest_first_as_they_were_stored(audit, db):
    entries = [entry(db, 1), entry(db, 2, actor=None, status="failure", error="no", command_id=None), entry(db, 3)]
    audit.apply(db, entries, position=3)
    assert audit.query(database=db) == entries[::-1]


def test_entries_meet_all_conditions(audit, db):
    entries = [entry(db, n, actor="kim" if n % 2 else "lee", status="failure" if n == 3 else "success") for n in range(1, 6)]
    audit.apply(db, entries, position=5)
    assert [found.position for found in audit.query(database=db, actor="kim", status="success")] == [5, 1]
    assert [found.position for found in audit.query(database=db, since=at(2), until=at(4))] == [3, 2]
    assert [found.position for found in audit.query(database=db, command_id=f"{db}-c4")] == [4]
    assert audit.query(database=db, action="NOTHING") == []
    assert [found.position for found in audit.query(resource_id=f"{db}:main:Person:kim", limit=2)] == [5, 4]


def test_following_before_visits_every_entry_once_also_at_equal_times(audit, db):
    for name in (f"{db}a", f"{db}b"):
        same = [entry(name, n, occurred_at=at(7), action=db) for n in range(1, 6)]
        audit.apply(name, same, position=5)
    seen: list[tuple[str, int]] = []
    while page := audit.query(action=db, before=seen[-1] if seen else None, limit=3):
        seen += [(found.database, found.position) for found in page]
    assert seen == [(name, n) for name in (f"{db}b", f"{db}a") for n in range(5, 0, -1)]


def test_repeated_delivery_changes_no_audit(audit, db):
    for _ in range(2):
        audit.apply(db, [entry(db, 1), entry(db, 2)], position=2)
    audit.apply(db, [replace(entry(db, 2), actor="other")], position=2)
    assert [(found.position, found.actor) for found in audit.query(database=db)] == [(2, "kim"), (1, "kim")]


# What all three promise


def test_rows_and_position_move_together_and_never_back(projection, db):
    assert projection.position(db) == 0
    projection.apply(db, [], position=5)
    projection.apply(db, [], position=3)
    assert projection.position(db) == 5


def test_reset_forgets_one_database_position_included(projection, db):
    projection.apply(db, [], position=5)
    projection.apply(f"{db}other", [], position=6)
    projection.reset(db)
    assert (projection.position(db), projection.position(f"{db}other")) == (0, 6)


def test_reset_forgets_the_rows(statuses, lineage, audit, db):
    statuses.apply(db, [change(f"{db}c", _DONE, 1)], position=1)
    lineage.apply(db, [record(1)], position=1)
    audit.apply(db, [entry(db, 1)], position=1)
    for each in (statuses, lineage, audit):
        each.reset(db)
    assert (statuses.get(f"{db}c"), lineage.counts(db), audit.query(database=db)) == (None, {}, [])


def test_every_method_of_a_closed_projection_raises_closed(projection, db):
    projection.close()
    projection.close()
    for call in (lambda: projection.position(db), lambda: projection.reset(db), lambda: projection.apply(db, [], position=1)):
        with pytest.raises(Closed):
            call()


def test_reads_of_closed_projections_raise_closed(statuses, lineage, audit, db):
    for each in (statuses, lineage, audit):
        each.close()
    reads = [
        lambda: statuses.get("x"),
        lambda: statuses.note_attempt(["x"], error="x", at=at(1)),
        lambda: lineage.of_artifact(db, "x"),
        lambda: lineage.of_dataset_version(db, "x"),
        lambda: lineage.of_command(db, "x"),
        lambda: lineage.counts(db),
        lambda: audit.query(database=db),
    ]
    for read in reads:
        with pytest.raises(Closed):
            read()


def test_rows_and_position_are_one_commit(postgres_dsn, db):
    pool = Postgres(postgres_dsn, max_size=1)
    store = PostgresAuditStore(pool)
    with pytest.raises(TypeError):
        store.apply(db, [entry(db, 1, metadata={"not json": object()})], position=1)
    assert (store.position(db), store.query(database=db)) == (0, [])
    pool.close()


@pytest.mark.parametrize("kind", [PostgresCommandStatuses, PostgresLineageStore, PostgresAuditStore])
def test_a_store_that_does_not_answer_is_unavailable(kind):
    pool = Postgres("postgresql:///nothing?host=/nowhere", max_size=1, wait_seconds=0.2)
    with pytest.raises(LedgerUnavailable):
        kind(pool).apply("db", [], position=1)
    pool.close()
