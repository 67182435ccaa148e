"""Faults of worker processes and of PostgreSQL, with real processes and real kills."""

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from spice_core.adapters.postgres.embedded import embedded_pid, start_embedded, stop_embedded
from spice_core.domain.read_models import CommandState
from tests.faults.installation import DB, LEASE_SECONDS, Installation, installation

POINTS = (
    *(f"graph:{place}" for place in ("after_claim", "before_effect", "after_effect", "before_done")),
    *(f"search:{place}" for place in ("before_effect", "after_effect")),
    "audit:after_effect",
)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def place(tmp_path, clean_database, port) -> Iterator[Installation]:
    with installation(tmp_path / "home", clean_database, port) as found:
        found.set_up()
        yield found


@pytest.mark.parametrize("point", POINTS)
def test_worker_killed_at_each_point_loses_nothing_and_repeats_no_effect(place, point):
    ids = place.people(4)
    worker = place.start_worker(ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    assert worker.wait(timeout=60) == 42
    place.start_worker(ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    assert set(place.wait_final(ids).values()) == {CommandState.COMPLETED}
    place.wait_caught_up("graph", "search", "statuses", "lineage", "audit")
    place.check_everything(4)


def test_worker_killed_again_and_again_under_load_ends_equal_to_the_fold(place):
    ids = place.people(60)
    for pause in (0.1, 0.4, 0.9):
        worker = place.start_worker(SPICE_WORKER_BATCH="7")
        deadline = time.monotonic() + 30
        before = place.platform.work.position("graph", DB)
        while place.platform.work.position("graph", DB) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause * 0.3)
        worker.kill()
        worker.wait()
    place.start_worker()
    assert set(place.wait_final(ids).values()) == {CommandState.COMPLETED}
    place.wait_caught_up("graph", "search", "statuses", "lineage", "audit")
    place.check_everything(60)


def test_paused_worker_that_wakes_after_its_lease_changes_nothing(place, port):
    first = place.start_worker(SPICE_WORKER_BATCH="5")
    warm = place.people(1)
    place.wait_final(warm)
    os.kill(first.pid, signal.SIGSTOP)
    more = [
        place.platform.commands.create_instance(DB, "main", "Person", {"person_id": f"p{n}", "f0": "0"}).command_id
        for n in range(1, 20)
    ]
    place.start_worker(port=port + 1)
    assert set(place.wait_final(more).values()) == {CommandState.COMPLETED}
    os.kill(first.pid, signal.SIGCONT)
    last = place.platform.commands.create_instance(DB, "main", "Person", {"person_id": "last", "f0": "0"}).command_id
    place.wait_final([last])
    place.wait_caught_up("graph", "search")
    events = place.platform.log.read(DB, after=0, limit=10_000)
    answers = [recorded.event.command_id for recorded in events if not recorded.event.is_command]
    assert len(answers) == len(set(answers))
    assert place.platform.work.dead_letters(state="") == []


def test_stop_is_clean_within_seconds_and_the_next_worker_goes_on_at_once(place):
    place.people(30)
    worker = place.start_worker(SPICE_WORKER_BATCH="5")
    while place.platform.work.position("graph", DB) < 20:
        time.sleep(0.01)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=10) == 0
    assert all(place.platform.work.holder(f"{name}:{DB}") is None for name in ("graph", "search", "audit"))
    place.start_worker()
    place.wait_caught_up("graph", "search", "statuses", "lineage", "audit")
    place.check_everything(30)


def test_cut_connections_and_a_tiny_pool_cost_nothing_but_time(place, clean_database):
    place.start_worker(SPICE_POSTGRES_POOL_SIZE="3", SPICE_WORKER_BATCH="10")
    done = threading.Event()

    def cut() -> None:
        with psycopg.connect(clean_database, autocommit=True) as connection:
            while not done.wait(0.3):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND application_name = 'spice' AND random() < 0.5"
                )

    cutter = threading.Thread(target=cut)
    ids = place.people(30)
    cutter.start()
    try:
        place.wait_final(ids)
    finally:
        done.set()
        cutter.join()
    assert set(place.wait_final(ids).values()) == {CommandState.COMPLETED}
    place.wait_caught_up("graph", "search", "statuses", "lineage", "audit")
    place.check_everything(30)


@pytest.fixture
def own_directory() -> Iterator[Path]:
    """A directory that a server of another user can pass through; pytest closes its own to others at every start."""
    with tempfile.TemporaryDirectory(prefix="spice-faults-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_fault_14_killed_and_restarted_postgres_leaves_no_partial_effect(own_directory, tmp_path, port):
    data_dir = own_directory / "postgres"
    dsn = start_embedded(data_dir, shared_buffers="32MB", settings={"fsync": "off"})
    try:
        with installation(tmp_path / "home", dsn, port) as place:
            place.set_up()
            ids = place.people(30)
            place.start_worker(SPICE_WORKER_BATCH="5")
            while place.platform.work.position("graph", DB) < 20:
                time.sleep(0.01)
            pid = embedded_pid(data_dir)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            time.sleep(LEASE_SECONDS)
            start_embedded(data_dir, shared_buffers="32MB", settings={"fsync": "off"})
            assert set(place.wait_final(ids, seconds=90).values()) == {CommandState.COMPLETED}
            place.wait_caught_up("graph", "search", "statuses", "lineage", "audit")
            place.check_everything(30)
    finally:
        stop_embedded(data_dir)
