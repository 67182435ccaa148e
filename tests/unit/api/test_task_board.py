"""Work that takes longer than a request."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from spice_api.task_board import Report, TaskBoard
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.errors import GraphUnavailable


@pytest.fixture
def board() -> Iterator[TaskBoard]:
    board = TaskBoard(clock=SystemClock(), ids=RandomIds())
    yield board
    board.close()


def test_task_ends_with_its_result(board: TaskBoard) -> None:
    def work(report: Report) -> Mapping[str, Any]:
        report({"rows": 1})
        return {"created": 2}

    ended = board.wait(board.start("objectify", work).task_id, seconds=10)
    assert ended is not None
    assert (ended.state, ended.result, ended.progress) == ("succeeded", {"created": 2}, {"rows": 1})


def test_task_that_fails_says_why(board: TaskBoard) -> None:
    def work(report: Report) -> Mapping[str, Any]:
        raise GraphUnavailable

    ended = board.wait(board.start("objectify", work).task_id, seconds=10)
    assert ended is not None
    assert (ended.state, ended.code) == ("failed", "graph_unavailable")


def test_unforeseen_failure_tells_nothing_of_the_inside(board: TaskBoard) -> None:
    def work(report: Report) -> Mapping[str, Any]:
        raise RuntimeError("secret")

    ended = board.wait(board.start("objectify", work).task_id, seconds=10)
    assert ended is not None
    assert (ended.state, ended.code) == ("failed", "internal_error")
    assert "secret" not in str(ended)


def test_closing_stops_a_task_at_its_next_report(board: TaskBoard) -> None:
    started = threading.Event()

    def work(report: Report) -> Mapping[str, Any]:
        started.set()
        while True:
            report({})

    task = board.start("objectify", work)
    assert started.wait(10)
    board.close()
    ended = board.get(task.task_id)
    assert ended is not None
    assert (ended.state, ended.code) == ("failed", "unavailable")


def test_unknown_task_is_none(board: TaskBoard) -> None:
    assert board.get("nothing") is None
