"""Places where others put files: a folder of the server, a prefix of an object store."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InboxFile:
    """One file as it lies there.

    Attributes:
        path: below the place, parts separated by slashes.
        size_bytes: None where the place does not tell without being asked for each.
        stamp: differs from what it was whenever the file's bytes may differ; the same while they are the same.
        quiet_seconds: how long nothing about the file has changed.
    """

    path: str
    size_bytes: int | None
    stamp: str
    quiet_seconds: float


class Inbox(ABC):
    """Reads places below the roots that an operator allowed, and nothing else. No link is followed, at any level.

    A place is `<root>` or `<root>/<path>`, with a root as the operator wrote it.
    """

    @abstractmethod
    def check(self, place: str) -> str:
        """Return `place` in its one form. Raises `Forbidden` where it lies below no root, or leads out of it by `..`."""

    @abstractmethod
    def files(self, place: str, *, limit: int = 10_000) -> list[InboxFile]:
        """Return up to `limit` files below a place, by path. Raises as `check`; `StoreUnavailable` where it cannot be read."""

    @abstractmethod
    def read(self, place: str, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raises `ObjectNotFound` where it is gone, or a link; as `files`."""
