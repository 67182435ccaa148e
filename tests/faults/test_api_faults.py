"""Faults of the processes that accept commands: killed at each point of an append, two at once, one that hangs and comes back."""

import time
from collections.abc import Sequence

import pytest

from spice_api.dev.servers.server import free_port
from tests.faults.crashing_oms import POINTS
from tests.faults.installation import DB, Installation
from tests.faults.load import Load, wait_until
from tests.faults.requests import Fate, Record
from tests.faults.senders import HttpSender


def clients_of(urls: Sequence[str], *databases: str, seed: int, record: Record | None = None) -> tuple[Load, HttpSender]:
    """Return clients of these APIs, not started."""
    record = record or Record()
    sender = HttpSender(urls, record)
    return Load(sender, databases or [DB], seed=seed, clients=5, pause_seconds=0.02, record=record), sender


def finish(place: Installation, load: Load, sender: HttpSender, *databases: str) -> None:
    """Let every client get its answer, let the workers end their work, and judge."""
    load.drain(seconds=60)
    sender.close()
    place.wait_caught_up(*databases)
    place.check(load.record, *databases)


@pytest.mark.parametrize("point", POINTS)
def test_fault_01_api_killed_at_each_point_of_an_append(place: Installation, point: str):
    place.start_worker()
    port = free_port()
    doomed, url = place.start_oms(port=port, program="tests.faults.crashing_oms", FAULT_POINT=point, FAULT_COUNT="6")
    place.wait_ready(url)
    load, sender = clients_of([url], seed=3)
    load.start(requests=15)
    assert doomed.wait(60) == -9
    place.start_oms(port=port)
    finish(place, load, sender)
    assert load.record.unknown_attempts


def test_fault_03_two_live_apis_and_one_that_hangs_and_comes_back(place: Installation):
    place.start_worker()
    (zombie, first), (_, second) = place.start_oms(), place.start_oms()
    place.wait_ready(first, second)
    load, sender = clients_of([first, second], seed=4)
    load.start()
    for number in range(2):
        accepted = len(load.record.of(Fate.ACCEPTED))
        wait_until(lambda a=accepted: len(load.record.of(Fate.ACCEPTED)) > a + 10, seconds=60, what="progress of both")
        zombie.pause()
        beside, other = clients_of([second], seed=50 + number, record=load.record)
        beside.run(requests=5)
        other.close()
        zombie.resume()
    load.stop()
    finish(place, load, sender)


@pytest.mark.long
def test_fault_03_a_writer_that_hangs_for_thirty_seconds_makes_no_gap_and_no_fork(place: Installation):
    place.start_worker()
    (zombie, first), (_, second) = place.start_oms(), place.start_oms()
    place.wait_ready(first, second)
    load, sender = clients_of([first, second], seed=6)
    load.start()
    time.sleep(2)
    zombie.pause()
    time.sleep(30)
    zombie.resume()
    time.sleep(2)
    load.stop()
    finish(place, load, sender)


def test_apis_and_workers_killed_under_load_on_several_databases(empty_place: Installation):
    place, databases = empty_place, ("alpha", "beta", "gamma")
    place.set_up(*databases)
    ports = [free_port(), free_port()]
    apis = [place.start_oms(port=port) for port in ports]
    workers = [place.start_worker(SPICE_WORKER_BATCH="20"), place.start_worker(SPICE_WORKER_BATCH="20")]
    place.wait_ready(*(url for _, url in apis))
    load, sender = clients_of([url for _, url in apis], *databases, seed=7)
    load.start()
    for number in range(2):
        accepted = len(load.record.of(Fate.ACCEPTED))
        wait_until(lambda a=accepted: len(load.record.of(Fate.ACCEPTED)) > a + 30, seconds=60, what="progress")
        workers[number].kill()
        apis[number][0].kill()
        workers.append(place.start_worker(SPICE_WORKER_BATCH="20"))
        place.start_oms(port=ports[number])
        place.wait_ready(apis[number][1])
    load.stop()
    finish(place, load, sender, *databases)
