"""Immutable objects: the ground the event log and the dataset bytes stand on."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator


class ObjectStore(ABC):
    """Immutable objects under slash-separated keys.

    An object appears whole or not at all, and is durable before a put returns: a power cut after the return loses
    nothing, a crash before it leaves either the whole object or no object. Keys never change their bytes. Listing is
    in key order and sees every object whose put returned before it began. A key is 1 to 900 characters of printable
    ASCII in slash-separated parts of 1 to 200 characters other than `.` and `..`; anything else raises `InvalidInput`.
    Safe for many threads and processes. After `close`, every method but `close` raises `Closed`.
    """

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes) -> None:
        """Store `data` (any length, also empty) under `key`, which must be free.

        Of any number of concurrent callers exactly one succeeds.

        Raises:
            SlotTaken: the key holds an object, possibly ours: a caller whose first answer was lost
                reads it back and compares.
            StoreUnavailable: (retryable) nothing is known about the outcome.
        """

    @abstractmethod
    def put_stream_if_absent(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store the joined `chunks` under `key`, which must be free; return how many bytes they were.

        Memory does not grow with the object. An exception raised by `chunks` leaves no object.

        Raises:
            SlotTaken, StoreUnavailable: as `put_if_absent`.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return the bytes of `key`; the caller owns them.

        Raises:
            ObjectNotFound: the key is free.
            StoreUnavailable: (retryable) the store does not answer.
        """

    @abstractmethod
    def get_stream(self, key: str) -> Iterator[bytes]:
        """Yield the bytes of `key` in chunks of at most 1 MiB. Raises as `get`, at the first step."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the length of `key` in bytes, or None where it is free: the cheapest way to ask for existence."""

    @abstractmethod
    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """Return up to `limit` keys that start with `prefix` and sort after `after`, in codepoint order.

        Half-written objects are never listed.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove `key`; removing a free key does nothing. Only dataset bytes and packed segments are ever removed."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
