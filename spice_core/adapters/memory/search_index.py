"""The search index in memory: small enough to read as the meaning of the port."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from spice_core.adapters.memory.search_layers import Generation, Layer, store
from spice_core.adapters.memory.search_pages import answer
from spice_core.domain.naming import MAIN
from spice_core.domain.search import IndexedClass, SearchDocument, SearchQuery, SearchResult, WriteResult
from spice_core.domain.search_rules import check_query, merge_definitions, newest_of_each_key, storable
from spice_core.errors import Closed, Conflict, InvalidInput, InvalidQuery
from spice_core.ports.search_index import SearchIndex


@dataclass(slots=True)
class _Database:
    live: int
    building: int | None = None
    generations: dict[int, Generation] = field(default_factory=dict)


class MemorySearchIndex(SearchIndex):
    """Documents in dictionaries under one lock."""

    def __init__(self) -> None:
        self._databases: dict[str, _Database] = {}
        self._numbers = count(1)
        self._lock = threading.RLock()
        self._is_closed = False

    def identity(self) -> int:
        with self._open():
            return 1

    def define(self, database: str, definition: IndexedClass, *, generation: int | None = None) -> None:
        with self._open():
            merge_definitions(None, definition)
            target = self._writable(database, generation)
            target.definitions[definition.class_id] = merge_definitions(target.definitions.get(definition.class_id), definition)

    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        with self._open():
            stored = [store(document) for document in newest_of_each_key(documents)]
            if not stored:
                return WriteResult(applied=0, stale=len(documents))
            target = self._generation(database, generation)
            for document in documents:
                if target is None or document.class_id not in target.definitions:
                    raise InvalidQuery(f"the class {document.class_id!r} of {document.key!r} is not defined in {database!r}")
            layer = self._writable(database, generation).branches.setdefault(storable(branch), Layer())
            applied = sum(layer.put(item) for item in stored)
            return WriteResult(applied=applied, stale=len(documents) - applied)

    def refresh(self, database: str) -> None:  # noqa: ARG002 a write is visible when it returns
        with self._open():
            return

    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        with self._open():
            branches = self._writable(database, generation).branches
            if storable(name) in branches or name == MAIN:
                return
            branches.setdefault(MAIN, Layer())
            branches[name] = branches[source].fork() if source in branches else Layer()

    def delete_branch(self, database: str, name: str, *, generation: int | None = None) -> None:
        if name == MAIN:
            raise InvalidInput("The branch main cannot be deleted; drop the database instead")
        with self._open():
            target = self._generation(database, generation)
            if target is not None:
                target.branches.pop(name, None)

    def drop(self, database: str, *, class_id: str | None = None) -> None:
        with self._open():
            if class_id is None:
                self._databases.pop(database, None)
                return
            found = self._databases.get(database)
            for generation in found.generations.values() if found else ():
                generation.drop_class(class_id)

    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        with self._open():
            target = self._generation(database, None)
            layer = target.branches.get(branch) if target else None
            found = {key: layer.find(key) for key in keys} if layer else {}
        return {key: stored.load() for key, stored in found.items() if stored is not None}

    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        with self._open():
            target = self._generation(database, None) or Generation()
            checked = check_query(query, target.definitions)
            candidates = list(target.visible(branch, [item.class_id for item in checked.classes]))
        return answer(query, checked, candidates)

    def begin_rebuild(self, database: str) -> int:
        with self._open():
            found = self._database(database)
            if found.building is not None:
                del found.generations[found.building]
            found.building = next(self._numbers)
            found.generations[found.building] = Generation()
            return found.building

    def finish_rebuild(self, database: str, generation: int) -> None:
        with self._open():
            found = self._databases.get(database)
            if found is None or found.building != generation:
                raise Conflict(f"Generation {generation} is not the rebuild under way in {database!r}")
            del found.generations[found.live]
            found.live, found.building = generation, None

    def abandon_rebuild(self, database: str, generation: int) -> None:
        with self._open():
            found = self._databases.get(database)
            if found is not None and found.building == generation:
                del found.generations[generation]
                found.building = None

    def scan(
        self, database: str, branch: str, *, generation: int | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SearchDocument]:
        with self._open():
            target = self._generation(database, generation)
            found = list(target.visible(branch, target.definitions)) if target else []
        return [stored.load() for stored in found if stored.document.key > after][: max(limit, 0)]

    def close(self) -> None:
        self._is_closed = True

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self._is_closed:
            raise Closed("The search index is closed.")
        with self._lock:
            yield

    def _generation(self, database: str, number: int | None) -> Generation | None:
        found = self._databases.get(database)
        if found is not None and number in {None, found.live, found.building}:
            return found.generations[found.live if number is None else number]
        if number is not None:
            raise Conflict(f"Generation {number} is not the rebuild under way in {database!r}")
        return None

    def _writable(self, database: str, number: int | None) -> Generation:
        target = self._generation(database, number)
        if target is None:
            found = self._database(database)
            target = found.generations[found.live]
        return target

    def _database(self, name: str) -> _Database:
        found = self._databases.get(name)
        if found is None:
            number = next(self._numbers)
            found = self._databases[storable(name)] = _Database(live=number, generations={number: Generation()})
        return found
