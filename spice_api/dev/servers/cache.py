"""Where downloads are kept from run to run: one folder per download, whole or absent."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spice_core.errors import Unavailable
from spice_core.settings import process_environment


class Cache:
    """A folder of downloads that several processes may use at the same time."""

    def __init__(self, root: Path) -> None:
        """`root` is created when something is fetched."""
        self.root = root

    @classmethod
    def of_user(cls) -> "Cache":
        """Return the cache of this user: `spice-harvester` in XDG_CACHE_HOME, or in `~/.cache`."""
        named = process_environment().get("XDG_CACHE_HOME")
        return cls((Path(named) if named else Path.home() / ".cache") / "spice-harvester")

    def folder(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Return the folder `name`; where it is absent, `fill` is given an empty one that becomes it when `fill` returns."""
        path = self.root / name
        if path.is_dir():
            return path
        self.root.mkdir(parents=True, exist_ok=True)
        with exclusively(self.root / f".{name}.lock"):
            if not path.is_dir():
                fresh = self.root / f".{name}.part"
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir()
                fill(fresh)
                fresh.rename(path)
        return path


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the lock ends with the process, whatever way that dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fingerprint(*texts: str) -> str:
    """Return twelve characters that change when one of the texts does: for names in the cache."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def check_sums(folder: Path, sums: str) -> None:
    """Compare `folder` with lines of `<sha256>  <file name>`, as sha256sum writes them.

    Raises:
        Unavailable: a file is absent, too many, or has another content; names it.
    """
    wanted = {name: digest for digest, name in (line.split() for line in sums.splitlines())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            raise Unavailable(f"The download of {name} has the checksum {found.get(name)}, and {wanted.get(name)} is expected")
