"""A rebuilt search index is compared on every branch before it is swapped in, and kept out if anything is wrong."""

import pytest

from spice_core.domain.search import SearchDocument
from spice_core.errors import Conflict
from spice_core.services.rebuild_search import SearchRebuilder
from tests.simulation.write_path_world import DB, Simulation


@pytest.fixture
def place() -> Simulation:
    simulation = Simulation(5)
    simulation.has_faults = False
    simulation.run(operations=150)
    return simulation


@pytest.fixture
def branch(place: Simulation) -> str:
    """A branch beside main that holds a document of its own."""
    place.client.create_branch(DB, "own")
    place.settle()
    place.client.create_instance(DB, "own", "Customer", {"customer_id": "own", "name": "only here"})
    place.settle()
    return "own"


def rebuilder(place: Simulation) -> SearchRebuilder:
    for worker in place.workers:
        worker.stream("search", DB).release()
    parts = {"log": place.client_log, "work": place.work, "graph": place.graph, "search": place.search, "clock": place.clock}
    return SearchRebuilder(owner="operator", **parts)


def refuse_writes(place: Simulation, branch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the index take no document of `branch` for a new generation."""
    write = place.search.write

    def fail(database, name, documents, *, generation=None):
        if generation is not None and name == branch and documents:
            raise ValueError("cannot take it")
        return write(database, name, documents, generation=generation)

    monkeypatch.setattr(place.search, "write", fail)


def spoil(place: Simulation, branch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every document of `branch` that is written to a new generation be another one."""
    write = place.search.write

    def change(database, name, documents, *, generation=None):
        if generation is not None and name == branch:
            documents = [changed(document) for document in documents]
        return write(database, name, documents, generation=generation)

    monkeypatch.setattr(place.search, "write", change)


def changed(document: SearchDocument) -> SearchDocument:
    fields = {name: getattr(document, name) for name in SearchDocument.__slots__}
    return SearchDocument(**{**fields, "data": {"wrong": 1}})


@pytest.mark.parametrize("trouble", [refuse_writes, spoil])
def test_must_hold_18_index_that_lacks_something_of_any_branch_is_not_swapped_in(place, branch, trouble, monkeypatch):
    before = place.document_state()
    written = rebuilder(place).rebuild(DB)
    assert (written.is_sound, written.is_swapped) == (True, True)
    trouble(place, branch, monkeypatch)
    done = rebuilder(place).rebuild(DB)
    assert (done.is_sound, done.is_swapped) == (False, False)
    assert any(key.startswith(f"{branch}: ") for key in done.comparison.samples)
    assert place.document_state() == before
    monkeypatch.undo()
    again = rebuilder(place).rebuild(DB)
    assert (again.resumed_from, again.is_swapped) == (0, True)


def test_operator_may_accept_what_differs(place, branch, monkeypatch):
    spoil(place, branch, monkeypatch)
    done = rebuilder(place).rebuild(DB, accept=True)
    assert (done.is_sound, done.is_swapped) == (False, True)
    assert place.search.scan(DB, branch, limit=1)


def test_refused_generation_is_dropped_and_the_live_one_is_written_on(place, branch, monkeypatch):
    spoil(place, branch, monkeypatch)
    dropped: list[int] = []
    abandon = place.search.abandon_rebuild

    def note(database, generation):
        dropped.append(generation)
        abandon(database, generation)

    monkeypatch.setattr(place.search, "abandon_rebuild", note)
    rebuilder(place).rebuild(DB)
    with pytest.raises(Conflict):
        place.search.finish_rebuild(DB, dropped[0])
    place.clock.sleep(100)
    for _ in range(5):
        place.submit()
    place.settle()
    assert place.document_state() == place.graph_state()


def write_before_the_swap(place: Simulation, monkeypatch: pytest.MonkeyPatch, operations: int) -> None:
    """Let clients write, and every worker do its work, between the comparison and the swap."""
    swap = SearchRebuilder._swap

    def write_first(self, *args, **more):
        for _ in range(operations):
            place.submit()
        for worker in place.workers:
            worker.run_until_idle()
            worker.stream("search", DB).release()
        swap(self, *args, **more)

    monkeypatch.setattr(SearchRebuilder, "_swap", write_first)


def test_writes_between_the_comparison_and_the_swap_are_in_the_new_index(place, monkeypatch):
    write_before_the_swap(place, monkeypatch, 40)
    done = rebuilder(place).rebuild(DB)
    assert (done.is_sound, done.is_swapped) == (True, True)
    assert place.document_state() == place.graph_state()


@pytest.mark.parametrize("trouble", [refuse_writes, spoil])
def test_what_goes_wrong_between_the_comparison_and_the_swap_is_noticed(place, trouble, monkeypatch):
    write_before_the_swap(place, monkeypatch, 40)
    swap = SearchRebuilder._swap

    def spoil_first(self, *args, **more):
        trouble(place, "main", monkeypatch)
        swap(self, *args, **more)

    monkeypatch.setattr(SearchRebuilder, "_swap", spoil_first)
    done = rebuilder(place).rebuild(DB)
    assert (done.is_sound, done.is_swapped) == (False, False)
    assert done.comparison.samples or done.skipped
    assert place.document_state() == place.graph_state()


def test_graph_that_runs_ahead_of_its_events_is_waited_for(place, monkeypatch):
    """The graph worker applies a batch before it appends the events: a node may be newer than the log."""
    documents_of = SearchRebuilder._catch_up

    def catch_up_and_write(self, *args, **more):
        documents_of(self, *args, **more)
        for _ in range(20):
            place.submit()
        for worker in place.workers:
            worker.run_until_idle()
            worker.stream("search", DB).release()

    monkeypatch.setattr(SearchRebuilder, "_catch_up", catch_up_and_write)
    done = rebuilder(place).rebuild(DB)
    assert done.comparison.is_equal
    assert done.is_swapped


def test_branch_from_an_old_commit_is_no_difference(place):
    commits = place.graph.history(DB, "main")
    place.client.create_branch(DB, "old", source=commits[min(4, len(commits) - 1)].id)
    place.settle()
    done = rebuilder(place).rebuild(DB)
    assert (done.is_sound, done.is_swapped) == (True, True)


def test_node_that_the_log_knows_nothing_of_is_a_difference(place, monkeypatch):
    view = place.graph.view

    class Lost:
        """A view whose pages lack a node."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def get(self, keys):
            return {key: node for key, node in self._inner.get(keys).items() if key != lost}

        def page(self, class_ids, **more):
            found = self._inner.page(class_ids, **more)
            nodes = [node for node in found.nodes if node.key != lost]
            return type(found)(**{name: getattr(found, name) for name in type(found).__slots__} | {"nodes": nodes})

    [document] = place.search.scan(DB, "main", limit=1)
    lost = document.key
    monkeypatch.setattr(place.graph, "view", lambda *args: Lost(view(*args)))
    done = rebuilder(place).rebuild(DB)
    assert not done.is_swapped
    assert f"main: {lost}" in done.comparison.samples
