"""Rebuilding the graph from the log: what it refuses."""

from datetime import timedelta
from typing import Any

import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.domain.graph import Commit, GraphBatch
from spice_core.errors import BrokenChain, Conflict
from spice_core.services.rebuild_graph import GraphRebuilder
from tests.write_path import WritePath, a_class, text


@pytest.fixture
def path() -> WritePath:
    path = WritePath().with_classes(a_class("A", text("a_id")))
    path.commands.create_instance("shop", "main", "A", {"a_id": "1"})
    path.settle()
    return path


def test_a_store_that_knows_the_database_is_refused(path: WritePath) -> None:
    with pytest.raises(Conflict, match="empty"):
        GraphRebuilder(log=path.log, graph=path.graph).rebuild("shop")


def test_a_commit_with_another_id_than_the_log_says_is_a_broken_chain(path: WritePath) -> None:
    class OtherTimes(MemoryGraphStore):
        def apply(self, database: str, batch: GraphBatch) -> Commit:
            parts: dict[str, Any] = {name: getattr(batch, name) for name in GraphBatch.__slots__}
            return super().apply(database, GraphBatch(**parts | {"at": batch.at + timedelta(seconds=1)}))

    with pytest.raises(BrokenChain):
        GraphRebuilder(log=path.log, graph=OtherTimes()).rebuild("shop")


def test_what_is_undecided_is_left_to_the_worker(path: WritePath) -> None:
    late = path.commands.create_instance("shop", "main", "A", {"a_id": "2"})
    rebuilt = MemoryGraphStore()
    result = GraphRebuilder(log=path.log, graph=rebuilt).rebuild("shop")
    assert (result.commits, rebuilt.applied_position("shop")) == (3, late.position - 2)
    assert rebuilt.view("shop").get(["A/2"]) == {}
