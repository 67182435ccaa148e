"""The contract of `ObjectStore`, sentence by sentence, on every adapter."""

import os
import signal
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.localfs.paths import key_of, path_of
from spice_core.adapters.s3.object_store import S3ObjectStore
from spice_core.errors import Closed, InvalidInput, ObjectNotFound, SlotTaken
from spice_core.ports.object_store import ObjectStore

Open = Callable[[], ObjectStore]


@pytest.fixture
def store(open_store: Open) -> ObjectStore:
    return open_store()


@pytest.mark.parametrize("data", [b"", b"one", bytes(range(256)) * (12 << 10)], ids=["empty", "small", "3 MiB"])
def test_put_object_is_read_back_by_another_client(open_store: Open, data: bytes):
    open_store().put_if_absent("a/b", data)
    other = open_store()
    assert other.get("a/b") == data
    assert other.size("a/b") == len(data)
    chunks = list(other.get_stream("a/b"))
    assert b"".join(chunks) == data
    assert all(len(chunk) <= 1 << 20 for chunk in chunks)


def test_a_taken_key_never_changes_its_bytes(store: ObjectStore):
    store.put_if_absent("a", b"first")
    for put in (lambda: store.put_if_absent("a", b"second"), lambda: store.put_stream_if_absent("a", [b"third"])):
        with pytest.raises(SlotTaken):
            put()
    assert store.get("a") == b"first"


def test_an_empty_object_takes_its_key(store: ObjectStore):
    store.put_if_absent("a", b"")
    with pytest.raises(SlotTaken):
        store.put_if_absent("a", b"")
    assert store.size("a") == 0


def test_of_many_writers_one_wins(open_store: Open):
    stores = [open_store() for _ in range(4)]
    for round_number in range(2 if isinstance(stores[0], S3ObjectStore) else 20):
        winners: list[bytes] = []
        barrier = threading.Barrier(8)

        def race(number: int, key: str = f"race/{round_number}", barrier: threading.Barrier = barrier) -> None:
            data = f"writer {number}".encode()
            barrier.wait()
            try:
                stores[number % 4].put_if_absent(key, data)
            except SlotTaken:
                return
            winners.append(data)  # noqa: B023 - joined within the round

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert winners == [stores[0].get(f"race/{round_number}")]


def test_stored_bytes_do_not_alias_the_callers_memory(store: ObjectStore):
    data = bytearray(b"before")
    store.put_if_absent("a", data)  # type: ignore[arg-type]
    data[:] = b"after!"
    assert store.get("a") == b"before"


def test_a_failing_stream_leaves_no_object(store: ObjectStore):
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError("the upload was cut")

    with pytest.raises(OSError, match="cut"):
        store.put_stream_if_absent("a/b", chunks())
    assert store.size("a/b") is None
    assert store.list_keys("") == []
    assert store.put_stream_if_absent("a/b", iter([b"whole", b"", b"!"])) == 6
    assert store.get("a/b") == b"whole!"


def test_a_long_stream_is_stored_whole_or_not_at_all(store: ObjectStore):
    block = bytes(range(256)) * (4 << 10)

    def chunks(count: int, *, is_cut: bool = False) -> Iterator[bytes]:
        for _ in range(count):
            yield block
        if is_cut:
            raise OSError("the upload was cut")

    with pytest.raises(OSError, match="cut"):
        store.put_stream_if_absent("a/long", chunks(20, is_cut=True))
    assert store.size("a/long") is None
    assert store.put_stream_if_absent("a/long", chunks(21)) == 21 << 20
    with pytest.raises(SlotTaken):
        store.put_stream_if_absent("a/long", chunks(20))
    assert store.size("a/long") == 21 << 20
    assert all(chunk == block for chunk in store.get_stream("a/long"))
    assert store.list_keys("") == ["a/long"]


def test_a_free_key_is_not_found(store: ObjectStore):
    store.put_if_absent("a/b", b"")
    for key in ("nothing", "a", "a/b/c"):
        assert store.size(key) is None
        with pytest.raises(ObjectNotFound):
            store.get(key)
        with pytest.raises(ObjectNotFound):
            next(store.get_stream(key))


def test_a_key_and_keys_below_it_stand_side_by_side(store: ObjectStore):
    for key in ("a", "a/b", "a/b/c", "a.o", "a.o/b", "a.o_/b"):
        store.put_if_absent(key, key.encode())
    assert store.list_keys("") == sorted(["a", "a/b", "a/b/c", "a.o", "a.o/b", "a.o_/b"])
    assert [store.get(key) for key in store.list_keys("a.o")] == [b"a.o", b"a.o/b", b"a.o_/b"]


def test_listing_is_in_key_order_and_pages(store: ObjectStore):
    keys = [f"log/{number:020d}" for number in range(25)] + ["log", "logs/1", "lo/g", "log-1"]
    for key in reversed(keys):
        store.put_if_absent(key, b"x")
    assert store.list_keys("log/") == sorted(key for key in keys if key.startswith("log/"))
    assert store.list_keys("log") == sorted(key for key in keys if key.startswith("log"))
    assert store.list_keys("log/0000000000000000001") == [f"log/{number:020d}" for number in range(10, 20)]
    page = store.list_keys("log/", after=f"log/{3:020d}", limit=4)
    assert page == [f"log/{number:020d}" for number in range(4, 8)]
    assert store.list_keys("none/") == []


def test_a_deleted_key_is_free_again(store: ObjectStore):
    store.put_if_absent("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")
    assert store.size("a/b") is None
    store.put_if_absent("a/b", b"2")
    assert store.get("a/b") == b"2"


@pytest.mark.parametrize("prefix", ["ü", "a\0", "\ud800/", "/", "a//", "a/../", "./", "x" * 201, "x/" * 451, "a\n"])
def test_nothing_begins_with_what_no_key_can_begin_with(store: ObjectStore, prefix: str):
    store.put_if_absent("a/b", b"1")
    assert store.list_keys(prefix) == []


BAD_KEYS = ["", "/a", "a/", "a//b", ".", "a/../b", "..", "a/.", "ü", "a\nb", "a\0", "x" * 201, "x/" * 450 + "x"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_key_is_invalid_input(store: ObjectStore, key: str):
    for call in (
        lambda: store.put_if_absent(key, b""),
        lambda: store.put_stream_if_absent(key, []),
        lambda: store.get(key),
        lambda: next(store.get_stream(key)),
        lambda: store.size(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_the_longest_key_works(store: ObjectStore):
    for key in ("k" * 200, "/".join("ab" * 100 for _ in range(4)) + "/" + "c" * 96, "k" * 200 + "/" + "l" * 200):
        store.put_if_absent(key, b"x")
        assert store.list_keys(key[:1]).count(key) == 1


def test_every_method_of_a_closed_store_raises_and_close_repeats(store: ObjectStore):
    store.close()
    store.close()
    for call in (
        lambda: store.put_if_absent("a", b""),
        lambda: store.put_stream_if_absent("a", []),
        lambda: store.get("a"),
        lambda: next(store.get_stream("a")),
        lambda: store.size("a"),
        lambda: store.list_keys(""),
        lambda: store.delete("a"),
    ):
        with pytest.raises(Closed):
            call()


_PARTS = st.text(alphabet="ao.c_x" + string.digits, min_size=1, max_size=12).filter(lambda part: part not in {".", ".."})


@given(st.sets(st.lists(_PARTS, min_size=1, max_size=4).map("/".join), max_size=8))
@settings(max_examples=300, deadline=None)
def test_every_key_has_a_path_of_its_own(keys: set[str]):
    paths = [path_of(key) for key in keys]
    assert [key_of(path) for path in paths] == list(keys)
    files = set(paths)
    folders = {path.rsplit("/", depth)[0] for path in paths for depth in range(1, path.count("/") + 1)}
    assert len(files) == len(keys)
    assert not files & folders


_WRITER = """
import sys
from pathlib import Path
from spice_core.adapters.localfs.object_store import LocalObjectStore
store = LocalObjectStore(Path(sys.argv[1]))
for number in range(1_000_000):
    store.put_if_absent(f"log/{number:020d}", bytes([number % 251]) * 70_000)
    print(number, flush=True)
"""


def test_crash_leaves_whole_object_or_none(tmp_path: Path):
    for attempt in range(4):
        root = tmp_path / f"store{attempt}"
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(root)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(5 + attempt)]
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        store = LocalObjectStore(root)
        found = store.list_keys("log/")
        assert found[: len(acknowledged)] == [f"log/{number:020d}" for number in acknowledged]
        assert len(found) <= len(acknowledged) + 1
        for number, key in enumerate(found):
            assert store.get(key) == bytes([number % 251]) * 70_000
        store.close()


def test_files_are_private(tmp_path: Path):
    store = LocalObjectStore(tmp_path / "store")
    store.put_if_absent("a/b", b"secret")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "store").rglob("*")}
    assert modes == {"objects": 0o700, "tmp": 0o700, "a": 0o700, "b.o": 0o600}
    store.close()


def test_works_where_the_file_system_has_no_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "O_TMPFILE")
    store = LocalObjectStore(tmp_path / "store")
    store.put_if_absent("a/b", b"1")
    with pytest.raises(SlotTaken):
        store.put_if_absent("a/b", b"2")
    assert store.get("a/b") == b"1"
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
    store.close()
