"""Documents and short calls for the contract of the search index."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from spice_core.domain.queries import Filter, Kind
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchQuery, WriteResult
from spice_core.ports.search_index import SearchIndex

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FLIGHT = IndexedClass(
    "Flight",
    (
        IndexedField("name", Kind.TEXT),
        IndexedField("carrier", Kind.TEXT),
        IndexedField("distance", Kind.INTEGER),
        IndexedField("price", Kind.NUMBER),
        IndexedField("is_late", Kind.BOOLEAN),
        IndexedField("day", Kind.DATE),
        IndexedField("left_at", Kind.TIMESTAMP),
        IndexedField("stops", Kind.TEXT, is_array=True),
        IndexedField("ratings", Kind.INTEGER, is_array=True),
        IndexedField("extra", Kind.JSON),
        IndexedField("notes", Kind.TEXT, is_text=True),
    ),
    title_field="name",
    label="Flight",
)


def doc(ident: str, version: int = 1, *, class_id: str = "Flight", **data: Any) -> SearchDocument:
    return SearchDocument(f"{class_id}/{ident}", class_id, data, version, version * 10, f"event-{ident}-{version}", AT, AT)


def gone(ident: str, version: int, *, class_id: str = "Flight") -> SearchDocument:
    return replace(doc(ident, version, class_id=class_id), is_deleted=True)


def put(
    index: SearchIndex, db: str, *documents: SearchDocument, branch: str = "main", generation: int | None = None
) -> WriteResult:
    result = index.write(db, branch, documents, generation=generation)
    index.refresh(db)
    return result


def ids(index: SearchIndex, db: str, *filters: Filter, branch: str = "main", **options: Any) -> list[str]:
    query = SearchQuery(class_ids=options.pop("class_ids", ["Flight"]), filters=filters, **options)
    return [hit.document.key.partition("/")[2] for hit in index.search(db, branch, query).hits]


def follow(index: SearchIndex, db: str, branch: str = "main", **options: Any) -> list[str]:
    """Return the ids of all pages of a query."""
    found: list[str] = []
    query = SearchQuery(class_ids=["Flight"], **options)
    while True:
        page = index.search(db, branch, query)
        found += [hit.document.key.partition("/")[2] for hit in page.hits]
        if page.next_after is None:
            return found
        query = replace(query, after=page.next_after)


def state(index: SearchIndex, db: str, branch: str) -> dict[str, Any]:
    return {document.key[7:]: document.data.get("carrier") for document in index.scan(db, branch)}
