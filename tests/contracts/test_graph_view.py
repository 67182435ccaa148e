"""The contract of `GraphView`: refs, nodes, links, walks. Each test is a sentence of the port."""

from typing import Any

import pytest
from graph_samples import Writer, node, provenance, removal

from spice_core.domain.graph import Direction, Hop, Link, NodePage
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.errors import (
    BranchNotFound,
    CommitNotFound,
    DatabaseNotFound,
    InvalidQuery,
)
from spice_core.ports.graph_store import GraphView

OUT, IN = Direction.OUT, Direction.IN


def view(writer: Writer, ref: str = "main") -> GraphView:
    return writer.store.view(writer.database, ref)


def keys(page: NodePage) -> list[str]:
    return [found.key for found in page.nodes]


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
