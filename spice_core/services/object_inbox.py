"""Prefixes of the object store as places where others put files, and the choice between these and folders."""

from collections.abc import Iterator, Sequence

from spice_core.domain.object_keys import may_begin_key
from spice_core.errors import Forbidden
from spice_core.ports.inbox import Inbox, InboxFile
from spice_core.ports.object_store import ObjectStore

PREFIX = "objects:"
_PAGE = 1000
_OWN = ("datasets/",)


class ObjectInbox(Inbox):
    """Places are written `objects:<prefix>`. Objects appear whole and never change, so they are quiet at once."""

    def __init__(self, roots: Sequence[str], *, store: ObjectStore) -> None:
        """`roots` begin with `objects:`."""
        self._roots = [root.rstrip("/") for root in roots]
        self._store = store

    def check(self, place: str) -> str:
        found = place.rstrip("/")
        key = found.removeprefix(PREFIX)
        is_inside = any(found == root or found.startswith(f"{root}/") for root in self._roots)
        is_plain = ".." not in key.split("/") and bool(key) and may_begin_key(key)
        if not is_inside or not is_plain or f"{key}/".startswith(_OWN):
            roots = ", ".join(self._roots) or "none"
            raise Forbidden(f"{place[:200]!r} may not be watched; SPICE_WATCH_ROOTS allows what is below: {roots}")
        return found

    def files(self, place: str, *, limit: int = 10_000) -> list[InboxFile]:
        prefix = f"{self.check(place).removeprefix(PREFIX)}/"
        found: list[InboxFile] = []
        after = ""
        while len(found) < limit and (keys := self._store.list_keys(prefix, after=after, limit=min(_PAGE, limit - len(found)))):
            after = keys[-1]
            found += [InboxFile(key.removeprefix(prefix), None, "whole", float("inf")) for key in keys]
        return found

    def read(self, place: str, path: str) -> Iterator[bytes]:
        key = f"{self.check(place).removeprefix(PREFIX)}/{path}"
        if not path or not may_begin_key(f"{key}/"):
            raise Forbidden(f"{path[:200]!r} is no path below a watched place")
        return self._store.get_stream(key)


class AnyInbox(Inbox):
    """Hands each place to those who read it: `objects:…`, or else a folder."""

    def __init__(self, *, folders: Inbox, objects: Inbox) -> None:
        self._folders = folders
        self._objects = objects

    def check(self, place: str) -> str:
        return self._of(place).check(place)

    def files(self, place: str, *, limit: int = 10_000) -> list[InboxFile]:
        return self._of(place).files(place, limit=limit)

    def read(self, place: str, path: str) -> Iterator[bytes]:
        return self._of(place).read(place, path)

    def _of(self, place: str) -> Inbox:
        return self._objects if place.startswith(PREFIX) else self._folders
