"""The contract of `GraphStore`: branches, history, differences, ancestors. Each test is a sentence of the port."""

import pytest
from graph_samples import START, Writer, batch, node, removal

from spice_core.domain.graph import Direction
from spice_core.errors import (
    AlreadyExists,
    BranchNotFound,
    CommitNotFound,
    Conflict,
    DatabaseNotFound,
)


def keys(writer: Writer, ref: str = "main") -> list[str]:
    return [found.key for found in writer.store.view(writer.database, ref).page(["A", "B"]).nodes]


def test_branch_starts_at_the_commit_that_its_source_resolves_to(writer: Writer) -> None:
    first = writer.write(node("A/1"))
    writer.write(node("A/2"))
    branch = writer.branch("b", source=first.id[:12])
    assert (branch.name, branch.head, branch.created_from, branch.created_at) == ("b", first.id, first.id, START)
    assert keys(writer, "b") == ["A/1"]
    assert writer.store.applied_position("shop") == writer.position


def test_writes_on_a_branch_are_not_seen_on_its_parent_nor_the_other_way(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 0}), node("A/2", {"x": 0}), node("A/3", {"x": 0}))
    writer.branch("b")
    writer.write(node("A/1", {"x": 1}), removal("A/2"), node("A/4"), branch="b")
    writer.write(node("A/1", {"x": 2}), removal("A/3"), node("A/5"))
    assert keys(writer) == ["A/1", "A/2", "A/5"]
    assert keys(writer, "b") == ["A/1", "A/3", "A/4"]
    assert writer.document("A/1") == {"x": 2}
    assert writer.document("A/1", "b") == {"x": 1}


def test_branch_of_a_branch_sees_both_as_they_were(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 0}), node("A/2", {"x": 0}))
    writer.branch("b")
    writer.write(node("A/1", {"x": 1}), branch="b")
    writer.branch("c", "b")
    writer.write(node("A/1", {"x": 2}), branch="b")
    writer.remove("A/2", branch="c")
    assert writer.document("A/1", "c") == {"x": 1}
    assert keys(writer, "c") == ["A/1"]
    assert keys(writer, "b") == ["A/1", "A/2"]


def test_repeated_create_branch_returns_the_branch(writer: Writer) -> None:
    made = writer.branch("b")
    assert writer.store.create_branch("shop", "b", source="main", at=START, position=writer.position) == made
    commit = writer.write(node("A/1"), branch="b")
    again = writer.store.create_branch("shop", "b", source="main", at=START, position=made_at(writer))
    assert (again.name, again.head) == ("b", commit.id)


def made_at(writer: Writer) -> int:
    """The position before the last: where the branch was made."""
    return writer.position - 1


def test_create_branch_repeated_after_its_deletion_does_not_bring_it_back(writer: Writer) -> None:
    writer.branch("b")
    at = writer.position
    writer.delete("b")
    assert writer.store.create_branch("shop", "b", source="main", at=START, position=at).name == "b"
    assert [branch.name for branch in writer.store.branches("shop")] == ["main"]


def test_taken_branch_name_and_unknown_source_are_refused(writer: Writer) -> None:
    writer.branch("b")
    for name in ("b", "main"):
        with pytest.raises(AlreadyExists):
            writer.branch(name)
    with pytest.raises(BranchNotFound):
        writer.branch("c", "never")
    with pytest.raises(CommitNotFound):
        writer.branch("c", "0123456789ab")
    with pytest.raises(DatabaseNotFound):
        writer.store.create_branch("never", "b", source="main", at=START, position=99)


def test_create_branch_behind_the_applied_position_is_refused(writer: Writer) -> None:
    writer.write(node("A/1"))
    with pytest.raises(Conflict):
        writer.store.create_branch("shop", "b", source="main", at=START, position=1)


def test_deleted_branch_is_gone_but_its_commits_stay_readable_by_id(writer: Writer) -> None:
    writer.branch("b")
    commit = writer.write(node("A/1"), branch="b")
    writer.branch("c", "b")
    writer.delete("b")
    assert [branch.name for branch in writer.store.branches("shop")] == ["main", "c"]
    with pytest.raises(BranchNotFound):
        writer.store.view("shop", "b")
    assert keys(writer, commit.id) == ["A/1"]
    assert keys(writer, "c") == ["A/1"]


def test_deleted_branch_name_used_again_shows_nothing_of_the_old_branch(writer: Writer) -> None:
    writer.branch("b")
    writer.write(node("A/1", links={"to": ["B/1"]}), node("B/1"), branch="b")
    writer.delete("b")
    writer.branch("b")
    assert keys(writer, "b") == []
    assert writer.store.view("shop", "b").expand(["A/1"], predicate=None, direction=Direction.OUT) == []
    assert len(writer.store.history("shop", "b")) == 1


def test_repeated_delete_branch_does_nothing_also_where_the_name_is_used_again(writer: Writer) -> None:
    writer.branch("b")
    writer.delete("b")
    at = writer.position
    writer.store.delete_branch("shop", "b", position=at)
    writer.branch("b")
    writer.store.delete_branch("shop", "b", position=at)
    assert [branch.name for branch in writer.store.branches("shop")] == ["main", "b"]


def test_delete_of_an_unknown_branch_is_refused_and_main_cannot_be_deleted(writer: Writer) -> None:
    with pytest.raises(BranchNotFound):
        writer.delete("b")
    with pytest.raises(Conflict):
        writer.delete("main")
    with pytest.raises(DatabaseNotFound):
        writer.store.delete_branch("never", "b", position=99)


def test_branches_come_main_first_then_by_name(writer: Writer) -> None:
    for name in ("z", "a", "m/x", "B"):
        writer.branch(name)
    assert [branch.name for branch in writer.store.branches("shop")] == ["main", "B", "a", "m/x", "z"]
    with pytest.raises(DatabaseNotFound):
        writer.store.branches("never")


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
