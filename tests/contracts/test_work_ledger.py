"""The contract of `WorkLedger`, on every adapter."""

from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg
import pytest

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.errors import Closed, LeaseLost, LedgerUnavailable, NotFound
from spice_core.ports.work_ledger import Claim, WorkItem, WorkLedger

_NAMES = count()
HOUR = 3600.0


@pytest.fixture
def db() -> str:
    return f"db{next(_NAMES)}"


def item(db: str, position: int, *, aggregate: str = "Instance|a") -> WorkItem:
    return WorkItem(event_id=f"{db}-{position}", aggregate=aggregate, sequence_number=position, database=db, position=position)


def items(db: str, *positions: int) -> list[WorkItem]:
    return [item(db, position) for position in positions]


def lease_of(work: WorkLedger, db: str, *, owner: str = "me", seconds: float = HOUR):
    lease = work.acquire(f"graph:{db}", owner=owner, seconds=seconds)
    assert lease is not None
    return lease


def test_unclaimed_lease_is_claimable(work, db):
    assert work.acquire(f"graph:{db}", owner="me", seconds=HOUR) is not None


def test_live_lease_of_another_is_not_claimable(work, db):
    lease_of(work, db)
    assert work.acquire(f"graph:{db}", owner="other", seconds=HOUR) is None


def test_my_own_lease_is_claimable_and_keeps_its_epoch(work, db):
    first = lease_of(work, db)
    assert lease_of(work, db) == first


def test_expired_lease_is_claimable_with_a_higher_epoch(work, db):
    old = lease_of(work, db, seconds=0)
    new = lease_of(work, db, owner="other")
    assert new.epoch > old.epoch


def test_released_lease_is_claimable_at_once(work, db):
    lease = lease_of(work, db)
    work.release(lease)
    assert lease_of(work, db, owner="other").epoch > lease.epoch


def test_renewing_a_lost_or_released_lease_raises_lease_lost(work, db):
    lease = lease_of(work, db, seconds=0)
    work.renew(lease, seconds=0)
    new = lease_of(work, db, owner="other")
    with pytest.raises(LeaseLost):
        work.renew(lease, seconds=HOUR)
    work.release(new)
    with pytest.raises(LeaseLost):
        work.renew(new, seconds=HOUR)


def test_renewed_lease_stays_mine(work, db):
    lease = lease_of(work, db, seconds=0)
    work.renew(lease, seconds=HOUR)
    assert work.acquire(f"graph:{db}", owner="other", seconds=HOUR) is None


def test_holder_is_the_live_owner_or_nobody(work, db):
    assert work.holder(f"graph:{db}") is None
    lease = lease_of(work, db)
    assert work.holder(f"graph:{db}") == "me"
    work.release(lease)
    assert work.holder(f"graph:{db}") is None
    lease_of(work, db, seconds=0)
    assert work.holder(f"graph:{db}") is None


def test_holders_are_the_owners_of_names_that_begin_so_until_they_release(work, db):
    names = [f"run:{db}#0/2", f"run:{db}#1/2", f"run:{db}#1/4", f"run:{db}%"]
    leases = [work.acquire(name, owner=f"owner {number}", seconds=HOUR) for number, name in enumerate(names)]
    assert work.holders(f"run:{db}#") == {name: f"owner {number}" for number, name in enumerate(names[:3])}
    work.release(leases[0])
    work.acquire(names[1], owner="owner 1", seconds=0)
    assert work.holders(f"run:{db}#") == {names[1]: "owner 1", names[2]: "owner 2"}, "also where they expired"
    assert work.holders(f"run:{db}_") == {}


def test_releasing_a_lost_lease_does_nothing(work, db):
    old = lease_of(work, db, seconds=0)
    lease_of(work, db, owner="other")
    work.release(old)
    assert work.acquire(f"graph:{db}", owner="third", seconds=HOUR) is None


def test_writes_of_a_zombie_owner_are_refused_and_change_nothing(work, db):
    zombie = lease_of(work, db, seconds=0)
    work.claim(zombie, "graph", items(db, 1, 2))
    owner = lease_of(work, db, owner="other")
    work.claim(owner, "graph", items(db, 1, 2))
    with pytest.raises(LeaseLost):
        work.mark_done(zombie, "graph", items(db, 1, 2), database=db, position=2)
    with pytest.raises(LeaseLost):
        work.mark_failed(zombie, "graph", item(db, 1), error="boom")
    with pytest.raises(LeaseLost):
        work.bury(zombie, "graph", items(db, 1), event_types=["X"], error="boom", behind=None)
    with pytest.raises(LeaseLost):
        work.claim(zombie, "graph", items(db, 3))
    assert work.position("graph", db) == 0
    assert work.dead_letters(database=db, state="") == []
    assert set(work.claim(owner, "graph", items(db, 1, 2)).values()) == {Claim.CLAIMED}


def test_done_event_is_a_duplicate(work, db):
    lease = lease_of(work, db)
    assert work.claim(lease, "graph", items(db, 1, 2)) == {f"{db}-1": Claim.CLAIMED, f"{db}-2": Claim.CLAIMED}
    work.mark_done(lease, "graph", items(db, 1), database=db, position=1)
    assert work.claim(lease, "graph", items(db, 1, 2)) == {f"{db}-1": Claim.DUPLICATE_DONE, f"{db}-2": Claim.CLAIMED}


def test_handlers_do_not_see_each_others_marks(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", items(db, 1), database=db, position=1)
    assert work.position("search", db) == 0
    assert work.claim(lease, "search", items(db, 1)) == {f"{db}-1": Claim.CLAIMED}


def test_event_of_a_live_other_owner_is_in_progress(work, db):
    one = work.acquire(f"one:{db}", owner="me", seconds=HOUR)
    two = work.acquire(f"two:{db}", owner="other", seconds=HOUR)
    work.claim(one, "graph", items(db, 1, 2))
    assert work.claim(two, "graph", items(db, 2, 3)) == {f"{db}-2": Claim.IN_PROGRESS, f"{db}-3": Claim.CLAIMED}


def test_expired_claim_is_reclaimed_with_its_attempts_counted_up(work, db):
    old = lease_of(work, db, seconds=0)
    work.claim(old, "graph", items(db, 1))
    new = lease_of(work, db, owner="other")
    assert work.claim(new, "graph", items(db, 1)) == {f"{db}-1": Claim.CLAIMED}
    assert work.mark_failed(new, "graph", item(db, 1), error="boom") == 2


def test_failed_event_is_reclaimed_with_its_attempts_counted_up(work, db):
    lease = lease_of(work, db)
    for attempt in (1, 2, 3):
        assert work.claim(lease, "graph", items(db, 1)) == {f"{db}-1": Claim.CLAIMED}
        assert work.mark_failed(lease, "graph", item(db, 1), error="boom") == attempt


def test_event_behind_the_position_without_a_mark_is_stale(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", items(db, 3), database=db, position=3)
    assert work.claim(lease, "graph", items(db, 2)) == {f"{db}-2": Claim.STALE}


def test_marks_and_position_change_together(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", items(db, 1, 2), database=db, position=7)
    assert work.position("graph", db) == 7


def test_position_never_goes_back_and_marking_again_changes_nothing(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", items(db, 1, 2), database=db, position=2)
    work.mark_done(lease, "graph", items(db, 1), database=db, position=1)
    assert work.position("graph", db) == 2
    assert work.purge(before=datetime.now(UTC) + timedelta(days=1)) >= 2


def test_position_advances_without_marks(work, db):
    work.mark_done(lease_of(work, db), "audit", [], database=db, position=9)
    assert work.position("audit", db) == 9


def test_every_position_is_told_at_once_and_a_reset_takes_it_back(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", [], database=db, position=3)
    work.mark_done(lease, "audit", [], database=f"{db}x", position=4)
    known = {names: position for names, position in work.positions().items() if names[1].startswith(db)}
    assert known == {("graph", db): 3, ("audit", f"{db}x"): 4}
    work.reset("graph", db)
    assert ("graph", db) not in work.positions()


def test_purge_drops_old_marks_only_and_the_position_protects_them(work, db):
    lease = lease_of(work, db)
    work.mark_done(lease, "graph", items(db, 1, 2), database=db, position=2)
    work.purge(before=datetime.now(UTC) - timedelta(days=1))
    assert work.claim(lease, "graph", items(db, 1)) == {f"{db}-1": Claim.DUPLICATE_DONE}
    assert work.purge(before=datetime.now(UTC) + timedelta(days=2)) >= 2
    assert work.claim(lease, "graph", items(db, 1)) == {f"{db}-1": Claim.STALE}
    fresh = lease_of(work, db)
    work.mark_done(fresh, "graph", items(db, 3), database=db, position=3)
    assert work.claim(fresh, "graph", items(db, 3)) == {f"{db}-3": Claim.DUPLICATE_DONE}


def test_buried_event_is_listed_with_its_error_and_attempts(work, db):
    lease = lease_of(work, db)
    work.claim(lease, "graph", items(db, 5))
    work.mark_failed(lease, "graph", item(db, 5), error="boom")
    work.bury(lease, "graph", items(db, 5), event_types=["CREATE_INSTANCE_REQUESTED"], error="boom", behind=None)
    [letter] = work.dead_letters(handler="graph", database=db)
    assert (letter.event_id, letter.position, letter.error, letter.attempts) == (f"{db}-5", 5, "boom", 1)
    assert (letter.state, letter.parked_behind, letter.event_type) == ("waiting", f"{db}-5", "CREATE_INSTANCE_REQUESTED")
    assert work.parked_aggregates("graph", db) == {"Instance|a": f"{db}-5"}
    assert work.claim(lease, "graph", items(db, 5)) == {f"{db}-5": Claim.DUPLICATE_DONE}


def test_parked_events_wait_behind_their_cause_and_are_retried_with_it(work, db):
    lease = lease_of(work, db)
    cause, later = item(db, 1), item(db, 2)
    work.bury(lease, "graph", [cause], event_types=["X"], error="boom", behind=None)
    work.bury(lease, "graph", [later], event_types=["X"], error="parked", behind=cause.event_id)
    work.bury(lease, "graph", [later], event_types=["X"], error="parked", behind=cause.event_id)
    assert [letter.event_id for letter in work.dead_letters(database=db, behind=cause.event_id)] == [f"{db}-1", f"{db}-2"]
    work.mark_done(lease, "graph", [], database=db, position=2)
    work.set_dead_letter_state("graph", database=db, event_id=cause.event_id, state="retrying")
    assert [letter.state for letter in work.dead_letters(database=db, state="")] == ["retrying", "retrying"]
    assert work.parked_aggregates("graph", db) == {"Instance|a": f"{db}-1"}
    assert set(work.claim(lease, "graph", [cause, later]).values()) == {Claim.CLAIMED}


def test_done_item_resolves_its_dead_letter(work, db):
    lease = lease_of(work, db)
    work.bury(lease, "graph", items(db, 1), event_types=["X"], error="boom", behind=None)
    work.set_dead_letter_state("graph", database=db, event_id=f"{db}-1", state="retrying")
    work.mark_done(lease, "graph", items(db, 1), database=db, position=4)
    assert [letter.state for letter in work.dead_letters(database=db, state="")] == ["resolved"]
    assert work.parked_aggregates("graph", db) == {}


def test_buried_again_keeps_its_first_failure_and_waits(work, db):
    lease = lease_of(work, db)
    for error in ("first", "second"):
        work.claim(lease, "graph", items(db, 1))
        work.mark_failed(lease, "graph", item(db, 1), error=error)
        work.bury(lease, "graph", items(db, 1), event_types=["X"], error=error, behind=None)
        [letter] = work.dead_letters(database=db)
        work.set_dead_letter_state("graph", database=db, event_id=f"{db}-1", state="retrying")
    assert (letter.error, letter.attempts) == ("second", 2)
    assert letter.first_failed_at < letter.last_failed_at


def test_attempts_of_a_parked_event_count_from_its_own_first(work, db):
    lease = lease_of(work, db)
    work.claim(lease, "graph", items(db, 1, 2))
    work.bury(lease, "graph", items(db, 1), event_types=["X"], error="boom", behind=None)
    work.bury(lease, "graph", items(db, 2), event_types=["X"], error="parked", behind=f"{db}-1")
    work.mark_done(lease, "graph", [], database=db, position=2)
    work.set_dead_letter_state("graph", database=db, event_id=f"{db}-1", state="retrying")
    work.claim(lease, "graph", items(db, 1, 2))
    assert work.mark_failed(lease, "graph", item(db, 2), error="boom") == 1


def test_discarded_dead_letter_no_longer_parks_its_aggregate(work, db):
    lease = lease_of(work, db)
    work.bury(lease, "graph", items(db, 1), event_types=["X"], error="boom", behind=None)
    work.set_dead_letter_state("graph", database=db, event_id=f"{db}-1", state="discarded")
    assert work.parked_aggregates("graph", db) == {}
    assert work.dead_letters(database=db) == []


def test_unknown_dead_letter_is_not_found(work, db):
    with pytest.raises(NotFound):
        work.set_dead_letter_state("graph", database=db, event_id="nothing", state="retrying")


def test_dead_letters_come_oldest_position_first_up_to_the_limit(work, db):
    lease = lease_of(work, db)
    for position in (3, 1, 2):
        work.bury(lease, "graph", items(db, position), event_types=["X"], error="boom", behind=None)
    assert [letter.position for letter in work.dead_letters(database=db, limit=2)] == [1, 2]


def test_reset_forgets_one_handler_in_one_database(work, db):
    lease = lease_of(work, db)
    for handler in ("graph", "search"):
        work.mark_done(lease, handler, items(db, 1), database=db, position=1)
        work.bury(lease, handler, items(db, 2), event_types=["X"], error="boom", behind=None)
    work.reset("graph", db)
    assert (work.position("graph", db), work.position("search", db)) == (0, 1)
    assert [letter.handler for letter in work.dead_letters(database=db)] == ["search"]
    assert work.claim(lease, "graph", items(db, 1)) == {f"{db}-1": Claim.CLAIMED}


def test_a_batch_of_a_thousand_is_marked_in_one_transaction_or_few(postgres_dsn, db):
    postgres = Postgres(postgres_dsn, max_size=1)
    work = PostgresWorkLedger(postgres)
    lease = lease_of(work, db)
    batch = items(db, *range(1, 1001))
    work.claim(lease, "graph", batch)
    with postgres.connection() as connection:
        before = _statements(connection)
    work.mark_done(lease, "graph", batch, database=db, position=1000)
    with postgres.connection() as connection:
        after = _statements(connection)
    assert after - before <= 4
    assert work.position("graph", db) == 1000
    postgres.close()


def _statements(connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return row[0]


def test_every_method_of_a_closed_ledger_raises_closed(work, db):
    lease = lease_of(work, db)
    work.close()
    work.close()
    calls = [
        lambda: work.acquire("x", owner="me", seconds=1),
        lambda: work.renew(lease, seconds=1),
        lambda: work.release(lease),
        lambda: work.holder("x"),
        lambda: work.holders("x"),
        lambda: work.claim(lease, "graph", items(db, 1)),
        lambda: work.mark_done(lease, "graph", items(db, 1), database=db, position=1),
        lambda: work.mark_failed(lease, "graph", item(db, 1), error="x"),
        lambda: work.bury(lease, "graph", items(db, 1), event_types=["X"], error="x", behind=None),
        lambda: work.parked_aggregates("graph", db),
        work.dead_letters,
        lambda: work.set_dead_letter_state("graph", database=db, event_id="x", state="resolved"),
        lambda: work.position("graph", db),
        lambda: work.reset("graph", db),
        lambda: work.purge(before=datetime.now(UTC)),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


def test_a_ledger_that_does_not_answer_is_unavailable():
    postgres = Postgres("postgresql:///nothing?host=/nowhere", max_size=1, wait_seconds=0.2)
    with pytest.raises(LedgerUnavailable):
        PostgresWorkLedger(postgres).position("graph", "db")
    postgres.close()


def test_marks_stand_in_the_partition_of_their_day(postgres_dsn, db):
    postgres = Postgres(postgres_dsn, max_size=1)
    work = PostgresWorkLedger(postgres)
    work.mark_done(lease_of(work, db), "graph", items(db, 1), database=db, position=1)
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute(
            "SELECT tableoid::regclass::text FROM spice_work.processed_events WHERE database = %s", (db,)
        ).fetchone()
    assert row[0] == f"spice_work.processed_events_{datetime.now(UTC):%Y%m%d}"
    postgres.close()


def test_failure_is_unannounced_until_it_is_recorded_and_again_after_the_next(work, db):
    lease = work.acquire(f"graph:{db}", owner="me", seconds=30)
    [one] = items(db, 1)
    work.claim(lease, "graph", [one])
    work.bury(lease, "graph", [one], event_types=["X"], error="first", behind=None)
    [told] = [letter for letter in work.unannounced(limit=10_000) if letter.database == db]
    work.mark_announced([told])
    assert [letter for letter in work.unannounced(limit=10_000) if letter.database == db] == []
    work.bury(lease, "graph", [one], event_types=["X"], error="second", behind=None)
    work.mark_announced([told])
    [again] = [letter for letter in work.unannounced(limit=10_000) if letter.database == db]
    assert again.error == "second"
