"""The contract of `GraphStore`: databases, batches, closing. Each test is a sentence of the port."""

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from graph_samples import START, Writer, batch, node, removal

from spice_core.domain.graph import Commit, Direction
from spice_core.errors import (
    AlreadyExists,
    BranchNotFound,
    Closed,
    CommitNotFound,
    Conflict,
    DatabaseNotFound,
    InvalidInput,
)


def keys(writer: Writer, ref: str = "main") -> list[str]:
    return [found.key for found in writer.store.view(writer.database, ref).page(["A", "B"]).nodes]


def test_created_database_has_main_and_one_empty_first_commit(writer: Writer) -> None:
    created = writer.store.create_database("other", author="ann", message="begin", at=START, position=4)
    assert created.parents == ()
    assert (created.branch, created.changed, created.author, created.message, created.at) == ("main", 0, "ann", "begin", START)
    assert (created.first_position, created.last_position) == (4, 4)
    (main,) = writer.store.branches("other")
    assert (main.name, main.head, main.created_from) == ("main", created.id, None)
    assert writer.store.history("other") == [created]
    assert writer.store.databases() == ["other", "shop"]
    assert writer.store.applied_position("other") == 4


def test_create_database_repeated_at_the_same_position_returns_that_commit(writer: Writer) -> None:
    first = writer.store.create_database("other", author="ann", message="begin", at=START, position=4)
    writer.store.apply("other", batch([node("A/1")], first=5))
    assert writer.store.create_database("other", author="ann", message="begin", at=START, position=4) == first
    assert writer.store.applied_position("other") == 5


def test_create_database_that_exists_is_refused(writer: Writer) -> None:
    with pytest.raises(AlreadyExists):
        writer.create()


def test_create_of_a_dropped_database_repeated_late_does_not_bring_it_back(writer: Writer) -> None:
    writer.drop()
    with pytest.raises(Conflict):
        writer.store.create_database("shop", author="ann", message="begin", at=START, position=1)
    assert writer.store.databases() == []


def test_dropped_database_is_gone_with_branches_and_commits_but_its_position_is_remembered(writer: Writer) -> None:
    commit = writer.write(node("A/1"))
    writer.branch("b")
    writer.drop()
    assert writer.store.databases() == []
    assert writer.store.applied_position("shop") == writer.position
    for ref in ("main", "b", commit.id):
        with pytest.raises(DatabaseNotFound):
            writer.store.view("shop", ref)
    with pytest.raises(DatabaseNotFound):
        writer.write(node("A/1"))


def test_forgotten_database_was_never_seen_and_can_be_made_again(writer: Writer) -> None:
    first = writer.store.history(writer.database)[-1]
    writer.store.forget(writer.database)
    assert writer.database not in writer.store.databases()
    assert writer.store.applied_position(writer.database) == 0
    again = writer.store.create_database(
        writer.database, author=first.author, message=first.message, at=first.at, position=first.last_position
    )
    assert again.id == first.id


def test_forgetting_an_absent_database_does_nothing(writer: Writer) -> None:
    writer.store.forget("never")
    assert writer.store.applied_position("never") == 0


def test_drop_of_an_absent_database_does_nothing(writer: Writer) -> None:
    writer.store.drop_database("never", position=3)
    assert writer.store.databases() == ["shop"]


def test_dropped_database_created_again_shows_nothing_of_the_old_one(writer: Writer) -> None:
    old = writer.write(node("A/1", {"x": 1}, {"to": ["B/1"]}))
    writer.branch("b")
    writer.drop()
    writer.create()
    assert keys(writer) == []
    assert [branch.name for branch in writer.store.branches("shop")] == ["main"]
    assert len(writer.store.history("shop")) == 1
    assert writer.store.commit_covering("shop", old.last_position) is None
    with pytest.raises(CommitNotFound):
        writer.store.view("shop", old.id)
    writer.write(node("B/1"))
    assert writer.store.view("shop").expand(["B/1"], predicate=None, direction=Direction.IN) == []
    writer.branch("b")
    assert keys(writer, "b") == ["B/1"]


def test_drop_repeated_after_a_new_creation_changes_nothing(writer: Writer) -> None:
    writer.drop()
    dropped_at = writer.position
    writer.create()
    writer.write(node("A/1"))
    writer.store.drop_database("shop", position=dropped_at)
    assert keys(writer) == ["A/1"]


def test_applied_position_of_an_unseen_database_is_zero(writer: Writer) -> None:
    assert writer.store.applied_position("never") == 0


def test_databases_do_not_see_each_other(writer: Writer) -> None:
    other = Writer(writer.store, "other")
    other.create()
    writer.write(node("A/1", {"x": 1}))
    other.write(node("A/1", {"x": 2}), node("A/2"))
    assert writer.document("A/1") == {"x": 1}
    assert keys(other) == ["A/1", "A/2"]


def test_apply_commits_the_batch_whole(writer: Writer) -> None:
    commit = writer.write(node("A/1", {"x": 1}), node("A/2", {"x": 2}))
    assert (commit.branch, commit.changed, commit.author) == ("main", 2, "ann")
    assert keys(writer) == ["A/1", "A/2"]
    assert writer.store.branches("shop")[0].head == commit.id
    assert writer.store.applied_position("shop") == commit.last_position


def test_batch_that_cannot_be_stored_leaves_nothing_behind(writer: Writer) -> None:
    with pytest.raises(InvalidInput):
        writer.write(node("A/1"), node("A/2", {"x": "nul\x00"}))
    assert keys(writer) == []
    assert writer.store.applied_position("shop") == 1
    assert len(writer.store.history("shop")) == 1


@pytest.mark.parametrize("bad", [{"x": "\x00"}, {"\x00": 1}, {"x": ["\ud800"]}, {"x": object()}, {"x": 2**70}])
def test_value_that_no_store_can_keep_is_invalid_input(writer: Writer, bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        writer.write(node("A/1", bad))


def test_key_or_target_that_is_too_long_is_invalid_input_and_the_longest_of_the_domain_fits(writer: Writer) -> None:
    longest = "A/" + "\U0001f600" * 512
    writer.write(node(longest, links={"to": [longest]}))
    assert writer.store.view("shop").get([longest]).keys() == {longest}
    for wrong in (node("A/" + "x" * 3000), node("A/1", links={"to": ["A/" + "x" * 3000]})):
        with pytest.raises(InvalidInput):
            writer.write(wrong)


def test_nul_written_as_an_escape_in_text_is_ordinary_text(writer: Writer) -> None:
    writer.write(node("A/1", {"x": "a\\u0000b", "y": "\\"}))
    assert writer.document("A/1") == {"x": "a\\u0000b", "y": "\\"}


def test_batch_with_two_changes_of_one_key_is_invalid_input(writer: Writer) -> None:
    with pytest.raises(InvalidInput):
        writer.write(node("A/1"), removal("A/1"))


def test_apply_to_what_does_not_exist_is_refused(writer: Writer) -> None:
    with pytest.raises(DatabaseNotFound):
        writer.store.apply("never", batch([node("A/1")], first=9))
    with pytest.raises(BranchNotFound):
        writer.write(node("A/1"), branch="never")


def test_repeated_batch_changes_nothing_and_returns_its_commit(writer: Writer) -> None:
    repeated = batch([node("A/1", {"x": 1})], first=writer.next(), last=writer.next())
    first = writer.store.apply("shop", repeated)
    writer.write(node("A/1", {"x": 2}))
    assert writer.store.apply("shop", repeated) == first
    assert writer.document("A/1") == {"x": 2}
    assert len(writer.store.history("shop")) == 3
    assert writer.store.applied_position("shop") == writer.position


def test_repeated_batch_of_a_deleted_branch_returns_its_commit(writer: Writer) -> None:
    writer.branch("b")
    repeated = batch([node("A/1")], first=writer.next(), branch="b")
    first = writer.store.apply("shop", repeated)
    writer.delete("b")
    assert writer.store.apply("shop", repeated) == first


def test_batch_behind_the_applied_position_that_is_no_repetition_is_refused(writer: Writer) -> None:
    writer.store.apply("shop", batch([node("A/1")], first=2, last=5))
    for first, last in ((2, 4), (4, 5), (5, 9), (3, 5)):
        with pytest.raises(Conflict):
            writer.store.apply("shop", batch([node("A/2")], first=first, last=last))
    assert keys(writer) == ["A/1"]


def test_empty_batch_is_a_commit_without_changes(writer: Writer) -> None:
    commit = writer.write()
    assert commit.changed == 0
    assert writer.store.applied_position("shop") == writer.position


def test_values_are_copied_when_they_are_written(writer: Writer) -> None:
    document: dict[str, Any] = {"x": [1], "to": ["B/1"]}
    links = {"to": ("B/1",)}
    writer.write(dataclasses.replace(node("A/1"), document=document, links=links), node("B/1"))
    document["x"].append(2)
    links["to"] = ("B/2",)
    found = writer.store.view("shop").get(["A/1"])["A/1"]
    assert found.document == {"x": [1], "to": ["B/1"]}
    assert found.links == {"to": ("B/1",)}


def test_the_caller_owns_what_it_reads(writer: Writer) -> None:
    writer.write(node("A/1", {"x": [1]}))
    view = writer.store.view("shop")
    view.get(["A/1"])["A/1"].document["x"].append(2)
    view.page(["A"]).nodes[0].document["x"].append(3)
    assert view.get(["A/1"])["A/1"].document == {"x": [1]}


def test_commit_id_is_the_same_for_the_same_content_whatever_the_order_of_the_batch(writer: Writer) -> None:
    other = Writer(writer.store, "other")
    other.create()
    here = writer.write(node("A/1", {"x": 1, "y": 2}), node("A/2"))
    there = other.write(node("A/2"), node("A/1", {"y": 2, "x": 1}))
    assert here.id == there.id
    assert len(here.id) == 40
    assert writer.write(node("A/3")).id != other.write(node("A/4")).id


def test_commit_id_depends_on_everything_that_makes_the_commit(writer: Writer) -> None:
    base = batch([node("A/1")], first=2)
    variants = [
        base,
        dataclasses.replace(base, author="bob"),
        dataclasses.replace(base, message="else"),
        dataclasses.replace(base, at=START),
        dataclasses.replace(base, last_position=3),
        dataclasses.replace(base, changes=[node("A/1", sequence=2)]),
        dataclasses.replace(base, changes=[removal("A/1")]),
    ]
    found = set()
    for number, variant in enumerate(variants):
        other = Writer(writer.store, f"other{number}")
        other.create()
        found.add(writer.store.apply(other.database, variant).id)
    assert len(found) == len(variants)


def test_commit_ids_are_pinned(writer: Writer) -> None:
    (root,) = writer.store.history("shop")
    commit = writer.write(node("A/1", {"x": 1, "n": None}, {"to": ["B/1"]}))
    assert (root.id, commit.id) == (
        "ed01f832caf7319a1b8b0a3a335660128273a8ec",
        "ffe0d4f852d1acc757175eacdc9dec004178a226",
    )


def test_of_threads_that_apply_the_same_batch_all_get_the_one_commit(writer: Writer) -> None:
    same = batch([node(f"A/{number}") for number in range(20)], first=writer.next())
    found: list[Commit] = []
    threads = [threading.Thread(target=lambda: found.append(writer.store.apply("shop", same))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({commit.id for commit in found}) == 1
    assert len(writer.store.history("shop")) == 2


def test_every_method_of_a_closed_store_raises_and_close_is_idempotent(writer: Writer) -> None:
    store = writer.store
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.create_database("x", author="a", message="m", at=START, position=1),
        lambda: store.drop_database("shop", position=9),
        store.databases,
        lambda: store.applied_position("shop"),
        lambda: store.apply("shop", batch([], first=9)),
        lambda: store.create_branch("shop", "b", source="main", at=START, position=9),
        lambda: store.delete_branch("shop", "b", position=9),
        lambda: store.branches("shop"),
        lambda: store.view("shop"),
        lambda: store.commit_covering("shop", 1),
        lambda: store.history("shop"),
        lambda: store.diff("shop", "main", "main"),
        lambda: store.common_ancestor("shop", "main", "main"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
