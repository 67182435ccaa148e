"""The contract suite of the search index goes red on indexes that break it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest
import test_search_branches
import test_search_index
import test_search_pages
from search_samples import FLIGHT

from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.search import SearchDocument, SearchQuery, SearchResult, WriteResult
from spice_core.ports.search_index import SearchIndex


class IgnoresVersion(MemorySearchIndex):
    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        held = self.get(database, branch, [document.key for document in documents])
        higher = [
            replace(document, version=max(document.version, held[document.key].version + 1)) if document.key in held else document
            for document in documents
        ]
        return super().write(database, branch, higher, generation=generation)


class ForgetsTombstones(MemorySearchIndex):
    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        result = super().write(database, branch, documents, generation=generation)
        for document in documents:
            target = self._generation(database, generation)
            if document.is_deleted and target is not None:
                target.branches[branch].rows.pop(document.key, None)
        return result


class LosesOneOfABatch(MemorySearchIndex):
    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        kept = documents[:-1] if len(documents) > 2000 else documents
        result = super().write(database, branch, kept, generation=generation)
        return replace(result, applied=result.applied + len(documents) - len(kept))


class StoresHalfOfARefusedWrite(MemorySearchIndex):
    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        results = [super(StoresHalfOfARefusedWrite, self).write(database, branch, [d], generation=generation) for d in documents]
        return WriteResult(applied=sum(r.applied for r in results), stale=sum(r.stale for r in results))


class PagesByCount(MemorySearchIndex):
    """Remembers how many documents were seen instead of which was the last."""

    seen = 0

    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        if query.after is None:
            self.seen = 0
        found = super().search(database, branch, replace(query, after=None, offset=self.seen))
        self.seen += len(found.hits)
        return found


class LetsLaterWritesShineThrough(MemorySearchIndex):
    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        super().create_branch(database, name, source=source, generation=generation)
        target = self._generation(database, generation)
        if target is not None and target.branches[name].parent is not None:
            target.branches[name].parent = (target.branches[name].parent[0], 2**61)


class SharesItsMemory(MemorySearchIndex):
    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[str, SearchDocument] = {}

    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        self._shared.update({document.key: document for document in documents})
        return super().write(database, branch, documents, generation=generation)

    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        return {key: self._shared.get(key, found) for key, found in super().get(database, branch, keys).items()}


class SwapsTooEarly(MemorySearchIndex):
    def begin_rebuild(self, database: str) -> int:
        number = super().begin_rebuild(database)
        found = self._databases[database]
        found.live, found.building = number, found.live
        return number


BROKEN = [
    (IgnoresVersion, test_search_index.test_equal_version_is_stale_and_changes_nothing),
    (ForgetsTombstones, test_search_index.test_tombstone_of_an_unknown_document_keeps_older_versions_out),
    (LosesOneOfABatch, test_search_index.test_every_document_of_a_large_write_is_stored),
    (StoresHalfOfARefusedWrite, test_search_index.test_write_of_an_undefined_class_is_refused_whole_and_names_it),
    (PagesByCount, test_search_pages.test_pages_stay_stable_while_other_documents_are_written),
    (LetsLaterWritesShineThrough, test_search_branches.test_later_writes_on_the_source_do_not_show_on_the_branch),
    (SharesItsMemory, test_search_index.test_stored_documents_do_not_alias_the_callers_memory),
    (SwapsTooEarly, test_search_index.test_a_generation_is_empty_and_apart_until_it_is_finished),
]


@pytest.mark.parametrize(("broken", "test"), BROKEN, ids=lambda item: item.__name__)
def test_the_contract_goes_red_on_a_broken_index(broken: type[SearchIndex], test):
    index = broken()
    index.define("db", FLIGHT)
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError)):
        test(index, "db")


@pytest.mark.parametrize("test", [test for _, test in BROKEN], ids=lambda item: item.__name__)
def test_the_same_tests_are_green_on_the_index_in_memory(test):
    index = MemorySearchIndex()
    index.define("db", FLIGHT)
    test(index, "db")
