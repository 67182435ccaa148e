"""A PostgreSQL server that is really killed under the log: what it lost is folded again, and nothing acknowledged is gone."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from event_log_world import DB, World, all_events, command, world

from spice_core.adapters.postgres.embedded import embedded_pid, start_embedded, stop_embedded
from spice_core.adapters.postgres.migrate import available_migrations, migrate
from spice_core.errors import LedgerUnavailable


@pytest.fixture
def server() -> Iterator[Path]:
    # Not below pytest's own folder, which the next run closes: as root the server passes through the folders above.
    root = Path(tempfile.mkdtemp(prefix="spice-crash-"))
    yield root / "cluster that crashes"
    stop_embedded(root / "cluster that crashes")
    shutil.rmtree(root)


def start(server: Path) -> str:
    """Start the server so that it loses as much as it may: commits of folds reach the disk as late as possible."""
    return start_embedded(server, shared_buffers="16MB", settings={"wal_writer_delay": "10s", "fsync": "off"})


@pytest.fixture
def place(server: Path, tmp_path: Path) -> Iterator[World]:
    dsn = start(server)
    wanted = ("001_ledger.sql", "009_installation.sql")
    migrate(dsn, migrations={name: sql for name, sql in available_migrations().items() if name in wanted})
    with world("embedded", directory=tmp_path, dsn=dsn) as made:
        yield made


def kill(server: Path) -> None:
    pid = embedded_pid(server)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def folded(place: World) -> int:
    with psycopg.connect(place.dsn or "") as connection:
        row = connection.execute("SELECT position FROM spice_ledger.folded_head").fetchone()
    return 0 if row is None else int(row[0])


def test_folds_that_a_killed_server_lost_are_folded_again(server: Path, place: World):
    log = place.log()
    for number in range(10):
        log.append(DB, [command("a", event_id=f"e{number}")], create=True)
    log.fold(DB)
    assert folded(place) == 10
    kill(server)
    start(server)
    lost = folded(place) < 10  # asynchronous commits may be gone; the log does not depend on which
    again = log.append(DB, [command("a", event_id="e3")])
    assert (again.is_duplicate, again.events[0].position) == (True, 4)
    assert log.append(DB, [command("a", event_id="e10")], expected={"Instance|a": 10}).events[0].event.sequence_number == 11
    assert place.log().append(DB, [command("a", event_id="e5")]).is_duplicate
    log.fold(DB)
    assert folded(place) == 11
    assert place.ledger().view(DB, aggregates=["Instance|a"]).numbers == {"Instance|a": 11}
    assert log.verify(DB).is_intact
    assert lost, "the server was to lose its last commits, else this test proves little"


def test_appends_while_the_server_is_away_are_refused_or_kept_and_resume_by_themselves(server: Path, place: World):
    log = place.log(started=True)
    log.append(DB, [command("a", event_id="first")], create=True)
    kill(server)
    acknowledged = ["first"]
    for number in range(5):
        try:
            log.append(DB, [command("b", event_id=f"e{number}")])
        except LedgerUnavailable:
            continue
        acknowledged.append(f"e{number}")
    start(server)
    for number in range(5):
        log.append(DB, [command("b", event_id=f"e{number}")])
    found = [event.event_id for event in all_events(log)]
    assert set(acknowledged) <= set(found)
    assert sorted(found) == sorted({"first", *(f"e{number}" for number in range(5))})
    log.fold(DB)
    assert log.number(DB, "Instance|b") == 5
