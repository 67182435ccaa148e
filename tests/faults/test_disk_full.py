"""Fault 8 over HTTP: the disk of the log fills up under load, and is emptied again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.faults.installation import DB, Installation, installation
from tests.faults.load import Load, wait_until
from tests.faults.requests import Fate, Record
from tests.faults.senders import HttpSender

_SIZE = 8_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = tmp_path / "home"
    place.mkdir(mode=0o711)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=711", "spice-test", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"mounting a small file system takes root: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take every byte that is left; return the file that has them."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_fault_08_a_full_disk_acknowledges_nothing_and_recovers_when_there_is_room(small_disk, nursery, clean_database):
    with installation(small_disk, nursery, {"SPICE_POSTGRES_URL": clean_database}) as place:
        place.set_up()
        _, url = place.start_oms()
        place.start_worker()
        place.wait_ready(url)
        record = Record()
        sender = HttpSender([url], record)
        load = Load(sender, [DB], seed=8, clients=4, pause_seconds=0.02, record=record)
        load.start()
        _wait_accepted(place, record, more=15)
        for _ in range(2):
            _stay_full(place, url, record)
            _wait_accepted(place, record, more=15)
        load.stop()
        load.drain(seconds=60)
        sender.close()
        place.wait_caught_up()
        place.check(record)


def _stay_full(place: Installation, url: str, record: Record) -> None:
    """Keep the disk full until clients are turned away, and check what they are told; then make room."""
    ballast = fill(place.home)
    try:
        before = record.unknown_attempts
        wait_until(lambda: record.unknown_attempts > before + 8, seconds=60, what=f"clients turned away\n{place.out}")
        head = place.platform.log.head(DB).position
        refused = httpx2.post(f"{url}/api/v1/instances/{DB}/async/Owner/create", json={"data": {"owner_id": "n", "name": "n"}})
        assert refused.status_code == 503, refused.text
        assert refused.json()["retryable"] is True
        assert "Retry-After" in refused.headers
        assert place.platform.log.head(DB).position == head
        assert os.statvfs(place.home).f_bavail == 0
    finally:
        ballast.unlink()


def _wait_accepted(place: Installation, record: Record, *, more: int) -> None:
    goal = len(record.of(Fate.ACCEPTED)) + more
    wait_until(lambda: len(record.of(Fate.ACCEPTED)) >= goal, seconds=60, what=f"{more} more accepted\n{place.out}")
