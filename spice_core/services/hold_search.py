"""Which search engine holds a database's documents: noticed where another one is configured, or one lost all it had.

The projector's position is the handler's, not the engine's. An engine that was configured since, or made anew, would read as
empty with nothing left to do. So the ledger of work also says by which engine the position was reached.
"""

from collections.abc import Collection, Mapping, Sequence

from spice_core.domain.search import IndexedClass, SearchDocument, SearchQuery, SearchResult, WriteResult
from spice_core.errors import LedgerUnavailable, SearchUnavailable
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.work_ledger import WorkLedger

HOLDER = "search-holder"
_PROJECTOR = "search"
_LEASE_SECONDS = 30.0
_OF_THE_LEDGER = 1


class SearchHolder:
    """Compares the configured engine with the one that the projector wrote to."""

    def __init__(self, *, work: WorkLedger, search: SearchIndex) -> None:
        self._work = work
        self._search = search

    def is_current(self, database: str) -> bool:
        """Whether the configured engine has what the projector's position says; also where nothing was projected yet.

        Raises:
            SearchUnavailable, LedgerUnavailable: (retryable) a part does not answer.
        """
        mine, holder = self._search.identity(), self._work.position(HOLDER, database)
        if holder:
            return holder == mine
        return mine == _OF_THE_LEDGER or self._work.position(_PROJECTOR, database) == 0

    def require(self, database: str) -> None:
        """Raise `SearchUnavailable` unless the configured engine is current."""
        if not self.is_current(database):
            raise SearchUnavailable(
                f"the search documents of {database!r} are not in the engine that SPICE_SEARCH_INDEX names, or it lost them: "
                f"`spice rebuild search {database}` makes them there from the log"
            )

    def begin(self, database: str, position: int) -> None:
        """Let the projector begin at `position`: the first engine of a database holds it, any other is refused."""
        if position == 0 and not self._work.position(HOLDER, database):
            self.adopt(database)
        self.require(database)

    def adopt(self, database: str) -> None:
        """Note that the configured engine is the one that has everything up to the projector's position."""
        mine = self._search.identity()
        lease = self._work.acquire(f"{HOLDER}:{database}", owner=f"{HOLDER}-{mine}", seconds=_LEASE_SECONDS)
        if lease is None:
            raise LedgerUnavailable(f"another engine is being made the holder of {database!r}; try again")
        try:
            self._work.reset(HOLDER, database)
            self._work.mark_done(lease, HOLDER, [], database=database, position=mine)
        finally:
            self._work.release(lease)


class HeldSearchIndex(SearchIndex):
    """A search index whose live documents are read and written only while it is their holder; rebuilds are free to begin."""

    def __init__(self, index: SearchIndex, *, work: WorkLedger) -> None:
        self._index = index
        self._holder = SearchHolder(work=work, search=index)

    def identity(self) -> int:
        return self._index.identity()

    def define(self, database: str, definition: IndexedClass, *, generation: int | None = None) -> None:
        self._require(database, generation)
        self._index.define(database, definition, generation=generation)

    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        self._require(database, generation)
        return self._index.write(database, branch, documents, generation=generation)

    def refresh(self, database: str) -> None:
        self._index.refresh(database)

    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        self._require(database, generation)
        self._index.create_branch(database, name, source=source, generation=generation)

    def delete_branch(self, database: str, name: str, *, generation: int | None = None) -> None:
        self._require(database, generation)
        self._index.delete_branch(database, name, generation=generation)

    def drop(self, database: str, *, class_id: str | None = None) -> None:
        self._index.drop(database, class_id=class_id)

    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        self._holder.require(database)
        return self._index.get(database, branch, keys)

    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        self._holder.require(database)
        return self._index.search(database, branch, query)

    def begin_rebuild(self, database: str) -> int:
        return self._index.begin_rebuild(database)

    def finish_rebuild(self, database: str, generation: int) -> None:
        self._index.finish_rebuild(database, generation)

    def abandon_rebuild(self, database: str, generation: int) -> None:
        self._index.abandon_rebuild(database, generation)

    def scan(
        self, database: str, branch: str, *, generation: int | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SearchDocument]:
        self._require(database, generation)
        return self._index.scan(database, branch, generation=generation, after=after, limit=limit)

    def close(self) -> None:
        self._index.close()

    def _require(self, database: str, generation: int | None) -> None:
        if generation is None:
            self._holder.require(database)
