"""The search index on Elasticsearch: an index per generation of a database, branches as layers within it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

from spice_core.adapters.elasticsearch.bulk import BulkWriter, IndexGone
from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_catalogue import (
    Catalogue,
    DatabaseState,
    Generation,
    IndexedClassEntry,
    Known,
    Layer,
)
from spice_core.adapters.elasticsearch.search_filters import all_of, among
from spice_core.adapters.elasticsearch.search_generations import GenerationIndexes
from spice_core.adapters.elasticsearch.search_lock import WriteLock, WriteLocks
from spice_core.adapters.elasticsearch.search_query import Search
from spice_core.adapters.elasticsearch.search_reading import MAX_WINDOW, Hit, Rows
from spice_core.adapters.elasticsearch.search_rows import Place, load_row, row_id
from spice_core.adapters.elasticsearch.search_visible import all_states, live_documents, unseen_states
from spice_core.adapters.elasticsearch.search_write import LayerWriter
from spice_core.domain.matching import is_storable
from spice_core.domain.naming import MAIN
from spice_core.domain.queries import Facet
from spice_core.domain.search import IndexedClass, SearchDocument, SearchQuery, SearchResult, WriteResult
from spice_core.domain.search_rules import CheckedQuery, check_query, merge_definitions, newest_of_each_key, storable
from spice_core.errors import Conflict, InvalidInput, InvalidQuery, SearchUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.search_index import SearchIndex

T = TypeVar("T")

_READ_ATTEMPTS = 5


class ElasticsearchSearchIndex(SearchIndex):
    """Search over indexes `{prefix}-{database}-v{generation}`, described in the index `{prefix}-catalogue`.

    Changes of one database take turns by a lock that is a document. Nothing is connected to before the first call.
    """

    def __init__(
        self,
        options: ElasticsearchOptions,
        *,
        clock: Clock,
        ids: IdSource,
        prefix: str = "spice",
        replicas: int = 0,
        lease_seconds: float = 15.0,
    ) -> None:
        """`lease_seconds`: how long the lock of a writer that fell silent is respected."""
        self._server = Elasticsearch(options, clock=clock)
        self._ids = ids
        self._catalogue = Catalogue(self._server, prefix=prefix, replicas=replicas)
        self._locks = WriteLocks(self._server, self._catalogue, ids=ids, lease_seconds=lease_seconds)
        self._bulk = BulkWriter(self._server)
        self._indexes = GenerationIndexes(self._server, self._catalogue, self._bulk, replicas=replicas)
        self._is_prepared = False
        self._preparing = Lock()

    def check(self) -> str:
        """Look whether the server can be used, and make the catalogue; return the server's version.

        Raises:
            ConfigurationError: wrong credentials, version or certificate, or indexes that are not ours; names the setting.
            SearchUnavailable: it cannot be reached.
        """
        version = self._server.check()
        self._catalogue.prepare(self._ids)
        self._is_prepared = True
        return version

    def identity(self) -> int:
        self._prepare()
        return self._catalogue.identity

    def define(self, database: str, definition: IndexedClass, *, generation: int | None = None) -> None:
        merge_definitions(None, definition)
        with self._change(database) as lock:
            known, is_new = self._ensure(database, generation, first=definition)
            target = self._generation(known.state, database, generation)
            present = target.classes.get(definition.class_id)
            merged = merge_definitions(None if present is None else present.definition, definition)
            if present is not None and present.definition == merged:
                return
            if not is_new:
                self._indexes.add_fields(database, target.number, merged)
            entry = IndexedClassEntry(target.next if present is None else present.number, merged)
            if present is not None:
                self._indexes.read_anew(database, target.number, present, entry, lock=lock)
            changed = replace(target, classes={**target.classes, merged.class_id: entry}, next=target.next + 1)
            self._catalogue.save(database, known, known.state.with_generation(changed))

    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        newest = newest_of_each_key(documents)
        storable(branch)
        if not newest:
            self._prepare()
            self._catalogue.load(storable(database)).state.generation(database, generation)
            return WriteResult(applied=0, stale=len(documents))
        with self._change(database) as lock:
            known = self._catalogue.load(database)
            target = known.state.generation(database, generation)
            for document in documents:
                if target is None or document.class_id not in target.classes:
                    raise InvalidQuery(f"the class {document.class_id!r} of {document.key!r} is not defined in {database!r}")
            target = self._with_branch(database, known, self._generation(known.state, database, generation), branch)
            alias = self._catalogue.alias(database, target.number)
            rows = Rows(self._server, alias)
            writer = LayerWriter(self._bulk, rows, alias, lock=lock, generation=target, branch=branch)
            applied = writer.write(newest)
        return WriteResult(applied=applied, stale=len(documents) - applied)

    def refresh(self, database: str) -> None:
        def read(state: DatabaseState) -> None:
            for number in {state.live, state.building} - {None}:
                try:
                    Rows(self._server, self._catalogue.alias(database, number or 0)).refresh()
                except IndexGone:
                    if state.building in {None, number}:
                        raise  # else it is the live one, and the rebuild that is to replace it must not stop at that

        self._read(database, read)

    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        storable(name)
        with self._change(database):
            known, _ = self._ensure(database, generation)
            target = self._generation(known.state, database, generation)
            if name in target.branches:
                return
            changed = _with_layer(target, name, parent=target.branches.get(source))
            self._catalogue.save(database, known, known.state.with_generation(changed))
            if changed.number == known.state.live:
                self._indexes.publish(database, changed, None)

    def delete_branch(self, database: str, name: str, *, generation: int | None = None) -> None:
        if name == MAIN:
            raise InvalidInput("The branch main cannot be deleted; drop the database instead")
        with self._change(database) as lock:
            known = self._catalogue.load(database)
            target = known.state.generation(database, generation)
            if target is None or name not in target.branches:
                return
            changed, removed, parents = _without_branch(target, name)
            self._catalogue.save(database, known, known.state.with_generation(changed))
            if changed.number == known.state.live:
                self._indexes.withdraw(database, changed.number, name)
            if removed:
                layers = among("layer", [str(layer) for layer in removed])
                self._indexes.remove_rows(database, changed.number, layers, lock=lock)
            for layer in parents:
                unseen = unseen_states(layer, changed.forks(layer))
                self._indexes.remove_rows(database, changed.number, unseen, lock=lock)

    def drop(self, database: str, *, class_id: str | None = None) -> None:
        with self._change(database) as lock:
            known = self._catalogue.load(database)
            if class_id is not None:
                self._drop_class(database, known, class_id, lock)
            elif known.state.generations:
                self._catalogue.save(database, known, DatabaseState(next=known.state.next))
                self._indexes.remove(database, list(known.state.generations))

    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        wanted = [key for key in keys if is_storable(key)]

        def read(state: DatabaseState) -> dict[str, SearchDocument]:
            target = state.generation(database, None)
            chain = target.chain(branch) if target else []
            hits = self._hits(database, target, chain, wanted) if target and chain else []
            return {document.key: document for document in map(_document, hits)}

        return self._read(database, read, branch=branch) or {}

    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        def read(state: DatabaseState) -> SearchResult:
            target = state.generation(database, None)
            checked = check_query(query, target.definitions if target else {})
            chain = target.chain(branch) if target else []
            if target is None or not chain or not checked.classes:
                return _empty(checked)
            rows = Rows(self._server, self._catalogue.alias(database, target.number))
            return Search(query, checked, target, chain, rows).run()

        return self._read(database, read, branch=branch) or _empty(check_query(query, {}))

    def begin_rebuild(self, database: str) -> int:
        with self._change(database):
            known, _ = self._ensure(database, None)
            state = known.state
            number = state.next
            self._indexes.create(database, number)
            building = state.without(state.building).with_generation(Generation(number))
            self._catalogue.save(database, known, replace(building, building=number, next=number + 1))
            self._tidy(database, replace(building, building=number))
            return number

    def finish_rebuild(self, database: str, generation: int) -> None:
        with self._change(database):
            known = self._catalogue.load(database)
            state = known.state
            if state.live is None or state.building != generation:
                raise Conflict(f"Generation {generation} is not the rebuild under way in {database!r}")
            Rows(self._server, self._catalogue.alias(database, generation)).refresh()
            live = replace(state.without(state.live), live=generation, building=None)
            self._catalogue.save(database, known, live)
            self._indexes.publish(database, live.generations[generation], state.live)

    def abandon_rebuild(self, database: str, generation: int) -> None:
        with self._change(database):
            known = self._catalogue.load(database)
            if known.state.building == generation:
                self._catalogue.save(database, known, replace(known.state.without(generation), building=None))
                self._indexes.remove(database, [generation])

    def scan(
        self, database: str, branch: str, *, generation: int | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SearchDocument]:
        storable(after)

        def read(state: DatabaseState) -> list[SearchDocument]:
            target = state.generation(database, generation)
            chain = target.chain(branch) if target else []
            if target is None or not chain or not target.classes:
                return []
            rows = Rows(self._server, self._catalogue.alias(database, target.number))
            numbers = [str(entry.number) for entry in target.classes.values()]
            return list(_scan(rows, all_of(live_documents(chain), among("class", numbers)), after, limit))

        return self._read(database, read, branch=branch) or []

    def close(self) -> None:
        self._bulk.close()
        self._server.close()

    def _prepare(self) -> None:
        """Look at the server once; what is wrong with it is no error of the caller, who may try again."""
        self._server.check_open()
        if self._is_prepared:
            return
        with self._preparing:
            if not self._is_prepared:
                self.check()

    @contextmanager
    def _change(self, database: str) -> Iterator[WriteLock]:
        """The right to change a database: other writers wait, readers do not."""
        storable(database)
        self._prepare()
        with self._locks.held(database) as lock:
            try:
                yield lock
            except IndexGone:
                raise _gone(database) from None

    def _read(self, database: str, read: Callable[[DatabaseState], T], *, branch: str = MAIN) -> T | None:
        """Run `read` on the present state; None for names that cannot exist.

        An index may be replaced between finding its name and reading it: then there is a newer state.
        """
        self._prepare()
        if not is_storable(database) or not is_storable(branch):
            return None
        before: DatabaseState | None = None
        for _ in range(_READ_ATTEMPTS):
            state = self._catalogue.load(database).state
            if state == before:
                break
            try:
                return read(state)
            except IndexGone:
                before = state
        raise _gone(database)

    def _generation(self, state: DatabaseState, database: str, number: int | None) -> Generation:
        found = state.generation(database, number)
        if found is None:
            raise Conflict(f"{database!r} has no live generation")
        return found

    def _ensure(self, database: str, generation: int | None, *, first: IndexedClass | None = None) -> tuple[Known, bool]:
        """Return what is known of a database, with a live generation unless a given one is asked for, and whether it is new."""
        known = self._catalogue.load(database)
        if generation is not None or known.state.live is not None:
            return known, False
        number = known.state.next
        self._indexes.create(database, number, first=first, is_live=True)
        state = replace(known.state, live=number, next=number + 1).with_generation(Generation(number))
        return self._catalogue.save(database, known, state), True

    def _with_branch(self, database: str, known: Known, target: Generation, branch: str) -> Generation:
        """Return the generation with the branch, started empty if it was not there."""
        if branch in target.branches:
            return target
        changed = _with_layer(target, branch, parent=None)
        self._catalogue.save(database, known, known.state.with_generation(changed))
        if changed.number == known.state.live:
            self._indexes.publish(database, changed, None)
        return changed

    def _tidy(self, database: str, state: DatabaseState) -> None:
        """Remove indexes that the catalogue does not know, and publish again: one who died between a swap's two steps did not."""
        strays = self._indexes.strays(database, state.generations)
        self._indexes.remove(database, strays)
        if strays and state.live is not None:
            self._indexes.publish(database, state.generations[state.live], None)

    def _drop_class(self, database: str, known: Known, class_id: str, lock: WriteLock) -> None:
        holding = [item for item in known.state.generations.values() if class_id in item.classes]
        state = known.state
        for item in holding:
            left = {key: entry for key, entry in item.classes.items() if key != class_id}
            state = state.with_generation(replace(item, classes=left))
        if holding:
            self._catalogue.save(database, known, state)
        for item in holding:
            number = str(item.classes[class_id].number)
            self._indexes.remove_rows(database, item.number, {"term": {"class": number}}, lock=lock)

    def _hits(self, database: str, target: Generation, chain: Sequence[Layer], keys: Iterable[str]) -> list[Hit]:
        """Return the rows under `keys`: in real time where one layer holds them all."""
        rows = Rows(self._server, self._catalogue.alias(database, target.number))
        known = [(key, target.classes[key.partition("/")[0]]) for key in keys if key.partition("/")[0] in target.classes]
        if len(chain) == 1:
            return rows.by_ids([row_id(entry.number, key, Place(chain[0].id, 0)) for key, entry in known])
        numbers = among("class", [str(entry.number) for entry in target.classes.values()])
        return rows.by_keys([key for key, _ in known], all_of(all_states(chain), numbers))


def _document(hit: Hit) -> SearchDocument:
    return load_row(hit["_source"])


def _scan(rows: Rows, query: dict[str, Any], after: str, limit: int) -> Iterator[SearchDocument]:
    left = limit
    while left > 0:
        size = min(left, MAX_WINDOW)
        body: dict[str, Any] = {"query": query, "size": size, "_source": ["stored"], "sort": [{"key": "asc"}]}
        body |= {"track_total_hits": False} | ({"search_after": [after]} if after else {})
        hits = rows.search(body)["hits"]["hits"]
        for hit in hits:
            document = load_row(hit["_source"])
            if document.key != after:
                yield document
            after = document.key
        left = left - len(hits) if len(hits) == size else 0


def _with_layer(target: Generation, name: str, *, parent: int | None) -> Generation:
    """Return the generation with a branch from what the layer `parent` holds now: its epoch ends here."""
    number = target.next
    layers = dict(target.layers)
    at = -1
    if parent is not None:
        at = layers[parent].epoch
        layers[parent] = replace(layers[parent], epoch=at + 1)
    layers[number] = Layer(number, parent, at)
    return replace(target, branches={**target.branches, name: number}, layers=layers, next=number + 1)


def _without_branch(target: Generation, name: str) -> tuple[Generation, list[int], list[int]]:
    """Return the generation without a branch, the layers that nobody sees any more, and those that lost a branch."""
    branches = {key: value for key, value in target.branches.items() if key != name}
    layers = dict(target.layers)
    removed: list[int] = []
    number: int | None = target.branches[name]
    while number is not None:
        is_needed = number in branches.values() or any(layer.parent == number for layer in layers.values())
        if is_needed:
            break
        parent = layers.pop(number).parent
        removed.append(number)
        number = parent
    return replace(target, branches=branches, layers=layers), removed, [] if number is None or not removed else [number]


def _empty(checked: CheckedQuery) -> SearchResult:
    facets = [Facet(request.field, ()) for request in checked.facets]
    return SearchResult(hits=[], total=0, total_is_exact=True, next_after=None, facets=facets)


def _gone(database: str) -> SearchUnavailable:
    return SearchUnavailable(
        f"the search index of {database!r} is gone: `spice rebuild search {database}` makes it anew from the log"
    )
