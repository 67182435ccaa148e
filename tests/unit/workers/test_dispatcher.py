"""The dispatcher in its threads: what one log does to its reader stops no other, and a standby tells no lag."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from spice_core.adapters.system.clock import SystemClock
from spice_core.errors import StoreUnavailable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_workers.runner import Runner
from spice_workers.stream import Pass
from tests.workers_world import LIMITS, Workers

_FAST = replace(LIMITS, tick_seconds=0.005, idle_seconds=0.02, first_backoff_seconds=0.02, longest_backoff_seconds=0.05)


@pytest.fixture
def workers() -> Workers:
    return Workers(limits=replace(_FAST, stop_seconds=5))


@pytest.fixture
def running(workers) -> Iterator[Callable[[], Runner]]:
    started: list[Runner] = []

    def start() -> Runner:
        runner = workers.another_runner("me")
        runner._parts = replace(runner._parts, clock=SystemClock())
        runner.start()
        started.append(runner)
        return runner

    yield start
    ended = [runner.stop() for runner in started]
    assert all(ended)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def damage(workers: Workers, database: str) -> None:
    """Change a byte in the newest segment of `database`; another process reads it."""
    store = workers.log._segments._store
    key = [key for key in store.list_keys(f"{database}/") if "/log/" in key][-1]
    data = store.get(key)
    store.delete(key)
    store.put_if_absent(key, data.replace(b"Thing", b"Thong"))
    ledger = workers.log._ledger
    workers.log = EventLog(store=store, ledger=ledger, clock=workers.clock, ids=workers.ids, writer_id="another")
    workers.feed = LogEventFeed(workers.log)


def test_damaged_log_stops_no_worker_of_another_database_and_is_told(workers, running):
    workers.append("x", database="aaa")
    intact = workers.append("x", database="zzz")
    damage(workers, "aaa")
    runner = running()
    wait_for(lambda: workers.handler.ids("zzz") == [intact])
    is_well, report = runner.health()
    assert is_well
    assert "recording:aaa" in report["paused"]
    assert "recording:zzz" not in report["paused"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("not understood")])
def test_dispatcher_outlives_every_error_of_the_feed_and_works_on_after_it(workers, running, error, monkeypatch):
    workers.append("x", database="aaa")
    feed = workers.feed
    newest, databases, wait = feed.newest, feed.databases, feed.wait
    failing: set[str] = {"newest", "databases", "wait"}

    def or_fail(name, call):
        def answer(*args, **more):
            if name in failing:
                raise error
            return call(*args, **more)

        return answer

    for name, call in (("newest", newest), ("databases", databases), ("wait", wait)):
        monkeypatch.setattr(feed, name, or_fail(name, call))
    runner = running()
    wait_for(lambda: "recording:*" in runner.health()[1]["paused"])
    failing.discard("databases")
    wait_for(lambda: "recording:aaa" in runner.health()[1]["paused"])
    failing.clear()
    wait_for(lambda: workers.handler.ids("aaa"))
    wait_for(lambda: not runner.health()[1]["paused"])
    assert runner.health()[0]


def test_heartbeat_goes_on_for_the_others_when_a_lease_cannot_be_renewed(workers, running, monkeypatch):
    workers.limits = replace(workers.limits, heartbeat_seconds=0.01)
    workers.append("x", database="zzz")
    runner = running()
    renewed: list[int] = []

    def break_down() -> None:
        raise ValueError("not understood")

    monkeypatch.setattr(runner.stream("recording", "aaa"), "renew", break_down)
    monkeypatch.setattr(runner.stream("recording", "zzz"), "renew", lambda: renewed.append(1))
    wait_for(lambda: len(renewed) > 3)


def test_standby_tells_no_lag_of_a_stream_that_another_worker_works(workers):
    workers.append("a")
    second = workers.another_runner("second")
    assert second.step("recording", "shop") is Pass.WORKED
    second.stream("recording", "shop").release()
    assert workers.runner.step("recording", "shop") is Pass.IDLE
    for number in range(5):
        workers.append(f"n{number}")
    workers.runner.run_until_idle()
    workers.clock.sleep(1)
    assert second.step("recording", "shop") is Pass.STANDBY
    second._look_at("shop", 1.0)
    workers.runner._look_at("shop", 1.0)
    assert [lag_of(runner) for runner in (second, workers.runner)] == [0, 0]
    workers.append("late")
    workers.clock.sleep(1)
    workers.runner._look_at("shop", 100.0)
    assert lag_of(workers.runner) == 1


def lag_of(runner: Runner) -> float:
    labels = {"handler": "recording", "database": "shop"}
    return runner._parts.metrics.registry.get_sample_value("spice_worker_lag_events", labels)
