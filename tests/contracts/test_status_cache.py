"""The contract of `StatusCache`, on every adapter."""

import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spice_core.adapters.memory.status_cache import MemoryStatusCache
from spice_core.adapters.redis.connection import RedisServer
from spice_core.adapters.redis.status_cache import RedisStatusCache
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus
from spice_core.errors import Closed

_AT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def db() -> str:
    return f"db-{uuid.uuid4()}"


def status_of(db: str, state: CommandState = CommandState.COMPLETED, **more) -> CommandStatus:
    values = {
        "command_id": str(uuid.uuid4()),
        "database": db,
        "state": state,
        "command_type": "CREATE_INSTANCE",
        "aggregate_id": f"{db}:main:Person:kim",
        "submitted_at": _AT,
        "completed_at": _AT + timedelta(microseconds=1),
        "result": {"commit": "c", "position": 2**53, "details": {"ü": [1.5, None, True, "x"]}},
        "errors": [],
        "history": [(CommandState.PENDING, _AT), (state, _AT + timedelta(microseconds=1))],
    }
    return CommandStatus(**{**values, **more})


def test_unknown_command_has_no_entry(cache):
    assert cache.get(str(uuid.uuid4())) is None


def test_entry_is_what_was_put_with_its_origin(cache, db):
    plain, bulk = (
        status_of(db),
        status_of(db, CommandState.FAILED, total=3, done=2, failed=1, errors=[{"error": "no"}], error="1 of 3"),
    )
    cache.put([plain, bulk], origin="log-1")
    for status in (plain, bulk):
        entry = cache.get(status.command_id)
        assert (entry.status, entry.origin) == (status, "log-1")


def test_status_that_can_still_change_is_never_kept(cache, db):
    others = [status_of(db, state, completed_at=None) for state in CommandState if state not in FINAL_STATES]
    cache.put(others, origin="log-1")
    assert [cache.get(status.command_id) for status in others] == [None] * len(others)


def test_entry_of_the_same_command_is_replaced(cache, db):
    status = status_of(db)
    cache.put([status], origin="log-1")
    cache.put([replace(status, result={"commit": "d"})], origin="log-2")
    entry = cache.get(status.command_id)
    assert (entry.status.result, entry.origin) == ({"commit": "d"}, "log-2")


def test_forgotten_database_has_no_entries_and_others_keep_theirs(cache, db):
    gone, kept = status_of(db), status_of(f"{db}-other")
    cache.put([gone, kept], origin="log-1")
    cache.forget(db)
    assert cache.get(gone.command_id) is None
    assert cache.get(kept.command_id).status == kept
    cache.put([gone], origin="log-1")
    assert cache.get(gone.command_id).status == gone


@pytest.mark.full
def test_redis_that_evicts_what_it_knew_of_a_database_brings_nothing_back(redis_server, db):
    with closing(RedisServer(redis_server.url, timeout_seconds=5.0)) as server:
        cache = RedisStatusCache(server, ttl_seconds=60)
        gone, fresh = status_of(db), status_of(db)
        cache.put([gone], origin="log-1")
        cache.forget(db)
        cache.put([fresh], origin="log-1")
        for key in server.client.scan_iter(f"command:epoch:{db}"):
            server.client.delete(key)
        assert [cache.get(gone.command_id), cache.get(fresh.command_id)] == [None, None]
        cache.put([fresh], origin="log-1")
        assert cache.get(gone.command_id) is None
        assert cache.get(fresh.command_id).status == fresh
        assert 0 < server.client.ttl(f"command:{fresh.command_id}:status") <= 60
        RedisStatusCache(server, ttl_seconds=0).put([fresh], origin="log-1")
        assert server.client.ttl(f"command:{fresh.command_id}:status") == -1, "0: no expiry"
        server.client.set(f"command:{fresh.command_id}:status", b'{"status":"COMPLETED"}')
        assert cache.get(fresh.command_id) is None, "written by another program"


def test_nothing_to_keep_is_no_error(cache):
    cache.put([], origin="log-1")


def test_values_never_alias_the_caller(cache, db):
    result = {"details": {"a": 1}}
    status = status_of(db, result=result)
    cache.put([status], origin="log-1")
    result["details"]["a"] = 2
    assert cache.get(status.command_id).status.result == {"details": {"a": 1}}
    cache.get(status.command_id).status.result["details"]["a"] = 3
    assert cache.get(status.command_id).status.result == {"details": {"a": 1}}


def test_closed_cache_refuses(cache, db):
    cache.close()
    cache.close()
    for use in (lambda: cache.get("x"), lambda: cache.put([status_of(db)], origin=""), lambda: cache.forget(db)):
        with pytest.raises(Closed):
            use()


# The contract goes red on broken caches.


class Hasty(MemoryStatusCache):
    """Keeps statuses that can still change."""

    def put(self, statuses, *, origin):
        for status in statuses:
            super().put([replace(status, state=CommandState.COMPLETED)], origin=origin)


class Faithful(MemoryStatusCache):
    """Forgets nothing."""

    def forget(self, database):
        return


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Hasty, test_status_that_can_still_change_is_never_kept),
        (Faithful, test_forgotten_database_has_no_entries_and_others_keep_theirs),
    ],
)
def test_contract_goes_red_on_a_broken_cache(broken, test, db):
    with pytest.raises(AssertionError):
        test(broken(), db)
