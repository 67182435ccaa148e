"""Versioned files of datasets: commits of paths that name content-addressed objects."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored object: its content address (`sha256:<hex>`) and length in bytes."""

    address: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DatasetCommit:
    """One commit of a repository: its id (content hash), parents, and what was said of it."""

    commit_id: str
    parents: tuple[str, ...]
    message: str
    author: str
    at: datetime


class DatasetStore(ABC):
    """Repositories of files with branches and commits; one repository per database.

    Bytes are stored once per content. A commit names whole files, is durable before the call returns, and never changes.
    Reading goes by commit id or branch name. What no commit names may be collected after a day. Unavailable stores raise
    `StoreUnavailable`. After `close`, every method but `close` raises `Closed`.
    """

    @abstractmethod
    def store(self, repository: str, chunks: Iterable[bytes]) -> StoredFile:
        """Store bytes without naming them; the same bytes again cost no space. Memory does not grow with their length."""

    @abstractmethod
    def commit(
        self, repository: str, *, branch: str, files: Mapping[str, StoredFile | None], message: str, author: str, at: datetime
    ) -> DatasetCommit:
        """Put (or remove, None) `files` by path on `branch` as one commit. A branch that does not exist starts from `main`,
        `main` from nothing. A commit whose files, message, author and time equal the branch's head returns that head.

        Raises:
            ObjectNotFound: an address was never stored.
        """

    @abstractmethod
    def head(self, repository: str, branch: str) -> DatasetCommit | None:
        """Return the newest commit of `branch`, None where there is none."""

    @abstractmethod
    def history(self, repository: str, ref: str, *, limit: int = 100) -> Sequence[DatasetCommit]:
        """Return commits from `ref` back, newest first. Raises `CommitNotFound`."""

    @abstractmethod
    def files(self, repository: str, ref: str, *, prefix: str = "") -> Mapping[str, StoredFile]:
        """Return the files at `ref` by path. Raises `CommitNotFound`."""

    @abstractmethod
    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        """Yield a file's bytes, verified against their address. Raises `ObjectNotFound`, `CommitNotFound`, `CorruptObject`."""

    @abstractmethod
    def local_path(self, repository: str, ref: str, path: str) -> Path:
        """Return a local file with these bytes, for engines that read files; it is read only and stays until `close`."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
