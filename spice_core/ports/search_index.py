"""The documents of the graph, searchable: a projection that can be rebuilt from the log at any time."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from spice_core.domain.search import IndexedClass, SearchDocument, SearchQuery, SearchResult, WriteResult


class SearchIndex(ABC):
    """Typed documents per database, class and branch.

    A branch holds the documents as they were on its source when it was created, plus its own writes: later writes
    on the source do not show on it. Writes are by version: the highest wins whatever the order of arrival, and a
    tombstone is a version like any other. A write is visible to readers after `refresh`. Text compares case-sensitively, and in
    codepoint order of the first 8,000 characters, by which a facet counts it too; nulls sort last both ways; ties break by key.
    Unavailable engines raise `SearchUnavailable`, never an empty answer; so does an engine that lost what it was given. An
    unknown database, class or branch reads as empty, since the index may lag behind the graph; `main` is always there. Text with
    a NUL character or half a surrogate pair raises `InvalidInput`. A `generation` that is neither the rebuild under way nor live
    raises `Conflict`. Safe for many threads and processes. After `close`, every method but `close` raises `Closed`.
    """

    @abstractmethod
    def identity(self) -> int:
        """Return a positive number of at most 60 bits that stays this store's, and is another store's never.

        1 stands for an index that lives and dies with the ledger of work. It tells when another engine was configured.
        """

    @abstractmethod
    def define(self, database: str, definition: IndexedClass, *, generation: int | None = None) -> None:
        """Declare or change a class. New fields are added to what is there, fields left out stay as they are; a field whose kind
        changed is converted, values that do not fit become null in filters (the document keeps them). Documents are found by
        their values under the definition of now. Defining the same again changes nothing.

        `generation`: a rebuild's (see `begin_rebuild`), None for the live documents.

        Raises:
            InvalidInput: a field stands twice, or there are more than 300.
        """

    @abstractmethod
    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        """Store `documents` (any number; of one key the highest version counts).

        A version not above what the branch shows of the key, inherited or own, is stale. An unknown branch starts empty. All
        documents are looked at before any is stored; where the engine itself fails or does not take one, others may be stored,
        and writing all of them again is harmless.

        Raises:
            InvalidQuery: a document's class was never defined; names it. Nothing is stored.
            InvalidInput: a key is not `Class/id` of its class, or a document cannot be stored; names it.
            SearchUnavailable: the engine failed midway.
        """

    @abstractmethod
    def refresh(self, database: str) -> None:
        """Make every write that returned before visible to every reader."""

    @abstractmethod
    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        """Start branch `name` from what `source` holds now; the cost does not depend on the data's size. Existing: nothing.

        A branch of an unknown source starts empty.
        """

    @abstractmethod
    def delete_branch(self, database: str, name: str, *, generation: int | None = None) -> None:
        """Drop branch `name` and its documents; a later branch of that name starts anew. Absent: nothing.

        Branches made from it keep what they show.

        Raises:
            InvalidInput: `name` is main, which goes with its database.
        """

    @abstractmethod
    def drop(self, database: str, *, class_id: str | None = None) -> None:
        """Drop a whole database, or one class of it, with all branches and generations. Absent: nothing."""

    @abstractmethod
    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        """Return the documents among `keys` that are there, tombstones included."""

    @abstractmethod
    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        """Find documents. Following `next_after` of the same query visits every document that stays unchanged once.

        The kinds are those of the classes, whatever the query names; a field must be in each asked class, of one kind. A text
        without a word finds nothing.

        Raises:
            InvalidQuery: a field is not of the class, an operator or value does not fit its kind, `contains` or `prefix` asks for
                more than 1,000 characters, an order is by many values or JSON, or `after` is from another query.
        """

    @abstractmethod
    def begin_rebuild(self, database: str) -> int:
        """Start a new, empty generation beside the live one and return its number. An unfinished older one is dropped."""

    @abstractmethod
    def finish_rebuild(self, database: str, generation: int) -> None:
        """Make `generation` the live one, atomically for readers, and drop the old one.

        Raises:
            Conflict: it is not the rebuild under way.
        """

    @abstractmethod
    def abandon_rebuild(self, database: str, generation: int) -> None:
        """Drop an unfinished generation; the live one is untouched. Absent: nothing."""

    @abstractmethod
    def scan(
        self, database: str, branch: str, *, generation: int | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SearchDocument]:
        """Return up to `limit` documents in key order after `after`, tombstones left out: for comparisons."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
