"""Reads that wait for what was accepted before them, whenever the worker gets to it."""

import pytest

from spice_core.errors import BranchNotFound
from spice_core.services.waiting_room import WaitingRoom
from tests.write_path import WritePath, a_class, text


def test_a_database_that_comes_while_its_reader_looks_for_it_is_found(monkeypatch: pytest.MonkeyPatch):
    path = WritePath()
    path.commands.create_database("shop")
    databases = path.graph.databases

    def come_now() -> list[str]:
        path.settle("shop")
        return databases()

    monkeypatch.setattr(path.graph, "databases", come_now)
    assert path.commands.settled.view("shop", "main").count(["Thing"]) == 0
    with pytest.raises(BranchNotFound):
        path.commands.settled.view("shop", "nothing")


@pytest.mark.parametrize("free_places", [0, 1], ids=["without a place to wait", "having waited in vain"])
def test_what_is_read_before_it_is_decided_is_not_remembered(free_places: int, monkeypatch: pytest.MonkeyPatch):
    path = WritePath().with_classes(a_class("Thing", text("name")))
    commands = path.commands
    commands.delete_class("shop", "main", "Thing", expected_seq=1)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(commands.settled, "_room", WaitingRoom(free_places))
        assert "Thing" in commands.settled.ontology("shop", "main", frozenset({"Thing"})).definitions
    path.settle()
    assert "Thing" not in commands.settled.ontology("shop", "main", frozenset({"Thing"})).definitions
    made = commands.create_class("shop", "main", a_class("Thing", text("name")))
    path.settle()
    assert path.outcome(made.command_id) == "ONTOLOGY_CLASS_CREATED"


def test_reads_behind_an_undecided_class_wait_once(monkeypatch: pytest.MonkeyPatch):
    path = WritePath().with_classes(a_class("Thing", text("name")))
    settled = path.commands.settled
    path.commands.delete_class("shop", "main", "Thing", expected_seq=1)
    looks, look = [], settled._settled_view
    monkeypatch.setattr(settled, "_settled_view", lambda *asked: looks.append(asked) or look(*asked))
    for _ in range(3):
        assert "Thing" in settled.ontology("shop", "main", frozenset({"Thing"})).definitions
    assert len(looks) == 1
    path.settle()
    assert "Thing" not in settled.ontology("shop", "main", frozenset({"Thing"})).definitions
