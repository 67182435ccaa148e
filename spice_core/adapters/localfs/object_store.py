"""Objects as files of a local directory."""

import errno
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spice_core.adapters.localfs.paths import FILE_END, folder_of, key_of, path_of
from spice_core.domain.object_keys import checked_key, may_begin_key
from spice_core.errors import Closed, ObjectNotFound, SlotTaken, StoreUnavailable
from spice_core.ports.object_store import ObjectStore

_CHUNK = 1 << 20
_OPEN_FOLDERS = 128
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class LocalObjectStore(ObjectStore):
    """One file per object under `root`, readable by its owner only.

    A put writes a nameless file, syncs it, links it into place (the one step that can be won or lost) and syncs the
    folder. A nameless file vanishes with a crash; where the file system has none (`O_TMPFILE`), a name in `tmp/` is used.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "objects"
        self._tmp = root / "tmp"
        for folder in (self._root, self._tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._folders: OrderedDict[str, _Folder] = OrderedDict()
        self._has_tmpfile = hasattr(os, "O_TMPFILE")
        self._names = itertools.count()
        self._is_closed = False

    def put_if_absent(self, key: str, data: bytes) -> None:
        self.put_stream_if_absent(key, (data,))

    def put_stream_if_absent(self, key: str, chunks: Iterable[bytes]) -> int:
        path = self._path(key)
        with _as_unavailable(key):
            folder = self._folder(path.rpartition("/")[0])
        with folder:
            with _as_unavailable(key):
                handle, temporary = self._create(folder)
            try:
                length = 0
                for chunk in chunks:  # an error of the caller's chunks is the caller's, not the store's
                    with _as_unavailable(key):
                        length += _write(handle, chunk)
                with _as_unavailable(key):
                    os.fdatasync(handle)
                    _link(temporary or f"/proc/self/fd/{handle}", folder, path.rpartition("/")[2], key)
            finally:
                os.close(handle)
                if temporary is not None:
                    Path(temporary).unlink()
            with _as_unavailable(key):
                folder.sync()
        return length

    def get(self, key: str) -> bytes:
        return b"".join(self.get_stream(key))

    def get_stream(self, key: str) -> Iterator[bytes]:
        path = self._root / self._path(key)
        with _as_unavailable(key):
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise ObjectNotFound(f"There is no object {key}") from None
            with file:
                self._settle(key)
                while chunk := file.read(_CHUNK):
                    yield chunk

    def size(self, key: str) -> int | None:
        path = self._root / self._path(key)
        with _as_unavailable(key):
            try:
                length = path.stat().st_size
            except FileNotFoundError:
                return None
            self._settle(key)
            return length

    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        self._check_open()
        if not may_begin_key(prefix):
            return []
        folder = folder_of(prefix)
        with _as_unavailable(prefix):
            paths = _files_below(self._root / folder, folder)
            keys = (key_of(path) for path in paths)
            return sorted(key for key in keys if key.startswith(prefix) and key > after)[:limit]

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _as_unavailable(key), suppress(FileNotFoundError):
            (self._root / path).unlink()
            with self._folder(path.rpartition("/")[0]) as folder:
                folder.sync()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            for folder in self._folders.values():
                folder.retire()
            self._folders.clear()

    def _create(self, folder: "_Folder") -> tuple[int, str | None]:
        """Open a new file; return its handle and, where it had to have one, its temporary name."""
        if self._has_tmpfile:
            try:
                return os.open(f"/proc/self/fd/{folder.handle}", os.O_TMPFILE | os.O_WRONLY, 0o600), None
            except OSError as error:
                if error.errno not in _NO_TMPFILE:
                    raise
                self._has_tmpfile = False
        name = str(self._tmp / f"{os.getpid()}-{id(self):x}-{next(self._names)}")
        return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), name

    def _folder(self, name: str) -> "_Folder":
        """Return the open folder `name`, made durable with its parents where it is new, held until its context ends."""
        with self._lock:
            self._check_open()
            folder = self._folders.get(name)
            if folder is None or not folder.still_exists():
                if folder is not None:
                    folder.retire()
                _make_durable_folders(self._root, name)
                folder = self._folders[name] = _Folder(self._root / name)
            self._folders.move_to_end(name)
            if len(self._folders) > _OPEN_FOLDERS:
                self._folders.popitem(last=False)[1].retire()
            return folder.hold()

    def _settle(self, key: str) -> None:
        """Make sure that what is read is durable, also where its writer was interrupted between link and sync."""
        with self._folder(path_of(key).rpartition("/")[0]) as folder:
            folder.settle()

    def _path(self, key: str) -> str:
        self._check_open()
        return path_of(checked_key(key))

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The object store is closed.")


class _Folder:
    """An open folder, closed when it is retired and nobody holds it any more."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._holders = 0
        self._is_retired = False
        self._settled_at = -1
        self._lock = threading.Lock()

    def hold(self) -> "_Folder":
        with self._lock:
            self._holders += 1
        return self

    def __enter__(self) -> "_Folder":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            self._close_if_unused()

    def retire(self) -> None:
        with self._lock:
            self._is_retired = True
            self._close_if_unused()

    def still_exists(self) -> bool:
        return os.fstat(self.handle).st_nlink > 0

    def sync(self) -> None:
        """Make the names of the folder durable."""
        changed_at = os.fstat(self.handle).st_mtime_ns
        self._settled_at = -1
        os.fsync(self.handle)
        self._settled_at = changed_at

    def settle(self) -> None:
        """Sync the folder if a name came or went since it was last settled here."""
        if os.fstat(self.handle).st_mtime_ns != self._settled_at:
            self.sync()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._holders and self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


@contextmanager
def _as_unavailable(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"The object store's directory fails at {key}: {error.strerror or error}") from error


def _link(source: str, folder: _Folder, name: str, key: str) -> None:
    try:
        # Naming the folder by its handle makes this linkat(2), which follows the link in /proc to the nameless file.
        os.link(source, name, dst_dir_fd=folder.handle, follow_symlinks=True)
    except FileExistsError:
        raise SlotTaken(f"{key} already holds an object") from None


def _write(handle: int, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    return len(data)


def _make_durable_folders(root: Path, name: str) -> None:
    """Create the folders down to `name` and sync each one's name, also where another process just created it."""
    parent = root
    for part in name.split("/") if name else ():
        (parent / part).mkdir(mode=0o700, exist_ok=True)
        handle = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        parent /= part


def _files_below(folder: Path, name: str) -> Iterator[str]:
    """Yield the path, relative to the root, of every object file under `folder`, whose relative path is `name`."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        path = f"{name}/{entry.name}" if name else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(folder / entry.name, path)
        elif entry.name.endswith(FILE_END):
            yield path
