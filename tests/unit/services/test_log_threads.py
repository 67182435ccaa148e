"""The threads that fold and pack in the background: no error ends them, and none is hidden."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from event_log_world import DB, World, command, world

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.errors import BrokenChain, StoreUnavailable
from spice_core.ports.ledger import EMPTY_HEAD
from spice_core.services.event_log.folder import FoldingThread
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.obstacles import Obstacles
from spice_core.services.event_log.packing_thread import PackingThread

SECONDS = 10


class TroubledLedger(MemoryLedger):
    """Raises `trouble` at every fold, and counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | None = None
        self.raised = threading.Semaphore(0)

    def fold(self, *arguments, **more) -> bool:
        if self.trouble is not None:
            self.raised.release()
            raise self.trouble
        return super().fold(*arguments, **more)


class Databases:
    """Stands for a folder and for a packer: `damaged` raises at whatever is done with it, the others are noted."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_done = threading.Event()

    def is_behind(self, database: str, _head: object) -> bool:
        if database == "damaged":
            raise BrokenChain
        return True

    def is_due(self, database: str, _folded: object) -> bool:
        return self.is_behind(database, _folded)

    def fold(self, database: str) -> None:
        self.done.append(database)
        self.is_done.set()

    def pack(self, database: str, *, most: int) -> list[object]:
        del most
        self.done.append(database)
        return []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def until(holds: Callable[[], bool]) -> bool:
    waiter = threading.Event()
    return any(holds() or waiter.wait(0.01) for _ in range(SECONDS * 100))


def test_folding_goes_on_after_an_error_that_nobody_foresaw_and_tells_it_once(place: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger=Obstacles.__module__)
    ledger = TroubledLedger()
    log = place.log(ledger=ledger, limits=LogLimits(fold_seconds=0.001), started=True)
    ledger.trouble = ZeroDivisionError("a bug")
    log.append(DB, [command("a")], create=True)
    assert all(ledger.raised.acquire(timeout=SECONDS) for _ in range(3)), "it is tried again"
    assert log._folding.last_error is ledger.trouble
    ledger.trouble = None
    assert until(lambda: log._folding.last_error is None)
    assert ledger.view(DB).head.position == 1
    told, over = caplog.records
    assert (told.levelno, told.exc_info[0]) == (logging.ERROR, ZeroDivisionError)
    assert (over.levelno, DB in over.getMessage()) == (logging.INFO, True)


def test_a_damaged_log_keeps_no_other_from_being_folded_or_packed():
    names, found = ("damaged", "sound"), Databases()
    heads = dict.fromkeys(names, EMPTY_HEAD)
    folding = FoldingThread(
        found,
        databases=lambda: names,
        heads=lambda: heads,
        afterwards=lambda _database: None,
        interval_seconds=0.001,
        sweep_seconds=SECONDS,
    )
    folding.start()
    assert found.is_done.wait(SECONDS)
    folding.stop()
    packing = PackingThread(found, heads=lambda: heads, interval_seconds=SECONDS)
    packing.run_once()
    assert found.done == ["sound", "sound"]
    assert isinstance(folding.last_error, BrokenChain), "the success of another database does not hide it"
    assert isinstance(packing.last_error, BrokenChain)


def test_errors_are_told_when_their_kind_changes_and_stand_until_their_subject_is_passed(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger=Obstacles.__module__)
    obstacles = Obstacles("folder")

    def fail(error: Exception) -> None:
        raise error

    for error in (StoreUnavailable("request 1"), StoreUnavailable("request 2"), BrokenChain("a gap")):
        assert obstacles.attempt("shop", lambda error=error: fail(error)) is error
        assert obstacles.last_error is error
    assert obstacles.attempt("other", lambda: None) is None
    assert isinstance(obstacles.last_error, BrokenChain)
    assert obstacles.attempt("shop", lambda: None) is None
    assert obstacles.last_error is None
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)] * 2 + [("INFO", None)]
