"""Faults of worker processes: killed at each point, killed under load, paused past their lease, stopped, cut off."""

import threading
import time

import psycopg
import pytest

from tests.faults.installation import HANDLERS, Installation
from tests.faults.load import Load, wait_until
from tests.faults.senders import ServiceSender

POINTS = (
    *(f"graph:{place}" for place in ("after_claim", "before_effect", "after_effect", "before_done")),
    *(f"search:{place}" for place in ("before_effect", "after_effect")),
    "audit:after_effect",
)
DB = "shop"


@pytest.mark.parametrize("point", POINTS)
def test_worker_killed_at_each_point_loses_nothing_and_repeats_no_effect(place: Installation, point: str):
    ids = place.people(4)
    worker = place.start_worker(ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    assert worker.wait() == 42
    place.start_worker(ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    place.wait_final(ids)
    place.wait_caught_up()
    place.check_people(4)


def test_workers_killed_again_and_again_under_load_lose_double_and_break_nothing(place: Installation):
    load = Load(ServiceSender(place.platform.commands), [DB], seed=1, clients=3, pause_seconds=0.01)
    load.start(requests=60)
    for pause in (0.0, 0.1, 0.25):
        before = place.platform.work.position("graph", DB)
        worker = place.start_worker(SPICE_WORKER_BATCH="7")
        wait_until(lambda before=before: place.platform.work.position("graph", DB) > before, seconds=60, what="progress")
        time.sleep(pause)
        worker.kill()
    place.start_worker()
    load.drain(seconds=60)
    place.wait_caught_up()
    place.check(load.record)


def test_paused_worker_that_wakes_after_its_lease_changes_nothing(place: Installation):
    first = place.start_worker(SPICE_WORKER_BATCH="5")
    place.wait_final(place.people(1))
    first.pause()
    more = place.people(8, first=1)
    place.start_worker()
    place.wait_final(more)
    first.resume()
    place.wait_final(place.people(1, first=9))
    place.wait_caught_up()
    place.check_people(10)


def test_stop_is_clean_within_seconds_and_the_next_worker_goes_on_at_once(place: Installation):
    ids = place.people(20)
    worker = place.start_worker(SPICE_WORKER_BATCH="5")
    wait_until(lambda: place.platform.work.position("graph", DB) >= 20, seconds=60, what="progress")
    worker.send_signal(15)
    assert worker.wait(30) == 0
    assert all(place.platform.work.holder(f"{name}:{DB}") is None for name in HANDLERS)
    place.start_worker()
    place.wait_final(ids)
    place.wait_caught_up()
    place.check_people(20)


def test_cut_connections_and_a_tiny_pool_cost_nothing_but_time(place: Installation, clean_database: str):
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
    load = Load(ServiceSender(place.platform.commands), [DB], seed=2, clients=3)
    cutter.start()
    try:
        load.run(requests=30)
    finally:
        done.set()
        cutter.join()
    place.wait_caught_up()
    place.check(load.record)
