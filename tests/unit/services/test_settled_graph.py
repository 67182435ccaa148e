"""Reads that wait for what was accepted before them, whenever the worker gets to it."""

import pytest

from spice_core.errors import BranchNotFound
from tests.write_path import WritePath


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
