"""Rebuilds from the log, on memory stores: nothing differs, nothing is lost, a dead one is resumed."""

import pytest

from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.search import SearchDocument
from spice_core.errors import Conflict
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead
from spice_core.services.compare_search import compare_search
from spice_core.services.rebuild import Rebuilder, Stores
from spice_core.services.rebuild_search import SearchRebuilder
from tests.simulation.write_path_world import DB, Simulation


class Dead(BaseException):
    """The end of the rebuilding process."""


@pytest.fixture
def place() -> Simulation:
    simulation = Simulation(5)
    simulation.has_faults = False
    simulation.run(operations=150)
    return simulation


def stores_of(place: Simulation) -> Stores:
    return Stores(
        log=place.client_log,
        ledger=place.ledger,
        work=place.work,
        graph=place.graph,
        search=place.search,
        statuses=place.statuses,
        lineage=place.lineage,
        audit=place.audit,
        clock=place.clock,
    )


def rebuilder_of(place: Simulation, owner: str = "operator") -> Rebuilder:
    for worker in place.workers:
        for name in ("search", "graph", "statuses", "lineage", "audit"):
            worker.stream(name, DB).release()
    return Rebuilder(stores_of(place), owner=owner)


def search_rebuilder(place: Simulation, search: MemorySearchIndex | None = None) -> SearchRebuilder:
    return SearchRebuilder(
        log=place.client_log,
        work=place.work,
        graph=place.graph,
        search=search or place.search,
        clock=place.clock,
        owner="operator",
    )


def test_documents_nodes_and_the_log_are_compared_key_by_key(place):
    parts = {"log": place.client_log, "graph": place.graph, "search": place.search, "database": DB}
    whole = compare_search(**parts)
    assert whole.is_equal
    assert whole.documents > 3
    [kept, lost] = place.search.scan(DB, "main", limit=2)
    for document, more in ((kept, {"data": {"wrong": 1}}), (lost, {"data": {}, "is_deleted": True})):
        place.search.write(DB, "main", [changed(document, **more)])
    place.search.write(DB, "main", [changed(kept, key="Customer/zzz", data={})])
    found = compare_search(**parts)
    assert (found.different, found.missing, found.extra) == (1, 1, 1)
    assert set(found.samples) == {kept.key, lost.key, "Customer/zzz"}


def changed(document: SearchDocument, **values) -> SearchDocument:
    fields = {name: getattr(document, name) for name in SearchDocument.__slots__}
    return SearchDocument(**{**fields, "version": document.version + 1_000, **values})


def test_rebuilt_index_is_what_it_was_and_mends_what_was_wrong(place):
    before = place.document_state()
    [document] = place.search.scan(DB, "main", limit=1)
    place.search.write(DB, "main", [changed(document, data={"wrong": 1})])
    done = rebuilder_of(place).search(DB)
    assert place.document_state() == before
    assert done.comparison.is_equal
    assert (done.resumed_from, done.skipped, done.position) == (0, [], place.client_log.head(DB).position)


def test_must_hold_18_rebuild_under_live_writes_loses_nothing_and_the_old_index_serves_until_the_swap(place):
    served: list[int] = []

    def write_meanwhile(position: int, _head: int) -> None:
        if len(served) < 5:
            for _ in range(20):
                place.submit()
            for worker in [*place.workers, *place.workers]:  # the first may project what the second writes
                worker.run_until_idle()
            place.clock.sleep(1)
            assert place.document_state() == place.graph_state()
        served.append(position)
        for worker in place.workers:
            worker.stream("search", DB).release()

    done = SearchRebuilder.rebuild(search_rebuilder(place), DB, progress=write_meanwhile)
    assert len(served) > 1
    assert done.comparison.is_equal
    place.submit()
    place.settle()
    assert place.document_state() == place.graph_state()


@pytest.mark.parametrize("death", ["before", "during", "after the swap"])
def test_dead_rebuild_is_resumed_and_the_old_index_served_meanwhile(place, death, monkeypatch):
    for worker in place.workers:
        worker.stream("search", DB).release()
    monkeypatch.setattr("spice_core.services.rebuild_search._PAGE", 20)
    finish = place.search.finish_rebuild

    def die(*args) -> None:
        if death == "after the swap":
            finish(*args)
        raise Dead

    pages: list[int] = []

    def die_between_pages(position: int, _head: int) -> None:
        pages.append(position)
        if death == "during" and len(pages) == 3:
            raise Dead

    monkeypatch.setattr(place.search, "finish_rebuild", die)
    with pytest.raises(Dead):
        search_rebuilder(place).rebuild(DB, progress=die_between_pages)
    assert place.document_state() == place.graph_state()
    monkeypatch.setattr(place.search, "finish_rebuild", finish)
    for _ in range(10):
        place.submit()
    place.settle()
    for worker in place.workers:
        worker.stream("search", DB).release()
    place.clock.sleep(1_000)
    if death == "after the swap":
        with pytest.raises(Conflict):
            search_rebuilder(place).rebuild(DB)
    done = search_rebuilder(place).rebuild(DB)
    assert done.comparison.is_equal
    assert (done.resumed_from > 0) == (death != "after the swap")
    assert place.document_state() == place.graph_state()


def test_one_rebuild_of_a_database_at_a_time(place):
    place.work.acquire(f"rebuild:search:{DB}", owner="another", seconds=3600)
    with pytest.raises(Conflict):
        search_rebuilder(place).rebuild(DB)


def test_rebuild_begins_after_the_last_deletion_of_the_database(place):
    place.client.delete_database(DB, expected_seq=place.client_log.number(DB, f"Database|{DB}"))
    place.settle()
    place.set_up()
    for _ in range(20):
        place.submit()
    place.settle()
    done = rebuilder_of(place).search(DB)
    assert done.comparison.is_equal
    assert place.document_state() == place.graph_state()


def test_branch_from_an_old_commit_has_the_documents_of_that_commit(place):
    commits = place.graph.history(DB, "main")
    place.client.create_branch(DB, "old", source=commits[min(4, len(commits) - 1)].id)
    place.settle()
    assert place.document_state()["old"] == place.graph_state()["old"]
    assert place.document_state()["old"] != place.document_state()["main"]


def test_ledger_is_forgotten_folded_and_compared(place):
    place.client_log.fold(DB)
    same = rebuilder_of(place).ledger(DB)
    assert same.is_equal
    assert same.head_after == same.head_before
    entry = place.ledger.view(DB, event_ids=[place.accepted[3]]).known[place.accepted[3]]
    place.ledger.forget(DB)
    head = place.client_log.head(DB)
    folded = FoldedHead(head.segment, head.position, head.chain_hash)
    place.ledger.fold(DB, [entry._replace(position=999_999)], since=EMPTY_HEAD, head=folded)
    found = rebuilder_of(place).ledger(DB)
    assert (found.different > 0, found.missing) == (True, head.position - 1)
    assert rebuilder_of(place).ledger(DB).is_equal


@pytest.mark.parametrize("name", ["statuses", "lineage", "audit"])
def test_read_model_is_emptied_replayed_and_compared(place, name):
    done = rebuilder_of(place).read_model(name, DB)
    assert done.is_equal
    assert done.events == place.client_log.head(DB).position
    assert place.work.position(name, DB) == done.events


def test_graph_is_forgotten_replayed_and_ends_in_the_same_commits(place):
    before = place.graph_state()
    done = rebuilder_of(place).graph(DB)
    assert done.is_equal
    assert done.heads_before
    assert place.graph_state() == before


def test_graph_that_lost_commits_is_whole_again_and_the_difference_is_told(place):
    before = place.graph_state()
    place.graph.forget(DB)
    done = rebuilder_of(place).graph(DB)
    assert not done.is_equal
    assert place.graph_state() == before
