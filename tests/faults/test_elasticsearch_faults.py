"""Elasticsearch loses, keeps or answers what it should not: no read is silently empty, no document is lost."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.adapters.elasticsearch.inspection import inspect_elasticsearch
from spice_core.adapters.elasticsearch.search_catalogue import Catalogue
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex
from spice_core.adapters.elasticsearch.search_lock import WriteLocks
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.search import SearchQuery
from spice_core.errors import ConfigurationError, Conflict, SearchUnavailable
from spice_core.services.compare_search import compare_search
from spice_core.services.hold_search import HeldSearchIndex, SearchHolder
from spice_core.services.project_search import SearchProjector
from spice_core.services.rebuild_search import SearchRebuilder
from tests.contracts.search_samples import FLIGHT, doc, ids, put, state
from tests.faults.tcp_proxy import TcpProxy
from tests.simulation.write_path_world import DB, Simulation

pytestmark = pytest.mark.full
QUERY = SearchQuery(["Flight"])


@dataclass
class Place:
    """An installation's share of the server, and the server behind our back."""

    url: str
    prefix: str
    server: Elasticsearch

    def index(self, url: str = "", **options: Any) -> ElasticsearchSearchIndex:
        chosen = ElasticsearchOptions(url or self.url, timeout_seconds=30)
        return ElasticsearchSearchIndex(chosen, clock=SystemClock(), ids=RandomIds(), prefix=self.prefix, **options)

    def names(self) -> list[str]:
        return sorted(self.server.call("GET", f"/{self.prefix}-*?filter_path=*.aliases").require())

    def delete(self, name: str) -> None:
        self.server.call("DELETE", f"/{name}").require()


@pytest.fixture
def place(elasticsearch_server) -> Iterator[Place]:
    prefix = f"faults-{uuid.uuid4().hex[:8]}"
    server = Elasticsearch(ElasticsearchOptions(elasticsearch_server.url, timeout_seconds=30), clock=SystemClock())
    place = Place(elasticsearch_server.url, prefix, server)
    yield place
    for name in place.names():
        place.delete(name)
    server.close()


@pytest.fixture
def world() -> Simulation:
    """A log, graph and ledger of work with a history."""
    simulation = Simulation(5)
    simulation.has_faults = False
    simulation.run(operations=120)
    return simulation


def rebuilder(world: Simulation, search: Any) -> SearchRebuilder:
    for worker in world.workers:
        worker.stream("search", DB).release()
    return SearchRebuilder(
        log=world.client_log, work=world.work, graph=world.graph, search=search, clock=world.clock, owner="operator"
    )


def test_a_deleted_index_is_never_read_as_empty_nor_made_by_a_write(place):
    """Fault 16."""
    index = place.index()
    index.define("db", FLIGHT)
    put(index, "db", doc("1"))
    place.delete(f"{place.prefix}-db-v1")
    for call in (
        lambda: index.search("db", "main", QUERY),
        lambda: index.get("db", "main", ["Flight/1"]),
        lambda: index.scan("db", "main"),
        lambda: index.write("db", "main", [doc("2")]),
        lambda: index.refresh("db"),
        lambda: place.index().search("db", "main", QUERY),
    ):
        with pytest.raises(SearchUnavailable, match="spice rebuild search db"):
            call()
    assert place.names() == [f"{place.prefix}-catalogue"]
    number = index.begin_rebuild("db")
    index.define("db", FLIGHT, generation=number)
    index.write("db", "main", [doc("1")], generation=number)
    index.refresh("db")
    index.finish_rebuild("db", number)
    assert ids(index, "db") == ["1"]


def test_an_index_that_someone_put_in_place_of_ours_is_not_read_or_written(place):
    index = place.index()
    index.define("db", FLIGHT)
    name = f"{place.prefix}-db-v1"
    place.delete(name)
    place.server.call("PUT", f"/{name}", {"mappings": {"properties": {"key": {"type": "text"}}}}).require()
    for call in (lambda: index.search("db", "main", QUERY), lambda: index.write("db", "main", [doc("1")])):
        with pytest.raises(SearchUnavailable, match="spice rebuild search db"):
            call()


def test_an_index_of_that_name_with_a_foreign_mapping_is_refused_and_the_setting_named(place):
    place.server.call("PUT", f"/{place.prefix}-db-v1", {"mappings": {"properties": {"x": {"type": "text"}}}}).require()
    with pytest.raises(ConfigurationError, match="SPICE_ELASTICSEARCH_INDEX_PREFIX"):
        place.index().define("db", FLIGHT)


def test_an_index_of_another_form_is_noticed_and_a_rebuild_replaces_it(place):
    """After an upgrade: the catalogue says in which form an index was made; one made before it said so has form 1."""
    index = place.index()
    index.define("db", FLIGHT)
    put(index, "db", doc("1"))
    begun = index.begin_rebuild("db")
    document = f"/{place.prefix}-catalogue/_doc/database:db"
    known = place.server.call("GET", document).require()["_source"]["state"]
    for generation in known["generations"]:
        del generation["form"]
    place.server.call("PUT", document, {"state": known}).require()
    for call in (
        lambda: index.search("db", "main", QUERY),
        lambda: put(index, "db", doc("2")),
        lambda: index.define("db", FLIGHT),
    ):
        with pytest.raises(SearchUnavailable, match="spice rebuild search db"):
            call()
    with pytest.raises(Conflict):
        index.write("db", "main", [], generation=begun)
    number = index.begin_rebuild("db")
    index.define("db", FLIGHT, generation=number)
    index.write("db", "main", [doc("3")], generation=number)
    index.finish_rebuild("db", number)
    assert ids(index, "db") == ["3"]
    assert place.names() == [f"{place.prefix}-catalogue", f"{place.prefix}-db-v{number}"]


def test_the_doctor_names_an_index_of_another_form(place):
    index = place.index()
    index.define("db", FLIGHT)
    place.server.call("PUT", f"/{place.prefix}-db-v1/_mapping", {"_meta": {"made_by": "spice-harvester", "mapping": 1}}).require()
    options = ElasticsearchOptions(place.url, timeout_seconds=30)
    found = list(inspect_elasticsearch(options, prefix=place.prefix, clock=SystemClock(), ids=RandomIds()))
    warned = [finding for finding in found if finding.part == "elasticsearch form"]
    assert [(finding.state, "spice rebuild search" in finding.advice) for finding in warned] == [("warning", True)]
    assert f"{place.prefix}-db-v1" in warned[0].found


def test_others_find_numbers_dates_and_words_in_types_that_they_know(place):
    """What dashboards ask: ranges of numbers and dates, booleans, words and parts of words, over the public alias."""
    index = place.index()
    index.define("db", FLIGHT)
    put(
        index,
        "db",
        doc("1", distance=9, price="10.25", day="2026-01-09", is_late=True, left_at="2026-01-09T08:00:00.5Z", notes="Blue sky"),
        doc("2", distance=10, price=1e300, day="2026-02-31", is_late=False, left_at="2026-03-09T08:00:00Z", notes="Red skyline"),
    )

    def found(query: Any) -> list[str]:
        body = {"query": query, "sort": ["key"]}
        hits = place.server.call("POST", f"/{place.prefix}-db_instances/_search", body).require()["hits"]["hits"]
        return [hit["_source"]["key"].partition("/")[2] for hit in hits]

    assert found({"range": {"long.distance": {"gt": 9}}}) == ["2"]
    assert found({"range": {"double.price": {"gt": 10, "lt": 11}}}) == ["1"]
    assert found({"range": {"date.day.d": {"gte": "2026-01-01", "lt": "2026-02-01"}}}) == ["1"]
    assert found({"range": {"timestamp.left_at.d": {"gte": "2026-02-01"}}}) == ["2"]
    assert found({"term": {"boolean.is_late.b": True}}) == ["1"]
    assert found({"match": {"text.notes.t": "SKY"}}) == ["1"]
    assert found({"match_phrase": {"text.notes.g": "ed sky"}}) == ["2"]


def test_a_lost_catalogue_is_noticed_also_after_another_process_made_it_anew(place):
    index = place.index()
    index.define("db", FLIGHT)
    before = index.identity()
    place.delete(f"{place.prefix}-catalogue")
    with pytest.raises(SearchUnavailable, match="catalogue"):
        index.search("db", "main", QUERY)
    assert place.index().identity() != before
    with pytest.raises(SearchUnavailable, match="catalogue"):
        index.search("db", "main", QUERY)


def test_a_dead_writers_lock_passes_on_and_a_late_writer_is_stopped(place):
    """A writer that was paused for longer than its lease must not write over what came after it."""
    index = place.index(lease_seconds=0.5)
    index.define("db", FLIGHT)
    catalogue = Catalogue(place.server, prefix=place.prefix, replicas=0)
    locks = WriteLocks(place.server, catalogue, ids=RandomIds(), lease_seconds=0.5)
    with locks.held("db") as paused:
        assert put(index, "db", doc("1")).applied == 1
        with pytest.raises(SearchUnavailable, match="passed to another writer"):
            paused.keep()
    assert put(index, "db", doc("2")).applied == 1


def test_public_aliases_show_what_each_branch_shows_and_follow_the_swap(place):
    index = place.index()
    index.define("db", FLIGHT)
    put(index, "db", doc("1", carrier="a"), doc("2", carrier="a"))
    index.create_branch("db", "Work/1", source="main")
    put(index, "db", doc("1", 2, carrier="b"), branch="Work/1")
    put(index, "db", doc("2", 2, carrier="c"))

    def shown(alias: str) -> set[tuple[str, int]]:
        hits = place.server.call("POST", f"/{alias}/_search", {"size": 10}).require()["hits"]["hits"]
        return {(hit["_source"]["key"], hit["_source"]["stored"]["version"]) for hit in hits}

    assert shown(f"{place.prefix}-db_instances") == {("Flight/1", 1), ("Flight/2", 2)}
    assert shown(f"{place.prefix}-db_instances__br_work-1_*") == {("Flight/1", 2), ("Flight/2", 1)}
    number = index.begin_rebuild("db")
    index.define("db", FLIGHT, generation=number)
    index.write("db", "main", [doc("3")], generation=number)
    assert shown(f"{place.prefix}-db_instances") == {("Flight/1", 1), ("Flight/2", 2)}
    index.finish_rebuild("db", number)
    assert shown(f"{place.prefix}-db_instances") == {("Flight/3", 1)}
    assert place.names() == [f"{place.prefix}-catalogue", f"{place.prefix}-db-v{number}"]


def test_answers_lost_after_the_effect_leave_every_document_once_at_its_highest_version(place):
    """Connections are cut while several writers write, with a branch; each repeats until it was told so."""
    proxy = TcpProxy(int(place.url.rpartition(":")[2]))
    index = place.index(lease_seconds=1.0)
    index.define("db", FLIGHT)
    put(index, "db", *(doc(f"{n}", 1, carrier="1") for n in range(30)))
    index.create_branch("db", "work", source="main")
    failures: list[str] = []

    def write(version: int) -> None:
        writer = place.index(f"http://127.0.0.1:{proxy.port}", lease_seconds=1.0)
        for _ in range(200):
            try:
                writer.write("db", "main", [doc(f"{n}", version, carrier=str(version)) for n in range(30)])
            except SearchUnavailable as error:
                failures.append(error.message)
            else:
                return

    threads = [threading.Thread(target=write, args=(version,)) for version in (2, 3, 4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and len(failures) < 6:
        proxy.cut()
        threading.Event().wait(0.05)
    for thread in threads:
        thread.join()
    index.refresh("db")
    assert state(index, "db", "main") == {f"{n}": "4" for n in range(30)}
    assert state(index, "db", "work") == {f"{n}": "1" for n in range(30)}
    assert ids(index, "db", branch="work", limit=100) == sorted(f"{n}" for n in range(30))


def test_a_write_that_broke_off_between_its_requests_is_completed_by_its_repetition(place, monkeypatch):
    index = place.index()
    index.define("db", FLIGHT)
    put(index, "db", doc("1", carrier="old"), doc("2", carrier="old"))
    index.create_branch("db", "work", source="main")
    for branch in ("main", "work"):
        requests = iter([True, False])
        with monkeypatch.context() as patch:
            patch.setattr("spice_core.adapters.elasticsearch.search_lock.WriteLock.keep", _dies(requests))
            with pytest.raises(SearchUnavailable):
                index.write("db", branch, [doc("1", 2, carrier=branch)])
        put(index, "db", doc("1", 2, carrier=branch), branch=branch)
    assert state(index, "db", "main") == {"1": "main", "2": "old"}
    assert state(index, "db", "work") == {"1": "work", "2": "old"}
    assert index.search("db", "work", QUERY).total == 2


def _dies(requests: Iterator[bool]) -> Any:
    def keep(_self: Any) -> None:
        if not next(requests, False):
            raise SearchUnavailable("the process ended here")

    return keep


def test_switching_the_engine_is_noticed_until_a_rebuild_and_back(place, world):
    """A setting change, then `spice rebuild search`: PostgreSQL's place is taken by an index in memory."""
    embedded = world.search
    assert embedded.identity() == 1
    elasticsearch = HeldSearchIndex(place.index(), work=world.work)
    held = HeldSearchIndex(embedded, work=world.work)
    before = world.document_state()
    with pytest.raises(SearchUnavailable, match="SPICE_SEARCH_INDEX"):
        elasticsearch.search(DB, "main", SearchQuery(["Customer"]))
    projector = SearchProjector(search=elasticsearch, graph=world.graph, work=world.work)
    with pytest.raises(SearchUnavailable, match=f"spice rebuild search {DB}"):
        projector.begin(DB, world.work.position("search", DB))
    done = rebuilder(world, elasticsearch).rebuild(DB)
    assert done.comparison is not None
    assert done.comparison.is_equal
    assert SearchHolder(work=world.work, search=elasticsearch).is_current(DB)
    assert projector.begin(DB, 7) == 7
    with pytest.raises(SearchUnavailable, match="SPICE_SEARCH_INDEX"):
        held.get(DB, "main", ["Customer/1"])
    rebuilder(world, held).rebuild(DB)
    assert world.document_state() == before
    with pytest.raises(SearchUnavailable, match="SPICE_SEARCH_INDEX"):
        elasticsearch.scan(DB, "main")


class Dead(BaseException):
    """The end of the rebuilding process."""


@pytest.mark.parametrize("death", ["during", "before the swap", "after the swap"])
def test_a_rebuild_killed_at_any_point_under_writes_ends_as_the_log_says(place, world, monkeypatch, death):
    """Fault 17, with documents kept in Elasticsearch."""
    monkeypatch.setattr("spice_core.services.rebuild_search._PAGE", 40)
    index = place.index()
    search = HeldSearchIndex(index, work=world.work)
    rebuilder(world, search).rebuild(DB)

    def die(database: str, generation: int) -> None:
        if death == "after the swap":
            index.finish_rebuild(database, generation)
        raise Dead

    def progress(position: int, head: int) -> None:
        if death == "during" and position > head // 2:
            raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(search, "finish_rebuild", die)
        doomed = rebuilder(world, search)
        with pytest.raises(Dead):
            doomed.rebuild(DB, progress=progress)
    for _ in range(10):
        world.submit()
    for worker in world.workers:
        worker.step("graph", DB)
    project(world, search)
    done = rebuild_again(world, search)
    assert done.comparison is not None
    assert done.comparison.is_equal
    assert compare_search(log=world.client_log, graph=world.graph, search=search, database=DB).is_equal


def project(world: Simulation, search: Any) -> None:
    """Do what the search worker does, from where the ledger says."""
    projector = SearchProjector(search=search, graph=world.graph, work=world.work)
    after = projector.begin(DB, world.work.position("search", DB))
    lease = world.work.acquire(f"search:{DB}", owner="projector", seconds=60)
    for event in world.client_log.read(DB, after=after, limit=10_000):
        if projector.wants(event):
            projector.handle(DB, [event])
        world.work.mark_done(lease, "search", [], database=DB, position=event.position)
    world.work.release(lease)


def rebuild_again(world: Simulation, search: Any) -> Any:
    """Rebuild as an operator does, who repeats what is refused because the dead one had finished."""
    for _ in range(2):
        try:
            return rebuilder(world, search).rebuild(DB)
        except Conflict:
            continue
    return rebuilder(world, search).rebuild(DB)
