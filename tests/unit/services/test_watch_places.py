"""Watched places: what is taken in, when, how often, and what is never read."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.adapters.localfs.inbox import LocalInbox
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.system.clock import SystemClock
from spice_core.domain.watched_places import WatchedPlace
from spice_core.errors import DatabaseNotFound, Forbidden, InvalidInput, ObjectNotFound, RecordNotFound, StoreUnavailable
from spice_core.ports.inbox import Inbox, InboxFile
from spice_core.services.object_inbox import AnyInbox, ObjectInbox
from spice_core.services.watch_places import WatchedFile, WatchPlaces, WatchScan
from tests.data_world import DataWorld
from tests.write_path import Crash

STAMPS = itertools.count(10**18, 10**9)
PEOPLE = b"id,name\n1,Ann\n2,Bob\n"


class QuietInbox(Inbox):
    """Another inbox whose files say that they have been quiet for `seconds`."""

    def __init__(self, inner: Inbox) -> None:
        self.inner = inner
        self.seconds = 60.0

    def check(self, place: str) -> str:
        return self.inner.check(place)

    def files(self, place: str, *, limit: int = 10_000) -> list[InboxFile]:
        found = self.inner.files(place, limit=limit)
        return [InboxFile(file.path, file.size_bytes, file.stamp, self.seconds) for file in found]

    def read(self, place: str, path: str) -> Iterator[bytes]:
        return self.inner.read(place, path)


class Watching:
    """A folder `in` that is watched as `inbox`, with a store beside it."""

    def __init__(self, world: DataWorld, folder: Path) -> None:
        self.world = world
        self.folder = folder / "in"
        self.folder.mkdir()
        self.store = MemoryObjectStore()
        objects = ObjectInbox(["objects:inbox/"], store=self.store)
        self.inbox = QuietInbox(AnyInbox(folders=LocalInbox([str(folder)], clock=SystemClock()), objects=objects))
        assert world.path.work is not None
        self.places = WatchPlaces(
            ingest=world.ingest,
            inbox=self.inbox,
            registry=world.registry,
            commands=world.path.commands,
            log=world.path.log,
            work=world.path.work,
            ids=world.path.ids,
        )
        self.add(str(self.folder))

    def add(self, place: str, **options: object) -> None:
        self.places.add(WatchedPlace("inbox", "shop", "main", place, **options))  # type: ignore[arg-type]
        self.world.work()

    def put(self, path: str, data: bytes = PEOPLE) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def scan(self) -> tuple[WatchScan, list[WatchedFile]]:
        files: list[WatchedFile] = []
        found = self.places.scan(files.append)
        self.world.work()
        return found, files

    def versions(self, name: str) -> int:
        return len(self.world.registry.versions("shop", f"shop:main:{name}"))


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    world = DataWorld(tmp_path / "world").with_classes()
    yield Watching(world, tmp_path)
    world.close()


def test_a_file_is_taken_once_and_again_when_its_content_changes(watching: Watching):
    file = watching.put("people.csv")
    assert watching.scan()[0] == WatchScan(places=1, ingested=1)
    assert watching.scan()[0] == WatchScan(places=1, unchanged=1)
    os.utime(file)
    assert watching.scan()[0].ingested == 1, "the stamp changed, so it is read; the content did not, so nothing is made"
    assert watching.versions("people") == 1
    file.write_bytes(PEOPLE + b"3,Cy\n")
    watching.scan()
    assert watching.versions("people") == 2
    latest = watching.world.registry.versions("shop", "shop:main:people")[0]
    assert (latest.row_count, latest.source["kind"], latest.source["path"]) == (3, "watch", "people.csv")


def test_content_that_comes_back_is_a_version_again_and_a_touched_file_is_none(watching: Watching):
    for data in (PEOPLE, PEOPLE + b"3,Cy\n", PEOPLE):
        os.utime(watching.put("people.csv", data), ns=(1, next(STAMPS)))
        assert watching.scan()[0].ingested == 1
    hashes = [version.content_sha256 for version in watching.world.registry.versions("shop", "shop:main:people")]
    assert len(hashes) == 3
    assert hashes[0] == hashes[2] != hashes[1]
    os.utime(watching.put("people.csv"), ns=(1, next(STAMPS)))
    assert watching.scan()[0].ingested == 1
    assert watching.versions("people") == 3


def test_file_that_was_unreadable_for_a_while_makes_no_version_of_what_it_was_before(watching: Watching):
    outcomes = []
    for data in (PEOPLE, b"\x00\x01\x02" * 100, PEOPLE):
        os.utime(watching.put("people.csv", data), ns=(1, next(STAMPS)))
        outcomes += [file.outcome for file in watching.scan()[1]]
    assert outcomes == ["ingested", "failed", "ingested"]
    assert watching.versions("people") == 1


def test_a_scan_that_died_behind_an_upload_leaves_it_taken_in_though_its_dataset_was_deleted(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
):
    def dies(*_arguments: object) -> None:
        raise Crash

    watching.put("people.csv")
    with monkeypatch.context() as patched:
        patched.setattr(watching.places, "_note", dies)
        with pytest.raises(Crash):
            watching.scan()
    watching.world.work()
    watching.world.catalogue.delete_dataset("shop", "shop:main:people")
    watching.world.work()
    assert watching.scan()[0] == WatchScan(places=1, ingested=1)
    assert watching.scan()[0] == WatchScan(places=1, unchanged=1)
    watching.put("people.csv", PEOPLE + b"3,Cy\n")
    assert watching.scan()[0].ingested == 1
    assert watching.versions("people") == 1


def test_a_file_that_is_being_written_waits(watching: Watching):
    watching.put("people.csv.part")
    watching.put(".hidden.csv")
    watching.put("people.csv")
    watching.inbox.seconds = 3.0
    assert watching.scan()[0] == WatchScan(places=1, waiting=1)
    watching.inbox.seconds = 11.0
    assert watching.scan()[0] == WatchScan(places=1, ingested=1)


def test_a_file_that_changes_while_it_is_read_waits(watching: Watching, monkeypatch: pytest.MonkeyPatch):
    watching.put("people.csv")
    reads: list[bytes] = [PEOPLE, PEOPLE + b"3,Cy\n"]
    with monkeypatch.context() as patched:
        patched.setattr(watching.inbox, "read", lambda _place, _path: iter([reads.pop(0)]))
        assert watching.scan()[0] == WatchScan(places=1, waiting=1)
    assert watching.world.registry.datasets("shop") == []
    assert watching.scan()[0].ingested == 1


def test_a_file_that_failed_says_why_and_waits_until_it_changes(watching: Watching):
    file = watching.put("broken.csv", b"a,b\n1,\x00\n")
    watching.put("good.csv")
    found, files = watching.scan()
    assert found == WatchScan(places=1, ingested=1, failed=1)
    assert [(entry.path, entry.outcome) for entry in files] == [("broken.csv", "failed"), ("good.csv", "ingested")]
    assert watching.scan()[0] == WatchScan(places=1, unchanged=2)
    [record] = [entry for entry in watching.places.files("shop", "inbox") if entry.status == "FAILED"]
    assert record.document["error"]["code"] == "unreadable_file"
    file.write_bytes(PEOPLE)
    assert watching.scan()[0] == WatchScan(places=1, ingested=1, unchanged=1)


def test_a_scan_that_died_is_repeated_without_a_second_version(watching: Watching, monkeypatch: pytest.MonkeyPatch):
    watching.put("people.csv")
    with monkeypatch.context() as patched:
        patched.setattr(watching.places, "_note", _crash)
        with pytest.raises(Crash):
            watching.places.scan()
    watching.world.work()
    assert watching.scan()[0].ingested == 1
    assert watching.versions("people") == 1


def test_pattern_and_dataset_say_which_files_become_what(watching: Watching):
    watching.add(str(watching.folder), pattern="2024/*.csv", dataset="sales")
    for month in (1, 2):
        watching.put(f"2024/month-{month}.csv", PEOPLE + b"9,m%d\n" % month)
    watching.put("2023/month-1.csv")
    assert watching.scan()[0] == WatchScan(places=1, ingested=2)
    assert watching.versions("sales") == 2


def test_links_are_not_followed_at_any_level(watching: Watching, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "people.csv").write_bytes(PEOPLE)
    (watching.folder / "link.csv").symlink_to(secret / "people.csv")
    (watching.folder / "folder").symlink_to(secret)
    assert watching.scan()[0] == WatchScan(places=1)
    with pytest.raises(ObjectNotFound):
        list(watching.inbox.read(str(watching.folder), "link.csv"))
    with pytest.raises(StoreUnavailable):
        list(watching.inbox.read(str(watching.folder), "folder/people.csv"))


@pytest.mark.parametrize(
    "place", ["/etc", "relative", "{root}/../other", "{root}/in/../../x", "objects:other", "objects:inbox/../x"]
)
def test_a_place_outside_of_the_roots_is_refused(watching: Watching, tmp_path: Path, place: str):
    head = watching.world.path.log.head("shop")
    with pytest.raises(Forbidden, match="may not be watched"):
        watching.add(place.format(root=tmp_path))
    assert watching.world.path.log.head("shop") == head


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "a/../../x", ""])
def test_a_path_that_leads_out_of_its_place_is_refused(watching: Watching, path: str):
    with pytest.raises(Forbidden):
        list(watching.inbox.read(str(watching.folder), path))


def test_a_prefix_of_the_object_store_is_watched_like_a_folder(watching: Watching):
    watching.add("objects:inbox/shop")
    watching.store.put_if_absent("inbox/shop/people.csv", PEOPLE)
    watching.store.put_if_absent("inbox/shop2/other.csv", PEOPLE)
    assert watching.scan()[0] == WatchScan(places=1, ingested=1)
    assert watching.scan()[0] == WatchScan(places=1, unchanged=1)
    assert watching.versions("people") == 1


def test_a_place_that_is_gone_does_not_stop_the_others(watching: Watching, tmp_path: Path):
    watching.places.add(WatchedPlace("lost", "shop", "main", str(tmp_path / "lost")))
    watching.world.work()
    watching.put("people.csv")
    assert watching.scan()[0] == WatchScan(places=2, ingested=1, unreachable=1)


def test_a_place_is_checked_before_it_is_kept_and_can_be_removed(watching: Watching):
    with pytest.raises(DatabaseNotFound):
        watching.places.add(WatchedPlace("inbox", "ghost", "main", str(watching.folder)))
    with pytest.raises(InvalidInput):
        watching.add(str(watching.folder), stable_seconds=-1.0)
    watching.places.remove("shop", "inbox")
    watching.world.work()
    with pytest.raises(RecordNotFound):
        watching.places.remove("shop", "inbox")
    watching.put("people.csv")
    assert watching.scan()[0] == WatchScan()


def _crash(*_arguments: object) -> None:
    raise Crash


def test_arrivals_are_what_a_scan_would_take_in_and_are_not_read(watching: Watching, monkeypatch: pytest.MonkeyPatch):
    watching.put("people.csv")
    watching.put("people.csv.part")
    with monkeypatch.context() as patched:
        patched.setattr(watching.inbox, "read", lambda *_: pytest.fail("a look reads nothing"))
        [found] = watching.places.arrivals()
        watching.inbox.seconds = 3.0
        assert watching.places.arrivals() == []
        watching.inbox.seconds = 11.0
    assert (found.database, found.place_id, found.path, found.size_bytes) == ("shop", "inbox", "people.csv", len(PEOPLE))
    watching.scan()
    assert watching.places.arrivals() == []
    watching.put("people.csv", PEOPLE + b"3,Cy\n")
    assert [again.stamp for again in watching.places.arrivals()] != [found.stamp]


def test_a_place_that_cannot_be_read_has_no_arrivals(watching: Watching):
    watching.put("people.csv")
    watching.folder.rename(watching.folder.with_name("moved"))
    assert watching.places.arrivals() == []
