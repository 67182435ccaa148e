"""Folders of this server as places where others put files."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spice_core.errors import Forbidden, ObjectNotFound, StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.inbox import Inbox, InboxFile

_CHUNK = 1 << 20
_DEEPEST = 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalInbox(Inbox):
    """Opens every part of a path by itself, from the root down, and never through a link.

    The stamp is size, time of change and number of the file: writing, replacing or touching it changes it.
    """

    def __init__(self, roots: Sequence[str], *, clock: Clock) -> None:
        """`roots` are absolute folders. They themselves may be links: the operator named them."""
        self._roots = [PurePosixPath(root) for root in roots]
        self._clock = clock

    def check(self, place: str) -> str:
        found = PurePosixPath(place)
        is_inside = any(found == root or root in found.parents for root in self._roots)
        if not found.is_absolute() or ".." in found.parts or not place.isprintable() or not is_inside:
            roots = ", ".join(str(root) for root in self._roots) or "none"
            raise Forbidden(f"{place[:200]!r} may not be watched; SPICE_WATCH_ROOTS allows what is below: {roots}")
        return str(found)

    def files(self, place: str, *, limit: int = 10_000) -> list[InboxFile]:
        now = self._clock.now().timestamp()
        with self._folder(place) as handle:
            return sorted(_files(handle, "", now, _DEEPEST, [limit]), key=lambda file: file.path)

    def read(self, place: str, path: str) -> Iterator[bytes]:
        *folders, name = PurePosixPath(path).parts or ("",)
        if ".." in folders or name in {"", "..", "/"} or PurePosixPath(path).is_absolute():
            raise Forbidden(f"{path[:200]!r} is no path below a watched place")
        with self._folder(place, *folders) as handle:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=handle)
            except OSError as error:
                raise ObjectNotFound(f"There is no file {path[:200]!r} to be read any more.") from error
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ObjectNotFound(f"{path[:200]!r} is no plain file.")
            while chunk := file.read(_CHUNK):
                yield chunk

    @contextmanager
    def _folder(self, place: str, *below: str) -> Iterator[int]:
        """Lend a handle of a folder, reached from its root without following a link."""
        found = PurePosixPath(self.check(place))
        root = max((root for root in self._roots if root == found or root in found.parents), key=lambda root: len(root.parts))
        parts = [*found.relative_to(root).parts, *below]
        handle = -1
        try:
            handle = os.open(Path(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in parts:
                inner = os.open(part, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        except OSError as error:
            raise StoreUnavailable(f"The watched folder {place[:200]!r} cannot be read: {error.strerror}.") from error
        finally:
            if handle >= 0:
                os.close(handle)


def _files(handle: int, prefix: str, now: float, depth: int, left: list[int]) -> Iterator[InboxFile]:
    for name in sorted(os.listdir(handle)):
        if left[0] <= 0 or not name.isprintable():
            continue
        try:
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) and depth > 0:
                inner = os.open(name, _FOLDER, dir_fd=handle)
                try:
                    yield from _files(inner, f"{prefix}{name}/", now, depth - 1, left)
                finally:
                    os.close(inner)
        except OSError:  # gone, or replaced by a link, since it was listed
            continue
        if stat.S_ISREG(found.st_mode):
            left[0] -= 1
            changed = max(found.st_mtime, found.st_ctime)
            stamp = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
            yield InboxFile(f"{prefix}{name}", found.st_size, stamp, max(0.0, now - changed))
