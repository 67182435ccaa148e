"""Search moves between PostgreSQL and Elasticsearch, and is rebuilt on Elasticsearch by processes that are killed, under load."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.adapters.system.clock import SystemClock
from spice_core.bootstrap import Platform
from spice_core.domain.queries import FacetRequest, Filter, Operator, Sort
from spice_core.domain.search import SearchQuery
from spice_core.errors import SearchUnavailable
from tests.faults.crashing_rebuild import POINTS
from tests.faults.installation import DB, Installation, installation

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]
QUERIES = (
    SearchQuery(["Owner"], sort=Sort("name"), limit=100),
    SearchQuery(["Owner"], filters=[Filter("owner_id", Operator.CONTAINS, "o1")], facets=[FacetRequest("name")], limit=100),
    SearchQuery(["Owner"], text="o3 OR 1", limit=5),
    SearchQuery(["Owner"], filters=[Filter("city", Operator.NE, "2")], limit=100),
)


@pytest.fixture
def server(elasticsearch_server) -> Iterator[Elasticsearch]:
    server = Elasticsearch(ElasticsearchOptions(elasticsearch_server.url, timeout_seconds=60), clock=SystemClock())
    yield server
    server.close()


@pytest.fixture
def prefix(server) -> Iterator[str]:
    prefix = f"engines-{uuid.uuid4().hex[:8]}"
    yield prefix
    for name in indexes(server, prefix):
        server.call("DELETE", f"/{name}").require()


@pytest.fixture
def place(tmp_path, nursery, clean_database, server, prefix) -> Iterator[Installation]:
    """An installation whose settings choose PostgreSQL; Elasticsearch is ready to be chosen."""
    settings = {
        "SPICE_POSTGRES_URL": clean_database,
        "ELASTICSEARCH_URL": server.url,
        "ELASTICSEARCH_TIMEOUT_SECONDS": "60",
        "SPICE_ELASTICSEARCH_INDEX_PREFIX": prefix,
    }
    with installation(tmp_path / "home", nursery, settings) as found:
        found.set_up()
        yield found


def indexes(server: Elasticsearch, prefix: str) -> list[str]:
    return sorted(server.call("GET", f"/{prefix}-*?filter_path=*.aliases").require())


def choose(place: Installation, engine: str) -> None:
    """Change the setting, and start again with it."""
    place.platform.close()
    place.environment["SPICE_SEARCH_INDEX"] = engine
    place.platform = place.open()


def answers(platform: Platform) -> list[Any]:
    platform.search.refresh(DB)
    found = [platform.search.search(DB, "main", query) for query in QUERIES]
    return [([hit.document for hit in one.hits], one.total, list(one.facets)) for one in found]


def said(place: Installation, *words: str) -> tuple[int, str]:
    """Run the command line; return its exit code and what it said."""
    log = place.home / "processes.log"
    before = log.stat().st_size if log.exists() else 0
    code = place.run("spice_api.cli.main", *words)
    return code, " ".join(log.read_bytes()[before:].decode().split())


@contextmanager
def writing(place: Installation, *, first: int) -> Iterator[list[str]]:
    """Write people all the while, two at least; the list is that of their commands."""
    commands: list[str] = []
    is_done = threading.Event()

    def write() -> None:
        number = first
        while number < first + 2 or (not is_done.is_set() and number < first + 200):
            commands.extend(place.people(1, first=number))
            number += 1
            is_done.wait(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield commands
    finally:
        is_done.set()
        thread.join()


def test_search_moves_to_elasticsearch_and_back_by_a_setting_and_a_rebuild(place, server, prefix):
    place.people(15)
    place.work_here()
    expected = answers(place.platform)
    assert [total for _, total, _ in expected][:2] == [15, 6]
    for engine in ("elasticsearch", "postgres"):
        choose(place, engine)
        with pytest.raises(SearchUnavailable, match=f"spice rebuild search {DB}"):
            place.platform.search.search(DB, "main", QUERIES[0])
        code, told = said(place, "doctor")
        assert f"rebuild needed: its documents are in another engine than {engine}" in told
        assert f"`spice rebuild search {DB}`" in told
        assert code == 0, told
        code, told = said(place, "rebuild", "search", DB)
        assert code == 0, told
        assert "nothing differs" in told
        assert answers(place.platform) == expected
    assert "rebuild needed" not in said(place, "doctor")[1]
    place.check_people(15)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_a_rebuild_killed_at_any_point_under_load_is_repeated_and_loses_nothing(place, server, prefix, point):
    """Fault 17: kill -9 of `spice rebuild search` while workers write what clients write."""
    choose(place, "elasticsearch")
    assert said(place, "rebuild", "search", DB)[0] == 0
    place.start_worker()
    place.wait_final(place.people(20))
    with writing(place, first=20) as commands:
        program = "tests.faults.crashing_rebuild"
        doomed = place.start_worker("rebuild", "search", DB, program=program, FAULT_POINT=point)
        assert doomed.wait(120) == -9, place.out
        repeated = [said(place, "rebuild", "search", DB)]
        while repeated[-1][0] != 0 and len(repeated) < 4:
            repeated.append(said(place, "rebuild", "search", DB))
    place.wait_final(commands)
    place.wait_caught_up()
    assert repeated[-1][0] == 0, repeated
    place.check_people(20 + len(commands) // 3)
    [_, live] = indexes(server, prefix)
    public = server.call("GET", f"/_alias/{prefix}-{DB}_instances").require()
    assert list(public) == [live]


@pytest.mark.long
def test_an_index_deleted_while_it_is_written_and_read_stops_the_worker_until_a_rebuild(place, server, prefix):
    """Fault 16, with the worker as a process."""
    choose(place, "elasticsearch")
    assert said(place, "rebuild", "search", DB)[0] == 0
    place.start_worker()
    place.wait_final(place.people(5))
    place.wait_caught_up()
    with writing(place, first=5) as commands:
        [_, live] = indexes(server, prefix)
        server.call("DELETE", f"/{live}").require()
        with pytest.raises(SearchUnavailable, match=f"spice rebuild search {DB}"):
            place.platform.search.search(DB, "main", QUERIES[0])
    place.wait_caught_up(names=["graph"])
    assert indexes(server, prefix) == [f"{prefix}-catalogue"]
    code, told = said(place, "rebuild", "search", DB)
    assert code == 0, told
    place.wait_final(commands)
    place.wait_caught_up()
    place.check_people(5 + len(commands) // 3)
