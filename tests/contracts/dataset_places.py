"""What the contract of `DatasetStore` needs besides the adapter: a way to damage what it keeps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from s3_places import new_prefix, open_s3

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.dataset_store import MemoryDatasetStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.dataset_store import PostgresDatasetStore
from spice_core.ports.dataset_store import DatasetStore, StoredFile
from spice_core.ports.object_store import ObjectStore


@dataclass
class Harness:
    """A store, and a way to damage stored bytes behind its back."""

    store: DatasetStore
    objects: Any
    cache: Path | None

    def damage(self, file: StoredFile) -> None:
        digest = file.address.removeprefix("sha256:")
        if isinstance(self.store, MemoryDatasetStore):
            self.store._repositories["db"].objects[digest] = b"other bytes"
            return
        key = f"datasets/db/sha256/{digest[:2]}/{digest}"
        self.objects.delete(key)
        self.objects.put_if_absent(key, b"other bytes")


@contextmanager
def memory_datasets(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """A store in memory."""
    store = MemoryDatasetStore()
    yield Harness(store, None, None)
    store.close()


def datasets_over(objects_of: Callable[[pytest.FixtureRequest], ObjectStore]) -> Callable[[pytest.FixtureRequest], object]:
    """Return an opener of a store in PostgreSQL whose bytes are in an object store."""

    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Harness]:
        cache = request.getfixturevalue("tmp_path") / "cache"
        postgres, objects = Postgres(request.getfixturevalue("clean_database")), objects_of(request)
        yield Harness(PostgresDatasetStore(postgres, store=objects, cache=cache), objects, cache)
        objects.close()
        postgres.close()

    return opened


def local_objects(request: pytest.FixtureRequest) -> ObjectStore:
    """Objects in a directory of the test."""
    return LocalObjectStore(request.getfixturevalue("tmp_path") / "objects")


def s3_objects(request: pytest.FixtureRequest) -> ObjectStore:
    """Objects under a prefix of the test, on the run's S3 server."""
    return open_s3(request.getfixturevalue("s3_server"), prefix=new_prefix())
