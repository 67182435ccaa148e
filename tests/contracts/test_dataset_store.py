"""The contract of `DatasetStore`, sentence by sentence, on every adapter."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dataset_places import Harness

from spice_core.errors import Closed, CommitNotFound, CorruptObject, InvalidInput, ObjectNotFound, StoreUnavailable
from spice_core.ports.dataset_store import DatasetCommit, DatasetStore, StoredFile

AT = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def store(harness: Harness) -> DatasetStore:
    return harness.store


def put(
    store: DatasetStore, branch: str, files: dict[str, bytes | None], *, message: str = "m", at: datetime = AT
) -> DatasetCommit:
    stored = {path: None if data is None else store.store("db", [data]) for path, data in files.items()}
    return store.commit("db", branch=branch, files=stored, message=message, author="ann", at=at)


def content(store: DatasetStore, ref: str, path: str) -> bytes:
    return b"".join(store.read("db", ref, path))


def test_a_stored_file_has_its_content_address_and_length(store: DatasetStore):
    file = store.store("db", [b"ab", b"", b"c"])
    assert file == StoredFile("sha256:" + hashlib.sha256(b"abc").hexdigest(), 3)
    assert store.store("db", [b"abc"]) == file
    assert store.store("db", []).size_bytes == 0


def test_a_commit_names_files_and_reading_goes_by_commit_or_branch(store: DatasetStore):
    first = put(store, "main", {"a": b"1", "b/c": b"2"})
    second = put(store, "main", {"a": b"3", "b/c": None}, at=AT + timedelta(seconds=1))
    assert (first.parents, second.parents) == ((), (first.commit_id,))
    assert (content(store, first.commit_id, "a"), content(store, "main", "a")) == (b"1", b"3")
    assert list(store.files("db", first.commit_id)) == ["a", "b/c"]
    assert list(store.files("db", "main")) == ["a"]
    assert store.head("db", "main") == second
    assert store.history("db", "main") == [second, first]
    assert store.history("db", "main", limit=1) == [second]


def test_files_are_listed_by_prefix_in_path_order(store: DatasetStore):
    put(store, "main", {"b": b"1", "a/2": b"2", "a/1": b"3", "A": b"4"})
    assert list(store.files("db", "main")) == ["A", "a/1", "a/2", "b"]
    assert list(store.files("db", "main", prefix="a/")) == ["a/1", "a/2"]


def test_a_new_branch_starts_from_main_and_does_not_move_it(store: DatasetStore):
    base = put(store, "main", {"a": b"1", "b": b"2"})
    branch = put(store, "draft", {"a": b"3", "b": None}, at=AT + timedelta(seconds=1))
    later = put(store, "main", {"c": b"4"}, at=AT + timedelta(seconds=2))
    assert branch.parents == (base.commit_id,)
    assert list(store.files("db", "draft")) == ["a"]
    assert list(store.files("db", "main")) == ["a", "b", "c"]
    assert content(store, "draft", "a") == b"3"
    assert store.history("db", "draft") == [branch, base]
    assert store.history("db", "main") == [later, base]


def test_a_branch_may_exist_before_main(store: DatasetStore):
    first = put(store, "draft", {"a": b"1"})
    assert first.parents == ()
    assert store.head("db", "main") is None
    assert put(store, "main", {"b": b"1"}).parents == ()


def test_committing_the_same_again_returns_the_head(store: DatasetStore):
    put(store, "main", {"a": b"0"})
    first = put(store, "main", {"a": b"1"})
    assert put(store, "main", {"a": b"1"}) == first
    assert put(store, "main", {"a": b"1"}, message="other") != first
    assert len(store.history("db", "main")) == 3


def test_commit_ids_are_the_same_on_every_adapter(store: DatasetStore):
    assert put(store, "main", {"a": b"1"}).commit_id == "b12a125a8fcd8307dabec9b133c4e5a20d4bbf43"


def test_a_commit_of_bytes_that_were_never_stored_is_refused_and_changes_nothing(store: DatasetStore):
    with pytest.raises(ObjectNotFound):
        store.commit("db", branch="main", files={"a": StoredFile("sha256:" + "0" * 64, 1)}, message="", author="", at=AT)
    assert store.head("db", "main") is None


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/..", "a\n", "x" * 513])
def test_a_path_outside_the_rules_is_refused(store: DatasetStore, path: str):
    with pytest.raises(InvalidInput):
        put(store, "main", {path: b"1"})


def test_unknown_refs_and_paths_are_named(store: DatasetStore):
    commit = put(store, "main", {"a": b"1"})
    for ref in ("nothing", commit.commit_id[:8]):
        with pytest.raises(CommitNotFound):
            store.files("db", ref)
        with pytest.raises(CommitNotFound):
            store.history("db", ref)
    with pytest.raises(ObjectNotFound):
        content(store, "main", "b")
    with pytest.raises(CommitNotFound):
        store.files("other", "main")


def test_bytes_that_do_not_match_their_address_are_corrupt(harness: Harness):
    put(harness.store, "main", {"a": b"1" * 3_000_000})
    harness.damage(harness.store.files("db", "main")["a"])
    with pytest.raises(CorruptObject):
        content(harness.store, "main", "a")


def test_a_local_path_has_the_bytes_also_after_the_cache_is_lost(harness: Harness):
    put(harness.store, "main", {"a": b"123"})
    assert harness.store.local_path("db", "main", "a").read_bytes() == b"123"
    if harness.cache is not None:
        for file in harness.cache.iterdir():
            file.unlink()
        assert harness.store.local_path("db", "main", "a").read_bytes() == b"123"


def test_an_error_while_storing_leaves_nothing_behind(harness: Harness):
    def broken() -> Iterator[bytes]:
        yield b"1"
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        harness.store.store("db", broken())
    if harness.cache is not None:
        assert list(harness.cache.iterdir()) == []
        assert harness.objects.list_keys("datasets/") == []


def test_every_method_of_a_closed_store_raises(store: DatasetStore):
    store.close()
    store.close()
    calls = [
        lambda: store.store("db", []),
        lambda: store.commit("db", branch="main", files={}, message="", author="", at=AT),
        lambda: store.head("db", "main"),
        lambda: store.history("db", "main"),
        lambda: store.files("db", "main"),
        lambda: list(store.read("db", "main", "a")),
        lambda: store.local_path("db", "main", "a"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
