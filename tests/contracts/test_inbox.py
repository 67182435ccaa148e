"""The contract of `Inbox`, on folders and on prefixes of an object store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spice_core.adapters.localfs.inbox import LocalInbox
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.system.clock import SystemClock
from spice_core.errors import Forbidden, ObjectNotFound
from spice_core.ports.inbox import Inbox
from spice_core.services.object_inbox import ObjectInbox


@dataclass
class Place:
    """An inbox with a place `place` below its root, and how others put files there."""

    inbox: Inbox
    place: str
    put: Callable[[str, bytes], None]


@pytest.fixture(params=["folder", "objects"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "objects":
        store = MemoryObjectStore()
        inbox: Inbox = ObjectInbox(["objects:in"], store=store)
        return Place(inbox, "objects:in/shop", lambda path, data: store.put_if_absent(f"in/shop/{path}", data))
    root = tmp_path / "in" / "shop"
    root.mkdir(parents=True)

    def put(path: str, data: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    return Place(LocalInbox([str(tmp_path / "in")], clock=SystemClock()), str(root), put)


def test_files_are_listed_by_path_and_read_as_they_are(at: Place):
    for path in ("b.csv", "a/z.csv", "a/b/c.csv", "매출.csv" if at.place.startswith("/") else "sales.csv"):
        at.put(path, path.encode())
    found = at.inbox.files(at.place)
    assert [file.path for file in found] == sorted(file.path for file in found)
    assert len(found) == 4
    assert all(b"".join(at.inbox.read(at.place, file.path)) == file.path.encode() for file in found)
    assert all(file.quiet_seconds >= 0 for file in found)
    assert len(at.inbox.files(at.place, limit=2)) == 2


def test_a_stamp_is_the_same_while_the_file_is(at: Place):
    at.put("a.csv", b"1")
    assert at.inbox.files(at.place)[0].stamp == at.inbox.files(at.place)[0].stamp


def test_a_file_that_is_gone_is_not_found(at: Place):
    with pytest.raises(ObjectNotFound):
        list(at.inbox.read(at.place, "gone.csv"))


def test_a_place_has_one_form(at: Place):
    assert at.inbox.check(f"{at.place}/") == at.inbox.check(at.place) == at.place


@pytest.mark.parametrize("change", ["{place}/..", "{place}/../../x", "{root}x/shop", "elsewhere", ""])
def test_what_lies_below_no_root_is_refused_by_every_method(at: Place, change: str):
    root = at.place.rpartition("/")[0]
    place = change.format(place=at.place, root=root)
    for ask in (at.inbox.check, at.inbox.files, lambda asked: list(at.inbox.read(asked, "a.csv"))):
        with pytest.raises(Forbidden, match="SPICE_WATCH_ROOTS"):
            ask(place)


def test_a_path_does_not_lead_out_of_its_place(at: Place):
    at.put("a.csv", b"1")
    for path in ("../shop/a.csv", "x/../../a.csv"):
        with pytest.raises((Forbidden, ObjectNotFound)):
            list(at.inbox.read(at.place, path))
