"""The queue in front of a log: who leads, and what happens when a leader is interrupted."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_log_world import DB, World, command, world

from spice_core.errors import StoreUnavailable
from spice_core.services.event_log.appender import _Ticket


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


class Interrupted(BaseException):
    """Stands for Ctrl-C in the middle of a batch."""


def test_a_leader_that_is_interrupted_fails_its_batch_and_the_next_goes_on(place: World, monkeypatch: pytest.MonkeyPatch):
    log = place.log()
    log.append(DB, [command("start")], create=True)
    appender = log._appenders[DB]
    commit, entered, go_on = appender.log.commit, threading.Event(), threading.Event()
    calls = iter(range(10))

    def commit_or_fail(requests):
        if next(calls) == 0:
            entered.set()
            go_on.wait(30)
            return commit(requests)
        appender.log.commit = commit  # type: ignore[method-assign]
        raise Interrupted

    monkeypatch.setattr(appender.log, "commit", commit_or_fail)
    outcomes: dict[str, object] = {}

    def append(name: str) -> None:
        try:
            outcomes[name] = log.append(DB, [command(name, event_id=name)])
        except (StoreUnavailable, Interrupted) as error:
            outcomes[name] = error

    first = threading.Thread(target=append, args=("first",))
    first.start()
    assert entered.wait(30)
    others = [threading.Thread(target=append, args=(f"other {number}",)) for number in range(4)]
    for thread in others:
        thread.start()
    while len(appender._waiting) < 4:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in [first, *others]:
        thread.join(30)
    kinds = sorted(type(outcome).__name__ for outcome in outcomes.values())
    assert kinds == ["AppendResult", "Interrupted", "StoreUnavailable", "StoreUnavailable", "StoreUnavailable"]
    assert log.append(DB, [command("a")]).events[0].position == 3


def test_an_interrupted_waiter_leaves_the_queue_and_blocks_nobody(place: World):
    log = place.log()
    log.append(DB, [command("start")], create=True)
    appender = log._appenders[DB]

    class Lock:
        """A ticket's lock whose wait is interrupted."""

        def acquire(self) -> None:
            raise Interrupted

    appender._leader = object()  # type: ignore[assignment]
    ticket = _Ticket(None)  # type: ignore[arg-type]
    ticket.call = Lock()  # type: ignore[assignment]
    appender._waiting.append(ticket)
    with pytest.raises(Interrupted):
        appender._wait(ticket)
    assert not appender._waiting
    appender._leader = None
    assert log.append(DB, [command("a")]).events[0].position == 2
