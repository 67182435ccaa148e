"""An object store whose faults a test decides, call by call."""

from collections.abc import Callable, Iterable, Iterator

from spice_core.errors import SlotTaken, StoreUnavailable
from spice_core.ports.object_store import ObjectStore

NO_FAULT = ""
REFUSED = "refused"  # nothing happens, an error is answered
ANSWER_LOST = "answer lost"  # it happens, an error is answered
LATE = "late"  # an error is answered, and it happens later
CUT = "cut"  # a read is answered with half of the bytes

Fault = Callable[[str, str], str]


class FaultyStore(ObjectStore):
    """Asks `fault(operation, key)` before each call on `inner`; `deliver_late` does what was put off."""

    def __init__(self, inner: ObjectStore, fault: Fault) -> None:
        self.inner = inner
        self.fault = fault
        self.calls: list[tuple[str, str]] = []
        self._late: list[Callable[[], None]] = []

    def deliver_late(self) -> None:
        late, self._late = self._late, []
        for put in late:
            try:
                put()
            except SlotTaken:
                continue

    def put_if_absent(self, key: str, data: bytes) -> None:
        fault = self._fault("put", key)
        if fault == LATE:
            self._late.append(lambda: self.inner.put_if_absent(key, data))
        if fault in {LATE, REFUSED}:
            raise StoreUnavailable(f"put {key}: {fault}")
        self.inner.put_if_absent(key, data)
        if fault == ANSWER_LOST:
            raise StoreUnavailable(f"put {key}: {fault}")

    def put_stream_if_absent(self, key: str, chunks: Iterable[bytes]) -> int:
        data = b"".join(chunks)
        self.put_if_absent(key, data)
        return len(data)

    def get(self, key: str) -> bytes:
        fault = self._fault("get", key)
        if fault in {REFUSED, ANSWER_LOST}:
            raise StoreUnavailable(f"get {key}: {fault}")
        data = self.inner.get(key)
        return data[: len(data) // 2] if fault == CUT else data

    def get_stream(self, key: str) -> Iterator[bytes]:
        yield self.get(key)

    def size(self, key: str) -> int | None:
        if self._fault("size", key) in {REFUSED, ANSWER_LOST}:
            raise StoreUnavailable(f"size {key}")
        return self.inner.size(key)

    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        if self._fault("list", prefix) in {REFUSED, ANSWER_LOST}:
            raise StoreUnavailable(f"list {prefix}")
        return self.inner.list_keys(prefix, after=after, limit=limit)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def close(self) -> None:
        self.inner.close()

    def _fault(self, operation: str, key: str) -> str:
        self.calls.append((operation, key))
        return self.fault(operation, key)
