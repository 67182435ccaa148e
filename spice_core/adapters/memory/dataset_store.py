"""Versioned dataset files in memory, for tests and simulation."""

import hashlib
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from spice_core.domain.dataset_commits import address_of, checked_path, commit_id, digest_of
from spice_core.domain.naming import MAIN
from spice_core.errors import Closed, CommitNotFound, CorruptObject, ObjectNotFound
from spice_core.ports.dataset_store import DatasetCommit, DatasetStore, StoredFile

_CHUNK = 1 << 20


@dataclass(slots=True)
class _Repository:
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, DatasetCommit] = field(default_factory=dict)
    trees: dict[str, dict[str, StoredFile]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)


class MemoryDatasetStore(DatasetStore):
    """As durable as its process; local paths are files of a temporary directory."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="spice-datasets-")
        self._is_closed = False

    def store(self, repository: str, chunks: Iterable[bytes]) -> StoredFile:
        repo = self._repository(repository)
        data = b"".join(chunks)
        digest = hashlib.sha256(data).hexdigest()
        repo.objects[digest] = data
        return StoredFile(address_of(digest), len(data))

    def commit(
        self, repository: str, *, branch: str, files: Mapping[str, StoredFile | None], message: str, author: str, at: datetime
    ) -> DatasetCommit:
        repo = self._repository(repository)
        for path, file in files.items():
            if file is not None and digest_of(file.address) not in repo.objects:
                raise ObjectNotFound(f"Nothing is stored at {file.address} (for {checked_path(path)})")
        addresses = {checked_path(path): None if file is None else file.address for path, file in files.items()}
        with self._lock:
            head = repo.heads.get(branch)
            if head and head == commit_id(repo.commits[head].parents, addresses, message=message, author=author, at=at):
                return repo.commits[head]
            base = head or repo.heads.get(MAIN)
            parents = (base,) if base else ()
            made = DatasetCommit(
                commit_id(parents, addresses, message=message, author=author, at=at), parents, message, author, at
            )
            tree = dict(repo.trees[base]) if base else {}
            for path, file in files.items():
                tree.pop(path, None)
                if file is not None:
                    tree[path] = file
            repo.commits[made.commit_id] = made
            repo.trees[made.commit_id] = tree
            repo.heads[branch] = made.commit_id
        return made

    def head(self, repository: str, branch: str) -> DatasetCommit | None:
        repo = self._repository(repository)
        found = repo.heads.get(branch)
        return repo.commits[found] if found else None

    def history(self, repository: str, ref: str, *, limit: int = 100) -> Sequence[DatasetCommit]:
        repo = self._repository(repository)
        commits: list[DatasetCommit] = []
        current: str | None = self._resolve(repo, ref)
        while current and len(commits) < limit:
            commits.append(repo.commits[current])
            current = next(iter(commits[-1].parents), None)
        return commits

    def files(self, repository: str, ref: str, *, prefix: str = "") -> Mapping[str, StoredFile]:
        repo = self._repository(repository)
        tree = repo.trees[self._resolve(repo, ref)]
        return {path: tree[path] for path in sorted(tree) if path.startswith(prefix)}

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        data = self._bytes(repository, ref, path)
        return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))

    def local_path(self, repository: str, ref: str, path: str) -> Path:
        data = self._bytes(repository, ref, path)
        place = Path(self._folder.name) / hashlib.sha256(data).hexdigest()
        if not place.exists():
            place.write_bytes(data)
            place.chmod(0o400)
        return place

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._folder.cleanup()

    def _repository(self, name: str) -> _Repository:
        if self._is_closed:
            raise Closed("The dataset store is closed.")
        return self._repositories.setdefault(name, _Repository())

    def _resolve(self, repo: _Repository, ref: str) -> str:
        found = repo.heads.get(ref, ref)
        if found not in repo.commits:
            raise CommitNotFound(f"There is no dataset commit or branch {ref[:100]}")
        return found

    def _bytes(self, repository: str, ref: str, path: str) -> bytes:
        file = self.files(repository, ref).get(path)
        repo = self._repository(repository)
        digest = digest_of(file.address) if file else ""
        if file is None or digest not in repo.objects:
            raise ObjectNotFound(f"There is no file {path[:200]} at {ref[:100]}")
        data = repo.objects[digest]
        if hashlib.sha256(data).hexdigest() != digest:
            raise CorruptObject(f"{file.address} holds other bytes than its address says")
        return data
