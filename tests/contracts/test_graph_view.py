"""The contract of `GraphView` and of everything that is read by ref. Each test is a sentence of the port."""

from collections.abc import Iterator
from typing import Any

import pytest
from graph_samples import Writer, batch, node, provenance, removal
from graph_store_adapters import GRAPH_STORES

from spice_core.domain.graph import Direction, Hop, Link, NodePage
from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.errors import BranchNotFound, CommitNotFound, DatabaseNotFound, InvalidQuery
from spice_core.ports.graph_store import GraphView

OUT, IN = Direction.OUT, Direction.IN


@pytest.fixture(params=GRAPH_STORES)
def writer(request: pytest.FixtureRequest) -> Iterator[Writer]:
    """A writer on a new database `shop`."""
    store = GRAPH_STORES[request.param](request)
    found = Writer(store)
    found.create()
    yield found
    store.close()


def view(writer: Writer, ref: str = "main") -> GraphView:
    return writer.store.view(writer.database, ref)


def keys(page: NodePage) -> list[str]:
    return [found.key for found in page.nodes]


def found_by(writer: Writer, *filters: Filter) -> list[str]:
    found = keys(view(writer).page(["A"], filters=filters))
    assert view(writer).count(["A"], filters=filters) == len(found)
    return [key.removeprefix("A/") for key in found]


def all_pages(seen: GraphView, class_ids: list[str], limit: int, **query: Any) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = seen.page(class_ids, after=after, limit=limit, **query)
        assert len(page.nodes) <= limit
        found += keys(page)
        after = page.next_after
        if after is None:
            return found


# Views and refs


def test_view_is_pinned_whatever_is_committed_meanwhile(writer: Writer) -> None:
    commit = writer.write(node("A/1", {"x": 1}, {"to": ["B/1"]}), node("B/1"))
    pinned = view(writer)
    writer.write(node("A/1", {"x": 2}), removal("B/1"), node("A/2"))
    assert pinned.commit == commit
    assert pinned.get(["A/1"])["A/1"].document == {"x": 1, "to": ["B/1"]}
    assert keys(pinned.page(["A", "B"])) == ["A/1", "B/1"]
    assert pinned.count(["A"]) == 1
    assert pinned.expand(["A/1"], predicate="to", direction=OUT) == [Link("A/1", "to", "B/1")]


def test_ref_is_a_branch_a_commit_id_a_unique_prefix_or_one_of_them_with_parents_back(writer: Writer) -> None:
    (root,) = writer.store.history("shop")
    first, second = writer.write(node("A/1")), writer.write(node("A/2"))
    writer.branch("b", first.id)
    expected = {
        "main": second,
        "HEAD": second,
        "b": first,
        "HEAD~1": first,
        "main~2": root,
        "main~0": second,
        f"{second.id}~1": first,
        second.id: second,
        second.id[:8]: second,
        f"{second.id[:8]}~1": first,
        "b~1": root,
    }
    assert {ref: view(writer, ref).commit.id for ref in expected} == {ref: commit.id for ref, commit in expected.items()}


@pytest.mark.parametrize("ref", ["abcdef01", "f" * 40, "main~9", "HEAD~2"])
def test_ref_to_no_commit_is_refused(writer: Writer, ref: str) -> None:
    with pytest.raises(CommitNotFound):
        view(writer, ref)


@pytest.mark.parametrize("ref", ["never", "", "main~", "~1", "main~x", "never~1", "abc", "a'b", "%"])
def test_ref_to_no_branch_is_refused(writer: Writer, ref: str) -> None:
    with pytest.raises(BranchNotFound):
        view(writer, ref)


def test_prefix_of_fewer_than_eight_characters_is_no_commit(writer: Writer) -> None:
    commit = writer.write(node("A/1"))
    with pytest.raises(BranchNotFound):
        view(writer, commit.id[:7])


def test_view_of_an_unknown_database_is_refused(writer: Writer) -> None:
    with pytest.raises(DatabaseNotFound):
        writer.store.view("never")
    with pytest.raises(DatabaseNotFound):
        writer.store.commit_covering("never", 1)


# Nodes


def test_get_returns_the_nodes_that_exist_as_they_were_written(writer: Writer) -> None:
    document = {"n": None, "f": 1.5, "i": 2**53, "t": "\u00e9\U0001f600'\"", "b": True, "o": {"z": 1, "a": [1, {}]}, "one": "B/1"}
    written = node("A/x/y", document, {"many": ["B/2", "B/1"]}, position=7, sequence=3)
    writer.write(written, node("A/2"))
    assert view(writer).get(["A/x/y", "A/none", "A/x"]) == {"A/x/y": written}
    assert view(writer).get([]) == {}
    assert view(writer).get(["A/x/y"])["A/x/y"].provenance == provenance(7)


def test_links_that_the_document_does_not_repeat_are_kept(writer: Writer) -> None:
    document = {"one": "B/1", "turned": ["B/2", "B/1"]}
    links = {"one": ("B/1",), "turned": ("B/1", "B/2"), "hidden": ("B/3",)}
    written = node("A/1")
    writer.write(type(written)("A/1", "A", document, links, 1, 1, provenance(1)))
    assert view(writer).get(["A/1"])["A/1"].links == links
    assert view(writer).get(["A/1"])["A/1"].document == document


def test_removed_node_is_gone_and_can_come_back(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 1}))
    before = writer.remove("A/1", "A/never")
    assert view(writer).get(["A/1"]) == {}
    writer.write(node("A/1", {"x": 2}))
    assert writer.document("A/1") == {"x": 2}
    assert writer.document("A/1", before.id) is None


# Pages


def test_page_is_in_codepoint_order_of_keys(writer: Writer) -> None:
    names = ["a", "B", "\u00e9", "Z", "10", "2", "a b", "\U0001f600", "\uffee"]
    writer.write(*(node(f"A/{name}") for name in names))
    assert keys(view(writer).page(["A"])) == sorted(f"A/{name}" for name in names)


def test_page_holds_nodes_of_the_asked_classes_only(writer: Writer) -> None:
    writer.write(node("A/1"), node("AB/1"), node("A-/1"), node("B/1"), node("C/1"))
    assert keys(view(writer).page(["A"])) == ["A/1"]
    assert keys(view(writer).page(["B", "A", "A"])) == ["A/1", "B/1"]
    assert keys(view(writer).page([])) == []
    assert view(writer).count(["A", "B", "none"]) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_following_next_after_visits_every_node_exactly_once(writer: Writer, limit: int) -> None:
    writer.write(*(node(f"A/{number:02}") for number in range(10)))
    writer.branch("b")
    writer.write(*(removal(f"A/{number:02}") for number in (0, 4, 5, 9)), node("A/05x"), node("B/1"), branch="b")
    expected = ["A/01", "A/02", "A/03", "A/05x", "A/06", "A/07", "A/08", "B/1"]
    assert all_pages(view(writer, "b"), ["A", "B"], limit) == expected


SORTED = {
    Kind.TEXT: ["b", "a", "\u00e9", "B", "10", "9", "", None, 5],
    Kind.INTEGER: [10, 9, -1, 2**62, 0, None, "7", "x", 1.5, 3.0],
    Kind.NUMBER: [1.5, 10, 9, -0.25, 1e20, "2.5", None, "x", 1e-7],
    Kind.BOOLEAN: [True, False, None, "true", True],
    Kind.DATE: ["2024-02-01", "2023-12-31", None, "soon", "2024-01-31"],
    Kind.TIMESTAMP: [
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.5Z",
        "2024-01-01T00:00:00.500000Z",
        "2023-12-31T23:59:59.999999Z",
        None,
        "2024-01-01",
    ],
}
ORDERS = {
    Kind.TEXT: ["", "10", "9", "B", "a", "b", "\u00e9"],
    Kind.INTEGER: [-1, 0, 1.5, 3.0, "7", 9, 10, 2**62],
    Kind.NUMBER: [-0.25, 1e-7, 1.5, "2.5", 9, 10, 1e20],
    Kind.BOOLEAN: [False, True, True],
    Kind.DATE: ["2023-12-31", "2024-01-31", "2024-02-01"],
    Kind.TIMESTAMP: [
        "2023-12-31T23:59:59.999999Z",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.5Z",
        "2024-01-01T00:00:00.500000Z",
    ],
}


@pytest.mark.parametrize("kind", SORTED)
def test_sort_is_by_kind_nulls_last_both_ways_ties_by_key_in_the_same_direction(writer: Writer, kind: Kind) -> None:
    values = SORTED[kind]
    writer.write(*(node(f"A/{number:02}", {} if value is None else {"x": value}) for number, value in enumerate(values)))
    for is_descending in (False, True):
        sort = Sort("x", kind, is_descending)
        nodes = view(writer).page(["A"], sort=sort).nodes
        known = [found.document["x"] for found in nodes[: len(ORDERS[kind])]]
        assert known == (ORDERS[kind][::-1] if is_descending else ORDERS[kind])
        rest = [found.key for found in nodes[len(ORDERS[kind]) :]]
        assert rest == sorted(rest, reverse=is_descending)
        for limit in (1, 2, 3):
            assert all_pages(view(writer), ["A"], limit, sort=sort) == [found.key for found in nodes]


def test_an_array_has_no_place_in_an_order_and_sorts_as_null(writer: Writer) -> None:
    writer.write(node("A/1", {"x": [1]}), node("A/2", {"x": 2}))
    assert keys(view(writer).page(["A"], sort=Sort("x", Kind.INTEGER))) == ["A/2", "A/1"]


def test_offset_skips_nodes_after_the_mark(writer: Writer) -> None:
    writer.write(*(node(f"A/{number}", {"x": number % 3}) for number in range(9)))
    for sort in (None, Sort("x", Kind.INTEGER, is_descending := True), Sort("x", Kind.INTEGER)):
        whole = keys(view(writer).page(["A"], sort=sort))
        first = view(writer).page(["A"], sort=sort, limit=2)
        assert keys(view(writer).page(["A"], sort=sort, offset=3, limit=2)) == whole[3:5]
        assert keys(view(writer).page(["A"], sort=sort, after=first.next_after, offset=3, limit=2)) == whole[5:7]
        assert keys(view(writer).page(["A"], sort=sort, offset=9)) == []
    assert is_descending


def test_last_page_has_no_next(writer: Writer) -> None:
    writer.write(node("A/1"), node("A/2"))
    assert view(writer).page(["A"], limit=2).next_after is None
    assert view(writer).page(["A"], limit=1).next_after is not None


@pytest.mark.parametrize("after", ["", "x", "bm9wZQ", "W10", "\u00e9", "WyJ4IiwgMSwgMl0"])
def test_after_that_is_no_token_is_refused(writer: Writer, after: str) -> None:
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], after=after)


def test_after_of_another_query_is_refused(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 1}), node("A/2", {"x": 2}))
    after = view(writer).page(["A"], limit=1).next_after
    others: list[dict[str, Any]] = [
        {"class_ids": ["A", "B"]},
        {"class_ids": ["A"], "sort": Sort("x")},
        {"class_ids": ["A"], "filters": [Filter("x", Operator.NOT_NULL)]},
    ]
    for other in others:
        with pytest.raises(InvalidQuery):
            view(writer).page(after=after, **other)


def test_limit_below_one_and_negative_offset_are_refused(writer: Writer) -> None:
    for wrong in ({"limit": 0}, {"offset": -1}):
        with pytest.raises(InvalidQuery):
            view(writer).page(["A"], **wrong)


# Links


def linked(writer: Writer) -> None:
    writer.write(
        node("A/1", {"x": 1}, {"to": ["B/1", "B/2", "A/2"], "by": ["B/1"]}),
        node("A/2", {"x": 2}, {"to": ["A/2", "A/1"], "by": ["B/9"]}),
        node("B/1", {"x": 3}),
        node("B/2", {"x": 4}, {"back": ["A/1"]}),
    )


def hop(seen: GraphView, *near: str, **query: Any) -> list[tuple[str, str, str]]:
    links = seen.expand(near, **{"predicate": None, "direction": OUT, **query})
    return [(link.source, link.predicate, link.target) for link in links]


def test_expand_follows_links_out_in_order_of_near_key_predicate_and_far_key(writer: Writer) -> None:
    linked(writer)
    assert hop(view(writer), "A/2", "A/1", "B/1", "none/1") == [
        ("A/1", "by", "B/1"),
        ("A/1", "to", "A/2"),
        ("A/1", "to", "B/1"),
        ("A/1", "to", "B/2"),
        ("A/2", "to", "A/1"),
        ("A/2", "to", "A/2"),
    ]


def test_expand_follows_links_in_and_each_link_keeps_its_source_and_target(writer: Writer) -> None:
    linked(writer)
    assert hop(view(writer), "B/1", "A/1", "A/2", direction=IN) == [
        ("B/2", "back", "A/1"),
        ("A/2", "to", "A/1"),
        ("A/1", "to", "A/2"),
        ("A/2", "to", "A/2"),
        ("A/1", "by", "B/1"),
        ("A/1", "to", "B/1"),
    ]


def test_expand_follows_one_predicate_or_all(writer: Writer) -> None:
    linked(writer)
    assert hop(view(writer), "A/1", predicate="by") == [("A/1", "by", "B/1")]
    assert hop(view(writer), "B/1", predicate="to", direction=IN) == [("A/1", "to", "B/1")]
    assert hop(view(writer), "A/1", predicate="never") == []
    assert hop(view(writer)) == []


def test_expand_keeps_links_whose_far_end_is_of_a_target_class_and_meets_the_filters(writer: Writer) -> None:
    linked(writer)
    assert hop(view(writer), "A/1", target_classes=["A"]) == [("A/1", "to", "A/2")]
    above = [Filter("x", Operator.GT, 3, Kind.INTEGER)]
    assert hop(view(writer), "A/1", filters=above) == [("A/1", "to", "B/2")]
    assert hop(view(writer), "A/1", filters=above, target_classes=["A"]) == []
    assert hop(view(writer), "A/1", "A/2", direction=IN, target_classes=["B"]) == [("B/2", "back", "A/1")]
    low = [Filter("x", Operator.LTE, 1, Kind.INTEGER)]
    assert hop(view(writer), "B/1", direction=IN, filters=low) == [("A/1", "by", "B/1"), ("A/1", "to", "B/1")]


def test_expand_cuts_the_order_at_the_limit(writer: Writer) -> None:
    linked(writer)
    whole = hop(view(writer), "A/1", "A/2")
    for limit in (1, 3, 6, 7):
        assert hop(view(writer), "A/1", "A/2", limit=limit) == whole[:limit]
    assert hop(view(writer), "A/1", target_classes=["B"], limit=2) == [("A/1", "by", "B/1"), ("A/1", "to", "B/1")]
    above = [Filter("x", Operator.GT, 3, Kind.INTEGER)]
    assert hop(view(writer), "A/1", filters=above, limit=1) == [("A/1", "to", "B/2")]


def walk(seen: GraphView, near: list[str], *hops: Hop, limit: int | None = None) -> list[tuple[str, int]]:
    return [(found.key, found.depth) for found in seen.reach(near, hops, limit=limit)]


def test_reach_gives_each_node_once_at_its_least_depth_by_depth_and_key(writer: Writer) -> None:
    links = {"A/1": ["A/3", "A/2"], "A/2": ["A/4", "A/1", "A/2"], "A/3": ["A/2", "A/4", "B/0"], "A/4": ["A/5"], "A/5": ["A/1"]}
    writer.write(*(node(key, {"x": int(key[-1])}, {"to": held}) for key, held in links.items()))
    seen = view(writer)
    assert walk(seen, ["A/1"], *[Hop()] * 9) == [("A/2", 1), ("A/3", 1), ("A/4", 2), ("A/5", 3)]
    assert walk(seen, ["A/1"], Hop(), Hop(), limit=2) == [("A/2", 1), ("A/3", 1)]
    assert walk(seen, ["A/1", "A/4", "none/1"], Hop()) == [("A/2", 1), ("A/3", 1), ("A/5", 1)]
    assert walk(seen, ["A/1"]) == []
    assert walk(seen, [], Hop()) == []


def test_reach_goes_on_only_from_nodes_that_meet_what_their_hop_asks(writer: Writer) -> None:
    linked(writer)
    above = (Filter("x", Operator.GT, 3, Kind.INTEGER),)
    seen = view(writer)
    assert walk(seen, ["A/1"], Hop("to", filters=above), Hop("back")) == [("B/2", 1)]
    assert walk(seen, ["A/2"], Hop("to"), Hop(target_classes=["B"])) == [("A/1", 1), ("B/1", 2), ("B/2", 2)]
    assert walk(seen, ["B/1"], Hop("by", IN), Hop("to", filters=above)) == [("A/1", 1), ("B/2", 2)]
    assert walk(seen, ["B/1"], Hop("never", IN), Hop()) == []
    assert walk(seen, ["A/1"], Hop(filters=above), Hop(direction=IN), Hop("to")) == [("B/2", 1)]
    with pytest.raises(InvalidQuery):
        walk(seen, ["A/1"], Hop(), Hop(filters=[Filter("x", Operator.GT, {}, Kind.JSON)]))


def test_reach_on_a_branch_follows_what_the_branch_sees(writer: Writer) -> None:
    linked(writer)
    writer.branch("b")
    writer.write(node("A/2", links={"to": ["B/2"]}), removal("B/1"), branch="b")
    assert walk(view(writer, "b"), ["B/2"], Hop(direction=IN)) == [("A/1", 1), ("A/2", 1)]
    assert walk(view(writer, "b"), ["A/2"], Hop(), Hop()) == [("B/2", 1), ("A/1", 2)]
    assert walk(view(writer), ["A/2"], Hop(), Hop()) == [("A/1", 1), ("B/1", 2), ("B/2", 2)]


def test_removed_node_takes_its_links_out_with_it(writer: Writer) -> None:
    linked(writer)
    writer.remove("A/1")
    assert hop(view(writer), "A/1") == []
    assert hop(view(writer), "B/1", "B/2", "A/2", direction=IN) == [("A/2", "to", "A/2")]
    writer.write(node("A/1"))
    assert hop(view(writer), "A/1") == []


def test_links_to_a_removed_node_stop_and_come_back_with_it(writer: Writer) -> None:
    linked(writer)
    writer.remove("B/1")
    assert ("A/1", "by", "B/1") not in hop(view(writer), "A/1")
    writer.write(node("B/1"))
    assert ("A/1", "by", "B/1") in hop(view(writer), "A/1")
    assert hop(view(writer), "A/2", predicate="by") == []
    writer.write(node("B/9"))
    assert hop(view(writer), "A/2", predicate="by") == [("A/2", "by", "B/9")]


def test_rewritten_node_has_the_links_of_its_last_version_only(writer: Writer) -> None:
    linked(writer)
    old = view(writer)
    writer.write(node("A/1", links={"to": ["B/2", "B/1"], "by": ["B/2"]}))
    expected = [("A/1", "by", "B/2"), ("A/1", "to", "B/1"), ("A/1", "to", "B/2")]
    assert hop(view(writer), "A/1") == expected
    assert hop(view(writer), "A/2", direction=IN) == [("A/2", "to", "A/2")]
    assert len(hop(old, "A/1")) == 4


def test_links_on_a_branch_and_on_its_parent_change_apart(writer: Writer) -> None:
    linked(writer)
    writer.branch("b")
    writer.write(node("A/1", links={"to": ["B/1"]}), removal("B/2"), node("B/3"), branch="b")
    writer.write(node("A/1", links={"to": ["B/2"], "by": ["B/3"]}), removal("A/2"))
    assert hop(view(writer, "b"), "A/1") == [("A/1", "to", "B/1")]
    assert hop(view(writer, "b"), "A/1", direction=IN) == [("A/2", "to", "A/1")]
    assert hop(view(writer), "A/1") == [("A/1", "to", "B/2")]
    assert hop(view(writer), "B/1", "A/1", direction=IN) == [("B/2", "back", "A/1")]
    writer.write(node("A/1", links={"by": ["B/3"], "to": ["B/1"]}), branch="b")
    assert hop(view(writer, "b"), "A/1") == [("A/1", "by", "B/3"), ("A/1", "to", "B/1")]
    writer.remove("A/1", branch="b")
    assert hop(view(writer, "b"), "A/1") == []
    writer.write(node("A/1", links={"to": ["B/1"]}), branch="b")
    assert hop(view(writer, "b"), "A/1") == [("A/1", "to", "B/1")]


# History, differences, ancestors


def test_history_goes_back_along_first_parents_newest_first(writer: Writer) -> None:
    (root,) = writer.store.history("shop")
    first = writer.write(node("A/1"))
    writer.branch("b")
    on_branch = writer.write(node("A/2"), branch="b")
    second = writer.write(node("A/3"))
    assert writer.store.history("shop") == [second, first, root]
    assert writer.store.history("shop", "b") == [on_branch, first, root]
    assert writer.store.history("shop", "b", limit=2) == [on_branch, first]
    assert writer.store.history("shop", "HEAD~1", limit=1) == [first]
    assert (on_branch.parents, second.parents) == ((first.id,), (first.id,))
    with pytest.raises(BranchNotFound):
        writer.store.history("shop", "never")


def test_commit_covering_is_the_commit_whose_range_holds_the_position(writer: Writer) -> None:
    wide = writer.store.apply("shop", batch([node("A/1")], first=4, last=9))
    writer.position = 12
    writer.branch("b")
    later = writer.write(node("A/2"), branch="b")
    found = [writer.store.commit_covering("shop", position) for position in (0, 1, 3, 4, 7, 9, 10, 13, 14, 15)]
    (root,) = writer.store.history("shop", "HEAD~1")
    assert found == [None, root, None, wide, wide, wide, None, None, later, None]


def test_diff_gives_the_keys_whose_documents_differ_in_key_order(writer: Writer) -> None:
    writer.write(*(node(f"A/{number}", {"x": 0}) for number in range(6)))
    writer.branch("b")
    writer.write(node("A/1", {"x": 1}), removal("A/2"), node("A/3", {"x": 0}, sequence=9), node("A/8"), branch="b")
    writer.write(node("A/1", {"x": 2}), node("A/4", {"x": 4}), removal("A/5"), node("A/8"))
    found = writer.store.diff("shop", "main", "b")
    assert [(item.key, item.before and item.before.document, item.after and item.after.document) for item in found] == [
        ("A/1", {"x": 2}, {"x": 1}),
        ("A/2", {"x": 0}, None),
        ("A/4", {"x": 4}, {"x": 0}),
        ("A/5", None, {"x": 0}),
    ]
    assert [item.key for item in writer.store.diff("shop", "main", "b", after="A/1", limit=2)] == ["A/2", "A/4"]
    assert [item.key for item in writer.store.diff("shop", "HEAD~1", "HEAD")] == ["A/1", "A/4", "A/5", "A/8"]
    assert writer.store.diff("shop", "b", "b") == []
    with pytest.raises(BranchNotFound):
        writer.store.diff("shop", "main", "never")


def test_diff_of_a_value_that_changed_and_changed_back_is_empty(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 1}))
    writer.write(node("A/1", {"x": 2}))
    writer.write(node("A/1", {"x": 1.0}), node("A/2"))
    assert [item.key for item in writer.store.diff("shop", "HEAD~2", "HEAD")] == ["A/2"]
    writer.write(node("A/1", {"x": True}))
    assert [item.key for item in writer.store.diff("shop", "HEAD~1", "HEAD")] == ["A/1"]


def test_common_ancestor_is_the_newest_commit_that_both_descend_from(writer: Writer) -> None:
    (root,) = writer.store.history("shop")
    first = writer.write(node("A/1"))
    writer.branch("b")
    second = writer.write(node("A/2"))
    on_b = writer.write(node("A/3"), branch="b")
    writer.branch("c", "b")
    writer.write(node("A/4"), branch="b")
    writer.write(node("A/5"), branch="c")
    expected = {
        ("main", "b"): first,
        ("c", "b"): on_b,
        ("c", "main"): first,
        ("main", "main"): second,
        ("HEAD~1", "main"): first,
        ("b~9", "c"): None,
        (root.id, "c"): root,
        ("c", "c~1"): on_b,
    }
    del expected["b~9", "c"]
    for (left, right), commit in expected.items():
        assert writer.store.common_ancestor("shop", left, right) == commit, (left, right)
        assert writer.store.common_ancestor("shop", right, left) == commit, (right, left)
    with pytest.raises(CommitNotFound):
        writer.store.common_ancestor("shop", "main", "b~9")


# Filters

VALUES: dict[str, Any] = {
    "absent": None,
    "array": [1, "b", None],
    "b": "b",
    "b7": "bb 7",
    "empty": [],
    "false": False,
    "five": 5,
    "fiveish": 5.0,
    "object": {"k": [1, 2.0]},
    "ten": 10,
    "true": True,
    "word": "\u00e9b%_",
}
JSON, INTEGER, NUMBER, TEXT, BOOLEAN = Kind.JSON, Kind.INTEGER, Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN
ALL = set(VALUES)
FILTERS = [
    (Operator.EQ, "b", TEXT, {"array", "b"}),
    (Operator.NE, "b", TEXT, ALL - {"b"}),
    (Operator.GT, "b", TEXT, {"b7", "word"}),
    (Operator.LTE, "bb 7", TEXT, {"array", "b", "b7"}),
    (Operator.IN, ["b", "x"], TEXT, {"array", "b"}),
    (Operator.IN, [], TEXT, set()),
    (Operator.NOT_IN, ["b", "bb 7"], TEXT, ALL - {"b", "b7"}),
    (Operator.NOT_IN, [], TEXT, ALL),
    (Operator.CONTAINS, "b", TEXT, {"array", "b", "b7", "word"}),
    (Operator.CONTAINS, "%", TEXT, {"word"}),
    (Operator.CONTAINS, "b", INTEGER, {"array", "b", "b7", "word"}),
    (Operator.PREFIX, "b", TEXT, {"array", "b", "b7"}),
    (Operator.PREFIX, "\u00e9b%_", TEXT, {"word"}),
    (Operator.EQ, 5, INTEGER, {"five", "fiveish"}),
    (Operator.EQ, "5", NUMBER, {"five", "fiveish"}),
    (Operator.GTE, 5, INTEGER, {"five", "fiveish", "ten"}),
    (Operator.LT, 9, INTEGER, {"array", "five", "fiveish"}),
    (Operator.GT, 1.5, NUMBER, {"five", "fiveish", "ten"}),
    (Operator.NE, 5, NUMBER, ALL - {"five", "fiveish"}),
    (Operator.EQ, True, BOOLEAN, {"true"}),
    (Operator.LT, True, BOOLEAN, {"false"}),
    (Operator.NE, True, BOOLEAN, ALL - {"true"}),
    (Operator.EQ, {"k": [1.0, 2]}, JSON, {"object"}),
    (Operator.IN, [1, True, "b7"], JSON, {"array", "true"}),
    (Operator.NE, 10.0, JSON, ALL - {"ten"}),
    (Operator.IS_NULL, None, JSON, {"absent", "array", "empty"}),
    (Operator.NOT_NULL, None, JSON, ALL - {"absent", "empty"}),
    (Operator.IS_NULL, None, NUMBER, ALL - {"five", "fiveish", "ten"}),
    (Operator.NOT_NULL, None, INTEGER, {"array", "five", "fiveish", "ten"}),
]


@pytest.mark.parametrize(("operator", "value", "kind", "expected"), FILTERS)
def test_filter_compares_by_kind(writer: Writer, operator: Operator, value: Any, kind: Kind, expected: set[str]) -> None:
    writer.write(*(node(f"A/{name}", {} if name == "absent" else {"x": item}) for name, item in VALUES.items()))
    assert set(found_by(writer, Filter("x", operator, value, kind))) == expected


def test_dates_and_timestamps_compare_as_such_and_what_is_none_is_null(writer: Writer) -> None:
    values = ["2024-01-01", "2024-13-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.25Z", 20240101]
    writer.write(*(node(f"A/{number}", {"x": value}) for number, value in enumerate(values)))
    assert found_by(writer, Filter("x", Operator.GTE, "2023-01-01", Kind.DATE)) == ["0"]
    assert found_by(writer, Filter("x", Operator.EQ, "2024-01-01T00:00:00.0Z", Kind.TIMESTAMP)) == ["2", "3"]
    assert found_by(writer, Filter("x", Operator.GT, "2024-01-01T00:00:00Z", Kind.TIMESTAMP)) == ["4"]


def test_all_conditions_hold_together(writer: Writer) -> None:
    writer.write(*(node(f"A/{number}", {"x": number, "y": str(number)}) for number in range(5)))
    both = (Filter("x", Operator.GT, 1, Kind.INTEGER), Filter("y", Operator.LT, "4"))
    assert found_by(writer, *both) == ["2", "3"]


@pytest.mark.parametrize(
    "wrong",
    [
        Filter("x", Operator.EQ, None),
        Filter("x", Operator.EQ, 5, Kind.TEXT),
        Filter("x", Operator.GT, "x", Kind.NUMBER),
        Filter("x", Operator.IN, "abc"),
        Filter("x", Operator.IN, 5),
        Filter("x", Operator.IN, [1, None], Kind.INTEGER),
        Filter("x", Operator.GT, {}, Kind.JSON),
        Filter("x", Operator.CONTAINS, 5),
        Filter("x", Operator.EQ, "2024-13-01", Kind.DATE),
    ],
)
def test_filter_that_cannot_be_asked_is_refused(writer: Writer, wrong: Filter) -> None:
    linked(writer)
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], filters=[wrong])
    with pytest.raises(InvalidQuery):
        view(writer).count(["A"], filters=[wrong])
    with pytest.raises(InvalidQuery):
        view(writer).expand(["A/1"], predicate=None, direction=OUT, filters=[wrong])


def test_json_has_no_order(writer: Writer) -> None:
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], sort=Sort("x", Kind.JSON))


def test_nul_in_a_question_finds_nothing_or_is_refused_but_never_breaks_the_store(writer: Writer) -> None:
    writer.write(node("A/1", {"x": "a"}))
    assert view(writer).get(["A/\x00", "A/1", "A/\ud800"]).keys() == {"A/1"}
    assert view(writer).expand(["A/\x00"], predicate="\x00", direction=OUT) == []
    assert keys(view(writer).page(["A\x00"])) == []
    for wrong in (
        Filter("x", Operator.NE, "\x00"),
        Filter("x\x00", Operator.IS_NULL),
        Filter("x", Operator.IN, ["\x00"]),
        Filter("x", Operator.EQ, {"y": ["\x00"]}, Kind.JSON),
    ):
        with pytest.raises(InvalidQuery):
            found_by(writer, wrong)
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], sort=Sort("\ud800"))
    with pytest.raises(DatabaseNotFound):
        writer.store.view("a\x00")
    with pytest.raises(BranchNotFound):
        view(writer, "a\x00")
