"""Faults of the servers below: each killed, hung, cut off, slowed, and its answers lost, under load.

Each test runs on the embedded parts with one of them replaced by a real server, so that the fault is that server's alone.
"""

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.faults.chaos import Stack
from tests.faults.installation import DB, Installation, installation
from tests.faults.load import Load, wait_until
from tests.faults.requests import Fate, Record
from tests.faults.senders import HttpSender

pytestmark = pytest.mark.timeout(600)
REAL = [pytest.param(name, marks=pytest.mark.full) for name in ("s3", "kafka", "elasticsearch", "redis")]
SERVERS = ["postgres", *REAL]
PROXIED = ["postgres", *(each for each in REAL if each.values != ("kafka",))]
NEEDED_TO_ACCEPT = {"postgres", "s3"}


@dataclass
class Site:
    """One server that is ours alone, an installation on it, an API, workers, and clients that write."""

    name: str
    stack: Stack
    place: Installation
    load: Load
    sender: HttpSender

    @property
    def record(self) -> Record:
        return self.load.record

    def accepted(self) -> int:
        """How many requests were accepted so far."""
        return len(self.record.of(Fate.ACCEPTED))

    def goes_on(self, *, more: int = 15) -> None:
        """Wait until some more requests are accepted."""
        goal = self.accepted() + more
        wait_until(lambda: self.accepted() >= goal, seconds=60, what=f"more accepted than {goal - more}\n{self.place.out}")

    def is_in_trouble(self) -> None:
        """Wait until the fault shows, where it must; where it must not, wait until clients get on all the same."""
        if self.name in NEEDED_TO_ACCEPT:
            before = self.record.unknown_attempts
            wait_until(lambda: self.record.unknown_attempts > before, seconds=60, what="an attempt without an answer")
        else:
            self.goes_on()

    def finish(self) -> None:
        """End the load, wait for the work's end, and judge."""
        self.goes_on()
        self.load.stop()
        self.load.drain(seconds=90)
        self.place.wait_caught_up(seconds=180)
        self.place.check(self.record)


@pytest.fixture
def site(request, own_module_server, tmp_path, nursery) -> Iterator[Site]:
    """A site on the server that the test's parameter names; the server is shared by the file, its contents are not."""
    name, own = request.param, f"t{uuid.uuid4().hex[:12]}"
    server = _server(request, own_module_server, name)
    stack = Stack.of([server], more={})
    if name == "postgres":
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {own}")
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")  # a crash shall cost the asynchronous commits
            connection.execute("SELECT pg_reload_conf()")
        before, _, after = stack.settings["SPICE_POSTGRES_URL"].rpartition("/spice")
        database = f"{before}/{own}{after}"
    else:
        database = request.getfixturevalue("clean_database")
    settings = {
        **stack.settings,
        "SPICE_POSTGRES_URL": database,
        "SPICE_S3_BUCKET": own,
        "SPICE_KAFKA_TOPIC_PREFIX": f"{own}.",
        "SPICE_ELASTICSEARCH_INDEX_PREFIX": own,
    }
    with contextlib.ExitStack() as closing:
        closing.callback(stack.close)
        place = closing.enter_context(installation(tmp_path / "home", nursery, settings))
        closing.callback(stack.calm)
        place.set_up()
        _, url = place.start_oms(REQUEST_TIMEOUT="5")
        # Elasticsearch pays for a batch, not for an event, and takes long to come back: small batches would never catch up.
        place.start_worker(SPICE_WORKER_BATCH="500" if name == "elasticsearch" else "20")
        place.wait_ready(url)
        record = Record()
        sender = HttpSender([url], record)
        closing.callback(sender.close)
        load = Load(sender, [DB], seed=9, clients=4, pause_seconds=0.02, record=record)
        load.start()
        closing.callback(load.stop)
        yield Site(name, stack, place, load, sender)


def _server(request, own_module_server, name: str):
    """Return the file's own server of this name, started once, and again where the test before left it dead."""
    made = request.config.stash.setdefault(_MADE, {})
    if name not in made:
        made[name] = own_module_server(name)
    made[name].start()
    return made[name]


_MADE: pytest.StashKey[dict] = pytest.StashKey()


@pytest.mark.parametrize("site", SERVERS, indirect=True)
def test_a_server_killed_under_load_costs_time_only(site: Site):
    server = site.stack.servers[site.name]
    site.goes_on()
    server.kill()
    site.is_in_trouble()
    server.start()
    site.finish()


@pytest.mark.parametrize("site", SERVERS, indirect=True)
def test_a_server_that_hangs_under_load_costs_time_only(site: Site):
    server = site.stack.servers[site.name]
    site.goes_on()
    for seconds in (0.5, 3.0):
        server.pause()
        time.sleep(seconds)
        server.resume()
        site.goes_on(more=5)
    site.finish()


@pytest.mark.parametrize("site", PROXIED, indirect=True)
def test_connections_cut_slowed_and_refused_cost_time_only(site: Site):
    proxy = site.stack.proxies[site.name]
    site.goes_on()
    for _ in range(5):
        proxy.cut()
        time.sleep(0.2)
    proxy.delay(0.05)
    site.goes_on(more=5)
    proxy.calm()
    proxy.throttle(50_000)
    site.goes_on(more=5)
    proxy.refuse()
    site.is_in_trouble()
    proxy.calm()
    site.finish()


@pytest.mark.parametrize("site", PROXIED, indirect=True)
def test_answers_lost_after_their_effect_double_nothing(site: Site):
    proxy = site.stack.proxies[site.name]
    site.goes_on()
    for _ in range(6):
        lost = proxy.lost_answers
        proxy.lose_answers(2, to=WRITES.get(site.name, ""))
        wait_until(lambda lost=lost: proxy.lost_answers > lost, seconds=30, what=f"an answer to lose\n{site.place.out}")
    site.finish()


WRITES = {"postgres": "COMMIT|INSERT|UPDATE", "s3": "^PUT .*/log/", "elasticsearch": "_bulk"}
"""What in a request says that it has an effect."""
