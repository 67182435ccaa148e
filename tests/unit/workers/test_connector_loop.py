"""The loop of connectors: what is due is synced a few at once, and what nobody foresaw stops no other source."""

import threading
from collections.abc import Callable
from typing import Any, cast

from spice_core.bootstrap import Platform
from spice_core.domain.connectors import SyncState
from spice_core.errors import LedgerUnavailable
from spice_core.services.sync_connectors import Due, SyncConnectors, SyncOutcome
from spice_workers.connectors import ConnectorLoop
from tests.write_path import SteppedClock


class Syncs:
    """Sources that are always due; `trouble` may raise for one of them."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.trouble: Callable[[str], None] = lambda _name: None
        self.done: list[str] = []
        self.noted: list[tuple[str, str]] = []

    def due(self, _now: Any) -> list[Due]:
        return [Due("shop", name) for name in self.names]

    def sync(self, _database: str, source_id: str, **_options: Any) -> SyncOutcome:
        self.trouble(source_id)
        self.done.append(source_id)
        return SyncOutcome(source_id, "new_version", SyncState(source_id))

    def note_failure(self, _database: str, source_id: str, error: str) -> None:
        self.noted.append((source_id, error))


class Parts:
    clock = SteppedClock()


def loop_over(syncs: Syncs, *, concurrency: int = 5) -> ConnectorLoop:
    return ConnectorLoop(cast("Platform", Parts()), cast("SyncConnectors", syncs), seconds=0.01, concurrency=concurrency)


def test_no_more_sources_at_once_than_said_and_none_twice():
    syncs, gate, begun = Syncs("a", "b", "c"), threading.Event(), threading.Semaphore(0)
    at_once: list[str] = []

    def waits(name: str) -> None:
        at_once.append(name)
        begun.release()
        assert gate.wait(10)

    syncs.trouble = waits
    loop = loop_over(syncs, concurrency=2)
    loop.look()
    assert begun.acquire(timeout=10)
    assert begun.acquire(timeout=10)
    loop.look()
    assert sorted(at_once) == ["a", "b"]
    gate.set()
    loop.close()


def test_what_nobody_foresaw_is_put_on_record_and_the_others_go_on():
    def trouble(name: str) -> None:
        if name == "a":
            raise ZeroDivisionError
        if name == "b":
            raise LedgerUnavailable("away")

    syncs, ended = Syncs("a", "b", "c"), threading.Event()
    syncs.trouble = trouble
    loop = loop_over(syncs)
    loop.look()
    loop._pool.submit(ended.set)
    assert ended.wait(10)
    loop._pool.shutdown(wait=True)
    assert (syncs.done, syncs.noted) == (["c"], [("a", "ZeroDivisionError")])


def test_it_looks_again_and_again_also_after_a_part_was_down():
    syncs, seen, looks = Syncs(), threading.Event(), []

    def due(_now: Any) -> list[Due]:
        looks.append(1)
        if len(looks) == 1:
            raise LedgerUnavailable("away")
        seen.set()
        return []

    syncs.due = due  # type: ignore[method-assign]
    loop = loop_over(syncs)
    loop.start()
    assert seen.wait(10)
    loop.close()
