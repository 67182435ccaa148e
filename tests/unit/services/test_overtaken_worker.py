"""A graph worker that hangs in the middle of a batch while its successor does it: no command gets two outcomes."""

from collections.abc import Callable
from typing import Any

import pytest

from spice_core.errors import LeaseLost
from spice_core.services.apply_commands import GraphHandler
from tests.write_path import WritePath, a_class, text

PERSON = a_class("Person", text("person_id", required=True), text("name"))


class HangingGraph:
    """The graph as a worker sees it that hangs once, before a call of `method`."""

    def __init__(self, inner: Any, method: str, meanwhile: Callable[[], None]) -> None:
        self._inner = inner
        self._method = method
        self._meanwhile: list[Callable[[], None]] = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._meanwhile:
            self._meanwhile.pop()()
        return getattr(self._inner, name)


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(PERSON)


def hang(path: WritePath, method: str, *, of_next: int = 1000) -> None:
    """Let one worker take the next events and hang before `method`, while the successor does everything."""
    after = path.position["shop"]
    events = path.log.read("shop", after=after, limit=1000)[:of_next]
    hanging = GraphHandler(log=path.log, graph=HangingGraph(path.graph, method, path.settle))  # type: ignore[arg-type]
    with pytest.raises(LeaseLost):
        hanging.handle("shop", [event for event in events if hanging.wants(event)])
    path.settle()
    for command_id, outcomes in path.outcomes().items():
        assert len(outcomes) == 1, [event.event.event_type for event in outcomes if event.event.command_id == command_id]


def test_creation_that_the_successor_has_done_is_not_refused(path: WritePath):
    created = path.commands.create_instance("shop", "main", "Person", {"person_id": "p", "name": "x"})
    hang(path, "view")
    assert path.outcome(created.command_id) == "INSTANCE_CREATED"


def test_change_before_a_deletion_that_the_successor_has_done_is_not_refused(path: WritePath):
    path.commands.create_instance("shop", "main", "Person", {"person_id": "p", "name": "x"})
    path.settle()
    changed = path.commands.update_instance("shop", "main", "Person", "p", {"name": "y"}, expected_seq=1)
    path.commands.delete_instance("shop", "main", "Person", "p", expected_seq=2)
    hang(path, "view", of_next=1)
    assert path.outcome(changed.command_id) == "INSTANCE_UPDATED"


def test_change_on_a_branch_that_the_successor_has_deleted_is_not_refused(path: WritePath):
    path.commands.create_branch("shop", "side")
    path.settle()
    created = path.commands.create_instance("shop", "side", "Person", {"person_id": "p", "name": "x"})
    path.commands.delete_branch("shop", "side")
    hang(path, "view", of_next=1)
    assert path.outcome(created.command_id) == "INSTANCE_CREATED"


@pytest.mark.parametrize("method", ["create_branch", "branches"])
def test_branch_command_that_the_successor_has_done_is_not_refused(path: WritePath, method: str):
    if method == "branches":
        path.commands.create_branch("shop", "side")
        path.settle()
        asked = path.commands.delete_branch("shop", "side")
    else:
        asked = path.commands.create_branch("shop", "side")
        path.commands.create_instance("shop", "main", "Person", {"person_id": "p", "name": "x"})
    hang(path, method)
    assert path.outcome(asked.command_id) in {"BRANCH_CREATED", "BRANCH_DELETED"}
