"""Reads wait a little for what was accepted before them, and never longer."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from spice_core.errors import LogBehind
from spice_core.services.wait_for_reads import ReadBarrier


@dataclass
class Scene:
    """A log head, handlers that advance by `steps` whenever time passes, and a clock that only sleeping moves."""

    head: int = 10
    positions: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for name, step in self.steps.items():
            self.positions[name] = self.positions.get(name, 0) + step

    def barrier(self, seconds: float) -> ReadBarrier:
        log: Any = SimpleNamespace(head=lambda database: SimpleNamespace(position=self.head))
        work: Any = SimpleNamespace(position=lambda handler, database: self.positions.get(handler, 0))
        clock: Any = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        return ReadBarrier(log, work, clock, seconds)


def test_handler_that_has_caught_up_costs_no_wait() -> None:
    scene = Scene(positions={"graph": 10})
    assert scene.barrier(2).wait("shop", "graph") == []
    assert scene.now == 0


def test_handler_that_catches_up_in_time_is_waited_for() -> None:
    scene = Scene(steps={"graph": 4})
    assert scene.barrier(2).wait("shop", "graph") == []
    assert 0 < scene.now < 0.1


def test_handler_that_stands_still_is_reported_after_the_time() -> None:
    scene = Scene(positions={"search": 10})
    assert scene.barrier(2).wait("shop", "graph", "search") == ["graph"]
    assert 2 <= scene.now < 2.2


def test_time_is_shared_by_all_handlers() -> None:
    scene = Scene()
    assert scene.barrier(2).wait("shop", "graph", "search") == ["graph", "search"]
    assert scene.now < 2.2


def test_next_handler_waits_for_what_the_one_before_appended() -> None:
    scene = Scene(steps={"graph": 5, "search": 5})
    original = scene.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        if scene.positions["graph"] >= 10:
            scene.head = 20

    scene.sleep = sleep  # type: ignore[method-assign]
    assert scene.barrier(2).wait("shop", "graph", "search") == []
    assert scene.positions["search"] >= 20


def test_no_patience_is_no_wait() -> None:
    scene = Scene()
    assert scene.barrier(0).wait("shop", "graph") == ["graph"]
    assert scene.now == 0


def test_read_that_finds_no_place_is_refused_at_once_and_may_be_repeated() -> None:
    scene = Scene()
    barrier = scene.barrier(2)
    with barrier.room.place():
        assert barrier.wait("shop", "graph") == ["graph"], "there are more places than one"
    waited = scene.now
    rooms = [barrier.room.place() for _ in range(48)]
    assert [room.__enter__() for room in rooms] == [True] * 48
    with pytest.raises(LogBehind) as refused:
        barrier.wait("shop", "graph")
    assert refused.value.retryable
    assert scene.now == waited
    scene.positions["graph"] = 10
    assert barrier.wait("shop", "graph") == [], "what is reached already needs no place"
