"""Objects in memory, for simulation and tests."""

from collections.abc import Iterable, Iterator

from spice_core.domain.object_keys import checked_key
from spice_core.errors import Closed, ObjectNotFound, SlotTaken
from spice_core.ports.object_store import ObjectStore

_CHUNK = 1 << 20


class MemoryObjectStore(ObjectStore):
    """An object store as durable as its process. Several may share one `objects` dictionary, as processes share a disk."""

    def __init__(self, objects: dict[str, tuple[object, bytes]] | None = None) -> None:
        self._objects = {} if objects is None else objects
        self._is_closed = False

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._check(key)
        self._put(key, bytes(data))

    def put_stream_if_absent(self, key: str, chunks: Iterable[bytes]) -> int:
        self._check(key)
        data = b"".join(chunks)
        self._put(key, data)
        return len(data)

    def get(self, key: str) -> bytes:
        self._check(key)
        try:
            return self._objects[key][1]
        except KeyError:
            raise ObjectNotFound(f"There is no object {key}") from None

    def get_stream(self, key: str) -> Iterator[bytes]:
        data = self.get(key)
        for start in range(0, len(data), _CHUNK):
            yield data[start : start + _CHUNK]

    def size(self, key: str) -> int | None:
        self._check(key)
        found = self._objects.get(key)
        return None if found is None else len(found[1])

    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        self._check_open()
        return sorted(key for key in tuple(self._objects) if key.startswith(prefix) and key > after)[:limit]

    def delete(self, key: str) -> None:
        self._check(key)
        self._objects.pop(key, None)

    def close(self) -> None:
        self._is_closed = True

    def _put(self, key: str, data: bytes) -> None:
        # setdefault is one atomic step, so stores that share the dictionary race rightly; the marker tells who won.
        mine = (object(), data)
        if self._objects.setdefault(key, mine) is not mine:
            raise SlotTaken(f"{key} already holds an object")

    def _check(self, key: str) -> None:
        self._check_open()
        checked_key(key)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The object store is closed.")
