"""A server that comes back without its last commits while the workers live on: what it lost is made again."""

import time
from dataclasses import replace

import pytest

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.system.clock import SystemClock
from spice_core.services.project_audit import AuditProjector
from spice_workers.runner import Runner
from spice_workers.stream import Pass
from tests.workers_world import Workers

DB = "shop"


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
def audit() -> MemoryAuditStore:
    return MemoryAuditStore()


def lose_commits(workers: Workers, audit: MemoryAuditStore) -> None:
    """Let the server have lost all it had of the projection and of its position: they are lost together."""
    audit.reset(DB)
    workers.work.reset("audit", DB)


def positions(audit: MemoryAuditStore) -> list[int]:
    return [entry.position for entry in audit.query(database=DB)]


def test_projection_whose_commits_were_lost_lacks_nothing_after_the_next_event(workers, audit):
    workers.append("a")
    workers.append("b")
    runner = workers.another_runner("me", AuditProjector(audit))
    runner.run_until_idle()
    lose_commits(workers, audit)
    workers.append("c")
    assert runner.step("audit", DB) is Pass.PAUSED
    assert positions(audit) == []
    workers.clock.sleep(10)
    runner.run_until_idle()
    assert positions(audit) == [3, 2, 1]


def test_worker_that_took_over_a_projection_knows_how_far_it_was(workers, audit):
    workers.append("a")
    first = workers.another_runner("first", AuditProjector(audit))
    first.run_until_idle()
    first.stream("audit", DB).release()
    second = workers.another_runner("second", AuditProjector(audit))
    assert second.step("audit", DB) is Pass.IDLE
    lose_commits(workers, audit)
    workers.append("b")
    assert second.step("audit", DB) is Pass.PAUSED
    workers.clock.sleep(10)
    second.run_until_idle()
    assert positions(audit) == [2, 1]


def test_lost_commits_are_made_again_though_nothing_new_comes(workers, audit):
    workers.limits = replace(workers.limits, heartbeat_seconds=0.01, tick_seconds=0.005, idle_seconds=0.02, stop_seconds=5)
    workers.append("a")
    runner = workers.another_runner("me", AuditProjector(audit))
    runner._parts = replace(runner._parts, clock=SystemClock())
    runner.start()
    try:
        wait_for_entry(audit, runner)
        lose_commits(workers, audit)
        wait_for_entry(audit, runner)
    finally:
        assert runner.stop()


def wait_for_entry(audit: MemoryAuditStore, runner: Runner) -> None:
    deadline = time.monotonic() + 10
    while positions(audit) != [1]:
        assert time.monotonic() < deadline, runner.health()
        time.sleep(0.005)
