"""The contract of the graph store bites: deliberately broken stores make it red."""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
import test_graph_branches
import test_graph_queries
import test_graph_store
import test_graph_view
from graph_samples import Writer

from spice_core.adapters.memory.graph_history import DatabaseHistory, Snapshot
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.graph_view import MemoryGraphView
from spice_core.domain.graph import Commit, Difference, GraphBatch, Link, Node, NodePage
from spice_core.domain.naming import MAIN
from spice_core.errors import SpiceError
from spice_core.ports.graph_store import GraphView


class ForgetsRepetitions(MemoryGraphStore):
    """Commits a repeated batch again."""

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        history = self._databases.get(database)
        if history is not None:
            history._by_range.clear()
            self._applied[database] = 0
        return super().apply(database, batch)


class TakesStaleBatches(MemoryGraphStore):
    """Does not look at the applied position."""

    def _check_ahead(self, database: str, position: int) -> None:
        return


class LeaksParentIntoBranch(MemoryGraphStore):
    """A write on main shows on every branch."""

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        commit = super().apply(database, batch)
        history = self._databases[database]
        if batch.branch == MAIN:
            for line in history._lines:
                snapshot = history.snapshots[line.branch.head]
                changes = {change.key: history.snapshots[commit.id].nodes.get(change.key) for change in batch.changes}
                history.snapshots[line.branch.head] = snapshot.changed(changes)
        return commit


class DropsTheLastWrite(MemoryGraphStore):
    """Loses the last change of a batch with several."""

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        kept = batch.changes[:-1] if len(batch.changes) > 1 else batch.changes
        return super().apply(database, dataclasses.replace(batch, changes=kept))


class KeepsTheCallersDocuments(MemoryGraphStore):
    """Hands out the same node objects again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._handed: dict[tuple[str, str], Node] = {}

    def view(self, database: str, ref: str = "main") -> GraphView:
        found = super().view(database, ref)
        handed = self._handed

        class Aliasing(MemoryGraphView):
            def get(self, keys: Collection[str]) -> Mapping[str, Node]:
                return {key: handed.setdefault((self.commit.id, key), node) for key, node in super().get(keys).items()}

        assert isinstance(found, MemoryGraphView)
        return Aliasing(found._commit, found._snapshot)


class _OtherViews(MemoryGraphStore):
    views: type[MemoryGraphView]

    def view(self, database: str, ref: str = "main") -> GraphView:
        found = super().view(database, ref)
        assert isinstance(found, MemoryGraphView)
        return self.views(found._commit, found._snapshot)


class PagesWithoutAnOrder(_OtherViews):
    """Pages come in the order of a hash."""

    class views(MemoryGraphView):  # noqa: N801 - an attribute that is a class
        def page(self, class_ids: Collection[str], **query: Any) -> NodePage:
            found = super().page(class_ids, **query)
            return NodePage(sorted(found.nodes, key=lambda node: node.key[::-1]), found.next_after)


class ShowsDanglingLinks(_OtherViews):
    """Returns links to what does not exist."""

    class views(MemoryGraphView):  # noqa: N801
        def _is_wanted(self, key: str, classes: Collection[str], conditions: Sequence[Any]) -> bool:
            return self._snapshot.nodes.get(key) is None or super()._is_wanted(key, classes, conditions)


class CutsBeforeItFilters(_OtherViews):
    """Applies the limit to links that the filters then drop."""

    class views(MemoryGraphView):  # noqa: N801
        def expand(self, keys: Collection[str], *, limit: int | None = None, **query: Any) -> Sequence[Link]:
            every = super().expand(keys, **{**query, "target_classes": (), "filters": ()})[:limit]
            wanted = super().expand(keys, **query)
            return [link for link in every if link in wanted]


class RemembersADroppedDatabase(MemoryGraphStore):
    """A database that is created again still has its old nodes."""

    def __init__(self) -> None:
        super().__init__()
        self._old: dict[str, Snapshot] = {}

    def drop_database(self, database: str, *, position: int) -> None:
        history: DatabaseHistory | None = self._databases.get(database)
        if history is not None:
            self._old[database] = history.snapshots[history.branch(MAIN).head]
        super().drop_database(database, position=position)

    def create_database(self, database: str, **text: Any) -> Commit:
        commit = super().create_database(database, **text)
        if database in self._old:
            self._databases[database].snapshots[commit.id] = self._old.pop(database)
        return commit


class BringsDroppedDatabasesBack(MemoryGraphStore):
    """A creation that is repeated late creates again."""

    def create_database(self, database: str, **text: Any) -> Commit:
        if database not in self._databases:
            self._applied.pop(database, None)
        return super().create_database(database, **text)


class DiffsRewrittenNodes(MemoryGraphStore):
    """Reports nodes that were written again with the same document."""

    def diff(self, database: str, from_ref: str, to_ref: str, **cut: Any) -> list[Difference]:
        left, right = self.view(database, from_ref), self.view(database, to_ref)
        keys = sorted(node.key for node in [*left.page(["A", "B"]).nodes, *right.page(["A", "B"]).nodes])
        pairs = [(key, left.get([key]).get(key), right.get([key]).get(key)) for key in dict.fromkeys(keys)]
        return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


class AnswersWhenClosed(MemoryGraphStore):
    """Goes on after `close`."""

    def close(self) -> None:
        return


class ConstantCommitIds(MemoryGraphStore):
    """Has ids that say nothing of the content."""

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        return dataclasses.replace(super().apply(database, batch), id="0" * 40)


BROKEN = [
    ForgetsRepetitions,
    TakesStaleBatches,
    LeaksParentIntoBranch,
    DropsTheLastWrite,
    KeepsTheCallersDocuments,
    PagesWithoutAnOrder,
    ShowsDanglingLinks,
    CutsBeforeItFilters,
    RemembersADroppedDatabase,
    BringsDroppedDatabasesBack,
    DiffsRewrittenNodes,
    AnswersWhenClosed,
    ConstantCommitIds,
]


def sentences() -> list[Callable[[Writer], None]]:
    """Return the tests of the contract that need a writer alone."""
    modules = (test_graph_store, test_graph_branches, test_graph_view, test_graph_queries)
    found = [test for module in modules for test in vars(module).values() if inspect.isfunction(test)]
    return [test for test in found if test.__name__.startswith("test_") and [*inspect.signature(test).parameters] == ["writer"]]


def failures(store: Callable[[], MemoryGraphStore]) -> list[str]:
    failed = []
    for sentence in sentences():
        writer = Writer(store())
        writer.create()
        try:
            sentence(writer)
        except (AssertionError, pytest.fail.Exception, SpiceError, LookupError, ValueError):
            failed.append(sentence.__name__)
    return failed


def test_the_contract_holds_for_the_store_that_the_broken_ones_are_made_of() -> None:
    assert failures(MemoryGraphStore) == []
    assert len(sentences()) > 50


@pytest.mark.parametrize("store", BROKEN)
def test_broken_store_makes_the_contract_red(store: type[MemoryGraphStore]) -> None:
    assert failures(store) != []
