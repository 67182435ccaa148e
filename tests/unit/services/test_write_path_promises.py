"""The promises of the write path, by their numbers, with the graph in memory and in PostgreSQL."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.errors import Conflict, GraphUnavailable, StoreUnavailable
from spice_core.ports.graph_store import GraphStore
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.rebuild_graph import GraphRebuilder
from spice_core.services.search_documents import document_of_node, search_document
from tests.write_path import Crash, WritePath, a_class, text

PERSON = a_class(
    "Person",
    text("person_id"),
    text("name"),
    text("city"),
    {"name": "born", "type": "date"},
    relationships=[
        {"predicate": "boss", "target": "Person", "cardinality": "n:1"},
        {"predicate": "likes", "target": "Person", "cardinality": "n:m", "on_delete": "unlink"},
    ],
)
THING = a_class("Thing", text("thing_id"), text("name"))


@pytest.fixture(params=["memory", "postgres"])
def graph(request: pytest.FixtureRequest) -> Iterator[GraphStore]:
    if request.param == "memory":
        yield MemoryGraphStore()
        return
    dsn = request.getfixturevalue("postgres_dsn")
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'spice_graph'").fetchall()
        connection.execute("TRUNCATE " + ", ".join(f"spice_graph.{name}" for (name,) in tables))
    postgres = Postgres(dsn, max_size=4)
    yield PostgresGraphStore(postgres)
    postgres.close()


@pytest.fixture
def path(graph: GraphStore) -> WritePath:
    path = WritePath(graph=graph).with_classes(PERSON, THING)
    for name in "ab":
        path.commands.create_instance("shop", "main", "Person", {"person_id": name, "name": name.upper()})
    path.settle()
    return path


def crash_at(path: WritePath, point: str) -> None:
    def crash(name: str) -> None:
        if name == point:
            raise Crash

    path.crash_point = crash
    with pytest.raises(Crash):
        path.settle()
    path.crash_point = lambda _name: None
    path.restart()


POINTS = ("graph:after_claim", "graph:before_effect", "graph:after_effect", "graph:before_done")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("limit", [1, 1000])
def test_must_hold_1_patches_to_different_fields_survive_a_crash_and_a_second_delivery(
    path: WritePath, point: str, limit: int
) -> None:
    start = path.position["shop"]
    path.commands.update_instance("shop", "main", "Person", "a", {"city": "Oslo"}, expected_seq=1)
    path.commands.update_instance("shop", "main", "Person", "a", {"born": "1990-01-01"}, expected_seq=2)
    crash_at(path, point)
    path.settle(limit=limit)
    path.position["shop"] = start
    path.settle(limit=limit)
    assert path.document("Person/a") == {"person_id": "a", "name": "A", "city": "Oslo", "born": "1990-01-01"}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_must_hold_2_every_accepted_command_has_its_one_outcome(path: WritePath, point: str, limit: int) -> None:
    """Also where the batch that crashed comes back in pieces: a piece is decided behind the pieces before it."""
    accepted = [
        path.commands.create_instance("shop", "main", "Person", {"person_id": "c", "boss": "Person/a"}),
        path.commands.update_instance("shop", "main", "Person", "c", {"city": "Rome"}, expected_seq=1),
        path.commands.create_instance("shop", "main", "Person", {"person_id": "c"}),
        path.commands.delete_instance("shop", "main", "Person", "a", expected_seq=1),
        path.commands.delete_instance("shop", "main", "Person", "c", expected_seq=3),
        path.commands.delete_instance("shop", "main", "Person", "a", expected_seq=2),
    ]
    crash_at(path, point)
    path.settle(limit=limit)
    assert [path.outcome(item.command_id) for item in accepted] == [
        "INSTANCE_CREATED",
        "INSTANCE_UPDATED",
        "COMMAND_FAILED:already_exists",
        "COMMAND_FAILED:still_referenced",
        "INSTANCE_DELETED",
        "INSTANCE_DELETED",
    ]
    assert all(len(events) == 1 for events in path.outcomes().values())


@pytest.mark.parametrize("point", POINTS)
def test_must_hold_3_delete_and_create_again_of_database_class_and_instance_survive_a_crash(path: WritePath, point: str) -> None:
    steps: list[Callable[[], Any]] = [
        lambda: path.commands.delete_instance("shop", "main", "Person", "b", expected_seq=1),
        lambda: path.commands.create_instance("shop", "main", "Person", {"person_id": "b"}),
        lambda: path.commands.delete_class("shop", "main", "Thing", expected_seq=1),
        lambda: path.commands.create_class("shop", "main", THING),
        lambda: path.commands.create_branch("shop", "dev"),
        lambda: path.commands.delete_branch("shop", "dev"),
        lambda: path.commands.create_branch("shop", "dev"),
        lambda: path.commands.delete_database("shop", expected_seq=1),
        lambda: path.commands.create_database("shop"),
    ]
    for step in steps:
        accepted = step()
        crash_at(path, point)
        path.settle()
        assert not path.outcome(accepted.command_id).startswith("COMMAND_FAILED")
    assert path.graph.view("shop").get(["Person/a", "_Class/Thing"]) == {}
    assert [branch.name for branch in path.graph.branches("shop")] == ["main"]


def test_must_hold_8_documents_are_what_the_graph_holds_where_links_move_and_go(path: WritePath) -> None:
    commands = path.commands
    commands.create_instance("shop", "main", "Person", {"person_id": "c", "boss": "Person/a", "likes": ["Person/a", "Person/b"]})
    commands.update_instance("shop", "main", "Person", "c", {"boss": "Person/b"}, expected_seq=1)
    commands.delete_instance("shop", "main", "Person", "a", expected_seq=1)
    crash_at(path, "graph:after_effect")
    path.settle()
    path.position["shop"] = 0
    path.settle()
    node = path.graph.view("shop").get(["Person/c"])["Person/c"]
    assert node.links == {"boss": ("Person/b",), "likes": ("Person/b",)}
    newest: dict[str, Any] = {}
    for recorded in path.events():
        document = search_document(recorded)
        if document is not None and document.version >= newest.get(document.key, document).version:
            newest[document.key] = document
    nodes = path.graph.view("shop").page(["Person"]).nodes
    told = {key: (item.version, item.data, item.event_id) for key, item in newest.items() if not item.is_deleted}
    held = {item.key: (item.position, item.document, item.provenance.event_id) for item in nodes}
    assert told == held
    assert {item.key for item in map(document_of_node, nodes)} == set(held)


@pytest.mark.parametrize("limit", [1, 1000])
@pytest.mark.parametrize("taken", range(8))
def test_must_hold_8_a_store_that_is_away_between_two_events_of_a_deletion_costs_none_of_them(
    path: WritePath, monkeypatch: pytest.MonkeyPatch, taken: int, limit: int
) -> None:
    commands, append, count = path.commands, path.log.append, itertools.count()
    for name in "cde":
        commands.create_instance("shop", "main", "Person", {"person_id": name, "likes": ["Person/a", "Person/b"]})
    path.settle()
    deletions = [commands.delete_instance("shop", "main", "Person", name, expected_seq=1).command_id for name in "ab"]

    def away(database: str, events: Any) -> Any:
        if next(count) == taken:
            raise StoreUnavailable
        return append(database, events)

    monkeypatch.setattr("spice_core.services.tell_outcomes._PART", 1)
    monkeypatch.setattr(path.log, "append", away)
    with pytest.raises(StoreUnavailable):
        path.settle()
    path.restart()
    path.settle(limit=limit)
    for name, command_id in zip("ab", deletions, strict=True):
        told = [recorded.event.aggregate_id.rpartition(":")[2] for recorded in path.outcomes()[command_id]]
        assert told == [name, "c", "d", "e"]
    rebuilt = MemoryGraphStore()
    GraphRebuilder(log=path.log, graph=rebuilt).rebuild("shop")
    assert rebuilt.history("shop") == path.graph.history("shop")
    assert [node.links for node in rebuilt.view("shop").get([f"Person/{name}" for name in "cde"]).values()] == [{}] * 3


def test_must_hold_9_a_link_that_names_no_valid_target_is_refused_and_nothing_is_dropped(path: WritePath) -> None:
    accepted = path.commands.create_instance("shop", "main", "Person", {"person_id": "c", "likes": ["Person/a", "Person/ghost"]})
    path.settle()
    event = path.outcomes()[accepted.command_id][0].event
    assert "Person/ghost" in event.data["error"]
    assert path.document("Person/c") is None


def test_must_hold_10_natural_keys_and_equal_ids_of_two_classes_do_not_touch(path: WritePath) -> None:
    for key in ("x@y.z", "with space/slash", "한국 항공", "k" * 255, "100%|a:b"):
        path.commands.create_instance("shop", "main", "Person", {"person_id": key, "name": "person"})
        path.commands.create_instance("shop", "main", "Thing", {"thing_id": key, "name": "thing"})
        path.settle()
        path.commands.delete_instance("shop", "main", "Person", key, expected_seq=1)
        path.settle()
        assert path.document(f"Person/{key}") is None
        assert path.document(f"Thing/{key}") == {"thing_id": key, "name": "thing"}


class DownGraph(MemoryGraphStore):
    """A graph that can be switched off."""

    is_down = False

    def applied_position(self, database: str) -> int:
        if self.is_down:
            raise GraphUnavailable
        return super().applied_position(database)


def test_must_hold_12_nothing_is_told_while_the_graph_is_down() -> None:
    graph = DownGraph()
    path = WritePath(graph=graph).with_classes(PERSON)
    accepted = path.commands.create_instance("shop", "main", "Person", {"person_id": "a"})
    graph.is_down = True
    with pytest.raises(GraphUnavailable):
        path.settle()
    assert accepted.command_id not in path.outcomes()
    graph.is_down = False
    path.settle()
    assert path.outcome(accepted.command_id) == "INSTANCE_CREATED"


def test_must_hold_12_an_outcome_is_told_only_when_its_effect_is_visible(path: WritePath) -> None:
    seen: list[bool] = []
    append = path.log.append

    def checked_append(database: str, events: Any, **rest: Any) -> Any:
        seen.extend(event.data["instance_id"] in _ids(path.graph) for event in events)
        return append(database, events, **rest)

    for number in range(5):
        path.commands.create_instance("shop", "main", "Person", {"person_id": f"n{number}"})
    path.log.append = checked_append  # type: ignore[method-assign]
    path.settle(limit=2)
    assert seen == [True] * 5


def _ids(graph: GraphStore) -> set[str]:
    return {node.document["person_id"] for node in graph.view("shop").page(["Person"]).nodes}


def test_must_hold_19_replaying_the_log_into_an_empty_store_gives_the_same_commits(path: WritePath) -> None:
    path.commands.create_branch("shop", "dev")
    path.settle()
    path.commands.create_instance("shop", "dev", "Person", {"person_id": "d"}, actor="dan")
    path.commands.create_instance("shop", "main", "Person", {"person_id": "a"})
    path.commands.delete_instance("shop", "main", "Person", "b", expected_seq=1, actor="eve")
    path.settle()
    rebuilt = MemoryGraphStore()
    result = GraphRebuilder(log=path.log, graph=rebuilt).rebuild("shop")
    for branch in ("main", "dev"):
        assert rebuilt.history("shop", branch) == path.graph.history("shop", branch)
        keys = ["Person/a", "Person/b", "Person/d", "_Class/Person"]
        assert rebuilt.view("shop", branch).get(keys) == path.graph.view("shop", branch).get(keys)
    assert result.commits == len({commit.id for name in ("main", "dev") for commit in rebuilt.history("shop", name)})


def worked_again(path: WritePath, graph: GraphStore, *, after: int, limit: int) -> GraphStore:
    """Let a graph worker that lost its stores take the log from position `after`."""
    handler = GraphHandler(log=path.log, graph=graph)
    while events := path.log.read("shop", after=after, limit=limit)[:limit]:
        handler.handle("shop", [event for event in events if handler.wants(event)])
        after = events[-1].position
    return graph


@pytest.mark.parametrize("limit", [1, 7, 1000])
@pytest.mark.parametrize("is_empty", [True, False])
def test_must_hold_19_a_worker_whose_graph_was_lost_makes_the_same_commits_and_tells_nothing_twice(
    path: WritePath, is_empty: bool, limit: int
) -> None:
    older = MemoryGraphStore()
    after = 0 if is_empty else len(path.events())
    if not is_empty:
        worked_again(path, older, after=0, limit=1000)
    first = path.graph.view("shop").commit.id
    path.commands.create_instance("shop", "main", "Person", {"person_id": "c", "likes": ["Person/a", "Person/b"]})
    path.commands.delete_instance("shop", "main", "Person", "b", expected_seq=1, actor="eve")
    path.settle()
    path.commands.create_instance("shop", "main", "Person", {"person_id": "d"})
    path.commands.create_instance("shop", "main", "Person", {"person_id": "d"})
    path.settle()
    path.commands.create_branch("shop", "old", source=first)
    path.settle()
    path.commands.create_instance("shop", "old", "Person", {"person_id": "e", "boss": "Person/b"})
    path.commands.create_instance("shop", "main", "Person", {"person_id": "a"})
    path.settle()
    told = path.events()
    again = worked_again(path, older, after=after, limit=limit)
    assert path.events() == told
    for branch in ("main", "old"):
        assert again.history("shop", branch) == path.graph.history("shop", branch)
        keys = [*(f"Person/{name}" for name in "abcde"), "_Class/Person"]
        assert again.view("shop", branch).get(keys) == path.graph.view("shop", branch).get(keys)


def test_a_worker_whose_graph_loses_commits_under_it_makes_the_same_ones_again(path: WritePath) -> None:
    older = worked_again(path, MemoryGraphStore(), after=0, limit=1000)
    after = path.position["shop"]
    for name in "cde":
        path.commands.create_instance("shop", "main", "Person", {"person_id": name})
        path.settle()
    history = path.graph.history("shop")
    path.handler._graph = older
    path.position["shop"] = after
    path.settle()
    assert older.history("shop") == history


def test_a_dead_letter_that_was_lost_with_the_graph_is_not_passed_over(path: WritePath) -> None:
    lost = path.commands.create_instance("shop", "main", "Person", {"person_id": "c"})
    path.position["shop"] = path.log.head("shop").position  # it was buried
    path.commands.create_instance("shop", "main", "Person", {"person_id": "d"})
    path.settle()
    with pytest.raises(Conflict, match=lost.command_id):
        worked_again(path, MemoryGraphStore(), after=0, limit=1000)


def test_a_command_waits_for_the_classes_above_its_class(path: WritePath):
    path.commands.create_class("shop", "main", a_class("Animal", text("animal_id")))
    path.settle()
    path.commands.create_class("shop", "main", a_class("Dog", parent_class="Animal"))
    path.settle()
    wider = a_class("Animal", text("animal_id"), text("call"))
    path.commands.update_class("shop", "main", "Animal", wider, expected_seq=1)
    sleep = path.clock.sleep

    def deliver_meanwhile(seconds: float) -> None:
        sleep(seconds)
        path.settle()

    path.clock.sleep = deliver_meanwhile  # type: ignore[method-assign]
    path.commands.create_instance("shop", "main", "Dog", {"animal_id": "rex", "call": "Rex"})
    path.settle()
    assert path.document("Dog/rex") == {"animal_id": "rex", "call": "Rex"}
