"""Versioned dataset files: names and commits in PostgreSQL, bytes in an object store."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.domain.dataset_commits import address_of, checked_path, commit_id, digest_of
from spice_core.domain.naming import MAIN
from spice_core.errors import Closed, CommitNotFound, CorruptObject, ObjectNotFound, SlotTaken, StoreUnavailable
from spice_core.ports.dataset_store import DatasetCommit, DatasetStore, StoredFile
from spice_core.ports.object_store import ObjectStore

_CHUNK = 1 << 20


class PostgresDatasetStore(DatasetStore):
    """A branch is a layer of changed paths over its parent's; bytes lie under `datasets/{repository}/sha256/`.

    Bytes pass through `cache` (a local directory) to learn their address before they have a key; the file stays there
    for engines that read files. The cache may be removed while no process runs.
    """

    def __init__(self, postgres: Postgres, *, store: ObjectStore, cache: Path) -> None:
        """Use `postgres` and `store`, which the caller closes."""
        self._postgres = postgres
        self._store = store
        self._cache = cache
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sql = load_queries("datasets")
        self._is_closed = False

    def store(self, repository: str, chunks: Iterable[bytes]) -> StoredFile:
        self._check_open()
        temporary, digest, size = self._spool(chunks)
        try:
            key = _key(repository, digest)
            if self._store.size(key) is None:
                with suppress(SlotTaken):
                    self._store.put_stream_if_absent(key, _chunks_of(temporary))
            self._keep(temporary, digest)
        finally:
            temporary.unlink(missing_ok=True)
        return StoredFile(address_of(digest), size)

    def commit(
        self, repository: str, *, branch: str, files: Mapping[str, StoredFile | None], message: str, author: str, at: datetime
    ) -> DatasetCommit:
        self._check_open()
        addresses = {checked_path(path): None if file is None else file.address for path, file in files.items()}
        for address in filter(None, addresses.values()):
            if self._store.size(_key(repository, digest_of(address))) is None:
                raise ObjectNotFound(f"Nothing is stored at {address}")
        with self._postgres.connection(unavailable=StoreUnavailable) as connection:
            connection.execute(self._sql["lock_repository"], (repository,))
            head = connection.execute(self._sql["head"], (repository, branch)).fetchone()
            if head and head[0] == commit_id(head[1], addresses, message=message, author=author, at=at):
                return _commit(head)
            base = head or connection.execute(self._sql["head"], (repository, MAIN)).fetchone()
            parents = (str(base[0]),) if base else ()
            number = int(head[6]) + 1 if head else 1
            if head is None:
                below = base[5:7] if base else (None, 0)
                connection.execute(self._sql["create_branch"], (repository, branch, *below))
            made = DatasetCommit(
                commit_id(parents, addresses, message=message, author=author, at=at), parents, message, author, at
            )
            place = {"repository": repository, "branch": branch, "number": number}
            self._write(connection, place, made, files)
        return made

    def head(self, repository: str, branch: str) -> DatasetCommit | None:
        row = self._one("head", repository, branch)
        return _commit(row) if row else None

    def history(self, repository: str, ref: str, *, limit: int = 100) -> Sequence[DatasetCommit]:
        start = self._resolve(repository, ref)
        parameters = {"repository": repository, "commit_id": start[0], "limit": limit}
        with self._postgres.connection(unavailable=StoreUnavailable, autocommit=True) as connection:
            return [_commit(row) for row in connection.execute(self._sql["history"], parameters)]

    def files(self, repository: str, ref: str, *, prefix: str = "") -> Mapping[str, StoredFile]:
        commit = self._resolve(repository, ref)
        parameters = {"repository": repository, "branch": commit[5], "number": commit[6], "prefix": prefix}
        with self._postgres.connection(unavailable=StoreUnavailable, autocommit=True) as connection:
            rows = connection.execute(self._sql["files"], parameters).fetchall()
        return {path: StoredFile(address, size) for path, address, size in rows}

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        return self._verified(repository, self._file(repository, ref, path))

    def local_path(self, repository: str, ref: str, path: str) -> Path:
        file = self._file(repository, ref, path)
        place = self._cache / digest_of(file.address)
        if not place.exists():
            temporary, digest, _ = self._spool(self._verified(repository, file))
            try:
                self._keep(temporary, digest)
            finally:
                temporary.unlink(missing_ok=True)
        return place

    def close(self) -> None:
        self._is_closed = True

    def _write(
        self, connection: Connection, place: dict[str, Any], made: DatasetCommit, files: Mapping[str, StoredFile | None]
    ) -> None:
        commit = {"commit_id": made.commit_id, "parents": list(made.parents), "message": made.message}
        connection.execute(self._sql["add_commit"], {**place, **commit, "author": made.author, "at": made.at})
        columns = {
            "paths": list(files),
            "addresses": [None if file is None else file.address for file in files.values()],
            "sizes": [0 if file is None else file.size_bytes for file in files.values()],
        }
        connection.execute(self._sql["add_changes"], {**place, **columns})
        connection.execute(self._sql["advance"], place)

    def _one(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        self._check_open()
        with self._postgres.connection(unavailable=StoreUnavailable, autocommit=True) as connection:
            return connection.execute(self._sql[query], parameters).fetchone()

    def _resolve(self, repository: str, ref: str) -> tuple[Any, ...]:
        row = self._one("head", repository, ref) or self._one("commit", repository, ref)
        if row is None:
            raise CommitNotFound(f"There is no dataset commit or branch {ref[:100]}")
        return row

    def _file(self, repository: str, ref: str, path: str) -> StoredFile:
        file = self.files(repository, ref, prefix=path).get(path)
        if file is None:
            raise ObjectNotFound(f"There is no file {path[:200]} at {ref[:100]}")
        return file

    def _verified(self, repository: str, file: StoredFile) -> Iterator[bytes]:
        expected, found = digest_of(file.address), hashlib.sha256()
        for chunk in self._store.get_stream(_key(repository, expected)):
            found.update(chunk)
            yield chunk
        if found.hexdigest() != expected:
            raise CorruptObject(f"{file.address} holds other bytes than its address says")

    def _spool(self, chunks: Iterable[bytes]) -> tuple[Path, str, int]:
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._cache, prefix="spool-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += file.write(chunk)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name), digest.hexdigest(), size

    def _keep(self, temporary: Path, digest: str) -> None:
        place = self._cache / digest
        temporary.chmod(0o400)
        temporary.replace(place)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The dataset store is closed.")


def _key(repository: str, digest: str) -> str:
    return f"datasets/{repository}/sha256/{digest[:2]}/{digest}"


def _commit(row: Sequence[Any]) -> DatasetCommit:
    return DatasetCommit(str(row[0]), tuple(row[1]), str(row[2]), str(row[3]), row[4].astimezone(UTC))


def _chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
