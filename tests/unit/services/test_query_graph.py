"""Graph questions over memory adapters."""

import pytest
from graph_world import DATABASE, World

from spice_core.domain.graph import Direction
from spice_core.errors import BranchNotFound, DatabaseNotFound, GraphUnavailable, InvalidQuery, SearchUnavailable
from spice_core.services.query_graph import GraphAnswer, GraphQuery, Hop, QueryLimits


@pytest.fixture
def world() -> World:
    return World()


def ask(world: World, start: str = "Person", *hops: str | Hop, **more: object) -> GraphAnswer:
    asked = [hop if isinstance(hop, Hop) else Hop(hop) for hop in hops]
    return world.queries.ask(DATABASE, "main", GraphQuery(start, asked, **more))  # type: ignore[arg-type]


def keys(answer: GraphAnswer) -> list[str]:
    return [item.node.key for item in answer.nodes]


def links(answer: GraphAnswer) -> list[str]:
    return [f"{link.source} {link.predicate} {link.target}" for link in answer.walk.links]


def test_hop_returns_both_nodes_and_the_edge(world: World) -> None:
    world.company("acme")
    world.person("ann", works_at="acme")
    answer = ask(world, "Person", Hop("works_at", "Company"), filters={"person_id": "ann"})
    assert keys(answer) == ["Person/ann", "Company/acme"]
    assert links(answer) == ["Person/ann works_at Company/acme"]
    assert answer.warnings == []


def test_start_node_without_links_is_still_in_the_answer(world: World) -> None:
    world.person("ann")
    assert keys(ask(world, "Person", "works_at")) == ["Person/ann"]


def test_hop_against_the_direction_of_the_link(world: World) -> None:
    world.company("acme")
    world.person("ann", works_at="acme")
    answer = ask(world, "Company", Hop("works_at", "Person", Direction.IN))
    assert keys(answer) == ["Company/acme", "Person/ann"]
    assert links(answer) == ["Person/ann works_at Company/acme"]


def test_subclasses_answer_for_their_class(world: World) -> None:
    world.company("acme")
    world.person("bob", class_id="Manager", works_at="acme", age=50)
    world.person("ann", age=40)
    assert keys(ask(world, "Person")) == ["Manager/bob", "Person/ann"]
    assert keys(ask(world, "Manager")) == ["Manager/bob"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"age": 9}, ["Person/b"]),
        ({"age": {"gt": 9}}, ["Person/a"]),
        ({"age": {"gte": 9, "lt": 10}}, ["Person/b"]),
        ({"age": [9, 11]}, ["Person/b"]),
        ({"age": None}, ["Person/c"]),
        ({"height": {"gt": "1.9"}}, ["Person/b"]),
        ({"born": {"lt": "1999-12-31"}}, ["Person/a"]),
        ({"full_name": {"contains": "Smi"}}, ["Person/a", "Person/b", "Person/c"]),
        ({"full_name": {"not_in": ["A Smith"]}}, ["Person/b", "Person/c"]),
    ],
)
def test_must_hold_15_filters_compare_by_type(world: World, filters: dict[str, object], expected: list[str]) -> None:
    world.person("a", age=10, height="1.8", born="1990-01-01")
    world.person("b", age=9, height="1.95", born="2001-05-05")
    world.person("c")
    assert keys(ask(world, filters=filters)) == expected


def test_hop_filters_apply_to_the_far_end(world: World) -> None:
    world.person("a", age=1)
    world.person("b", age=2)
    world.person("z", knows=["a", "b"])
    answer = ask(world, "Person", Hop("knows", "Person", filters={"age": {"gt": 1}}), filters={"person_id": "z"})
    assert keys(answer) == ["Person/z", "Person/b"]


@pytest.mark.parametrize(
    ("start", "hops", "more"),
    [
        ("Ghost", [], {}),
        ("Person", [Hop("flies_to", "Company")], {}),
        ("Person", [Hop("age", "Company")], {}),
        ("Person", [Hop("works_at", "Person")], {}),
        ("Person", [Hop("works_at", "Ghost")], {}),
        ("Person", [], {"filters": {"shoe_size": 9}}),
        ("Person", [], {"filters": {"age": {"near": 9}}}),
        ("Person", [], {"filters": {"age": "old"}}),
        ("Person", [], {"sort_field": "shoe_size"}),
        ("Person", [], {"limit": 1001}),
        ("Person", [], {"max_paths": 2001}),
        ("Person", [Hop("knows", "Person")] * 11, {}),
    ],
)
def test_question_outside_the_ontology_or_the_limits_is_refused(
    world: World, start: str, hops: list[Hop], more: dict[str, object]
) -> None:
    world.person("ann")
    with pytest.raises(InvalidQuery):
        ask(world, start, *hops, **more)


def test_unknown_database_and_branch_are_not_found(world: World) -> None:
    with pytest.raises(DatabaseNotFound):
        world.queries.ask("ghost", "main", GraphQuery("Person"))
    with pytest.raises(BranchNotFound):
        world.queries.ask(DATABASE, "ghost", GraphQuery("Person"))


def test_must_hold_16_names_come_from_the_title_key(world: World) -> None:
    world.person("ann")
    [item] = ask(world).nodes
    assert item.title == "Ann Smith"
    assert item.key_values == {"person_id": "ann"}


def test_must_hold_16_no_cycles_never_leads_back(world: World) -> None:
    world.person("a", knows=["b"])
    world.person("b", knows=["a", "c"])
    world.person("c", knows=["a"])
    free = ask(world, "Person", "knows", "knows", "knows", filters={"person_id": "a"})
    assert "Person/b knows Person/a" in links(free)
    bound = ask(world, "Person", "knows", "knows", "knows", filters={"person_id": "a"}, no_cycles=True, max_paths=10)
    assert links(bound) == ["Person/a knows Person/b", "Person/b knows Person/c"]
    assert "cycle_filtered(no_cycles=true)" in bound.warnings
    assert [path.nodes for path in bound.walk.paths] == [("Person/a", "Person/b", "Person/c")]


def test_no_cycles_keeps_a_node_that_two_ways_reach(world: World) -> None:
    world.person("a", knows=["b", "c"])
    world.person("b", knows=["d"])
    world.person("c", knows=["d"])
    world.person("d")
    answer = ask(world, "Person", "knows", "knows", filters={"person_id": "a"}, no_cycles=True, max_paths=10)
    assert [path.nodes[1] for path in answer.walk.paths] == ["Person/b", "Person/c"]
    assert answer.warnings == []


def test_must_hold_16_path_depth_limit_stops_following_hops(world: World) -> None:
    for name, friend in (("a", "b"), ("b", "c"), ("c", "d")):
        world.person(name, knows=[friend])
    world.person("d")
    asked = {"filters": {"person_id": "a"}, "max_paths": 10}
    assert keys(ask(world, "Person", "knows", "knows", "knows", **asked))[-1] == "Person/d"
    shallow = ask(world, "Person", "knows", "knows", "knows", path_depth_limit=2, **asked)
    assert keys(shallow) == ["Person/a", "Person/b", "Person/c"]
    assert max(len(path.links) for path in shallow.walk.paths) == 2
    assert keys(ask(world, "Person", "knows", path_depth_limit=0, **asked)) == ["Person/a"]


def test_node_limit_cuts_nodes_and_the_links_to_them(world: World) -> None:
    world.person("z", knows=["a", "b", "c"])
    for name in "abc":
        world.person(name)
    answer = ask(world, "Person", "knows", filters={"person_id": "z"}, max_nodes=2)
    assert keys(answer) == ["Person/z", "Person/a"]
    assert links(answer) == ["Person/z knows Person/a"]
    assert answer.warnings == ["node_limit_reached(max_nodes=2)"]


def test_edge_limit_cuts_links(world: World) -> None:
    world.person("z", knows=["a", "b", "c"])
    for name in "abc":
        world.person(name)
    answer = ask(world, "Person", "knows", filters={"person_id": "z"}, max_edges=2)
    assert len(answer.walk.links) == 2
    assert answer.warnings == ["edge_limit_reached(max_edges=2)"]
    exact = ask(world, "Person", "knows", filters={"person_id": "z"}, max_edges=3)
    assert exact.warnings == []


def test_path_limit_cuts_paths(world: World) -> None:
    world.person("z", knows=["a", "b", "c"])
    for name in "abc":
        world.person(name)
    answer = ask(world, "Person", "knows", filters={"person_id": "z"}, max_paths=2)
    assert len(answer.walk.paths) == 2
    assert answer.warnings == ["path_limit_reached(max_paths=2)"]


def test_pages_follow_a_total_order_and_meet_every_node_once(world: World) -> None:
    for number in range(7):
        world.person(f"p{number}", age=number % 2)
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        answer = ask(world, sort_field="age", limit=3, offset=offset)
        assert answer.total == 7
        seen += keys(answer)
        offset = answer.next_offset
    assert seen == [f"Person/p{number}" for number in (0, 2, 4, 6, 1, 3, 5)]


def test_data_status_full_partial_missing(world: World) -> None:
    for name in ("fresh", "stale", "unknown", "dead"):
        world.person(name)
    world.index("Person/fresh")
    world.index("Person/stale", is_older=True)
    world.index("Person/dead", is_deleted=True)
    answer = ask(world)
    assert {item.node.key: item.data_status for item in answer.nodes} == {
        "Person/fresh": "FULL",
        "Person/stale": "PARTIAL",
        "Person/dead": "PARTIAL",
        "Person/unknown": "MISSING",
    }
    assert {item.data_status for item in ask(world, with_documents=False).nodes} == {"PARTIAL"}


def test_handlers_that_are_behind_are_a_warning(world: World) -> None:
    world.behind = ["graph", "search"]
    assert ask(world).warnings == ["graph_behind", "search_behind"]
    assert ask(world, with_documents=False).warnings == ["graph_behind"]


@pytest.mark.parametrize("error", [GraphUnavailable, SearchUnavailable])
def test_must_hold_13_engine_that_is_down_is_an_error_not_an_empty_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    world.person("ann")

    def fail(*_: object) -> None:
        raise error

    target, method = (world.graph, "view") if error is GraphUnavailable else (world.search, "get")
    monkeypatch.setattr(target, method, fail)
    with pytest.raises(error):
        ask(world)


def test_dense_walk_with_few_paths_asked_for_stays_bounded(world: World) -> None:
    names = [f"p{number}" for number in range(12)]
    for name in names:
        world.person(name, knows=[other for other in names if other != name])
    world.limits = QueryLimits(20, 1000, 2000)
    answer = ask(world, "Person", *["knows"] * 12, filters={"person_id": "p0"}, no_cycles=True, max_paths=3)
    assert len(answer.walk.paths) <= 3
    assert "path_limit_reached(max_paths=3)" in answer.warnings
