"""One search: the page, the total and the facets in one request, as of one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spice_core.adapters.elasticsearch.search_catalogue import Generation, Layer
from spice_core.adapters.elasticsearch.search_filters import Query, all_of, among, any_of, field_condition
from spice_core.adapters.elasticsearch.search_mapping import exact_path, field_path
from spice_core.adapters.elasticsearch.search_reading import MAX_WINDOW, Hit, Rows
from spice_core.adapters.elasticsearch.search_rows import load_row
from spice_core.adapters.elasticsearch.search_text import text_queries
from spice_core.adapters.elasticsearch.search_values import facet_value, mark_text, marked_term
from spice_core.adapters.elasticsearch.search_visible import live_documents
from spice_core.domain.paging import PageMark, encode_mark
from spice_core.domain.queries import Facet, FacetRequest
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchHit, SearchQuery, SearchResult
from spice_core.domain.search_rules import MAX_TOTAL, CheckedQuery, has_rank, highlights, typed_values

_MOST_BUCKETS = 10_000
_MOST_POINTS = 1e9


@dataclass(frozen=True, slots=True)
class Search:
    """A checked query on one branch of one generation."""

    query: SearchQuery
    checked: CheckedQuery
    generation: Generation
    chain: Sequence[Layer]
    rows: Rows

    def run(self) -> SearchResult:
        """Return the page.

        Raises:
            IndexGone, InvalidQuery, SearchUnavailable: see `Rows.search`.
        """
        wanted = self.query.limit + 1 if self.query.limit else 0
        after, offset = self._skip(self._first_after())
        if offset is None:
            wanted, offset = 0, 0
        found = self.rows.search(self._body(after, size=offset + wanted, with_facets=True))
        total = found["hits"]["total"]["value"]
        hits = _distinct(found["hits"]["hits"])[offset:]
        page = [load_row(hit["_source"]) for hit in hits[: self.query.limit]]
        has_more = len(hits) > len(page) > 0
        return SearchResult(
            hits=self._hits(page),
            total=min(total, MAX_TOTAL),
            total_is_exact=total <= MAX_TOTAL,
            next_after=encode_mark(self.checked.fingerprint, self._mark(page[-1], hits[len(page) - 1])) if has_more else None,
            facets=[self._facet(n, request, found) for n, request in enumerate(self.checked.facets)],
        )

    def _skip(self, after: list[Any] | None) -> tuple[list[Any] | None, int | None]:
        """Walk over an offset that is too far for one request; None for one behind the last document."""
        offset = self.query.offset
        while offset + self.query.limit + 1 > MAX_WINDOW:
            step = min(offset, MAX_WINDOW)
            hits = self.rows.search(self._body(after, size=step, with_facets=False))["hits"]["hits"]
            if len(hits) < step or not step:
                return after, None
            after, offset = hits[-1]["sort"], offset - step
        return after, offset

    def _body(self, after: list[Any] | None, *, size: int, with_facets: bool) -> dict[str, Any]:
        needed, scores = ([], []) if self.checked.clauses is None else text_queries(self.checked.clauses)
        asked = zip(self.query.filters, self.checked.conditions, strict=True)
        numbers = [str(self.generation.classes[item.class_id].number) for item in self.checked.classes]
        conditions = [self._condition(item, checked) for item, checked in asked]
        filters = [live_documents(self.chain), among("class", numbers), *conditions, *needed]
        body: dict[str, Any] = {
            "query": {"bool": {"filter": filters, "should": scores if has_rank(self.checked) else []}},
            "size": min(size, MAX_WINDOW),
            "_source": ["stored"] if with_facets else False,
            "sort": self._sort(),
            "track_total_hits": MAX_TOTAL + 1 if with_facets else False,
        }
        if with_facets:
            body["aggs"] = {f"f{n}": _terms(request) for n, request in enumerate(self.checked.facets) if request.limit}
        if after is not None:
            body["search_after"] = after
        return body

    def _condition(self, asked: Any, checked: Any) -> Query:
        """A property is an array or full text in some of the classes and not in others: each class is asked in its own way."""
        items = [(entry, _field(entry, checked.field)) for entry in self.checked.classes]
        if len({(item.is_array, item.is_text) for _, item in items}) == 1:
            return field_condition(items[0][1], asked, checked)
        numbers = [(str(self.generation.classes[entry.class_id].number), item) for entry, item in items]
        return any_of([all_of({"term": {"class": number}}, field_condition(item, asked, checked)) for number, item in numbers])

    def _sort(self) -> list[dict[str, Any]]:
        sort = self.checked.sort
        if has_rank(self.checked):
            return [{"_score": "desc"}, {"key": "asc"}]
        if sort is None:
            return [{"key": "asc"}]
        order = "desc" if sort.descending else "asc"
        path = field_path(sort.field, sort.kind)
        return [{path: {"order": order, "missing": "_last", "unmapped_type": "keyword"}}, {"key": order}]

    def _first_after(self) -> list[Any] | None:
        mark = self.checked.mark
        if mark is None:
            return None
        if has_rank(self.checked):
            return [float(min(Decimal(mark.value or 0), Decimal(_MOST_POINTS))), mark.key]
        if self.checked.sort is None:
            return [mark.key]
        return [marked_term(mark.value, self.checked.sort.kind), mark.key]

    def _mark(self, last: SearchDocument, hit: Hit) -> PageMark:
        if has_rank(self.checked):
            return PageMark(str(int(hit["sort"][0])), last.key)
        sort = self.checked.sort
        if sort is None:
            return PageMark(None, last.key)
        definition = self.generation.definitions[last.class_id]
        value = last.data.get(sort.field)
        is_null = not any(found is not None for found in typed_values(_field(definition, sort.field), value))
        return PageMark(None if is_null else mark_text(value, sort.kind), last.key)

    def _hits(self, page: Sequence[SearchDocument]) -> list[SearchHit]:
        if not self.query.with_highlights or not self.checked.clauses:
            return [SearchHit(document) for document in page]
        definitions = self.generation.definitions
        clauses = self.checked.clauses
        return [SearchHit(item, highlights(definitions[item.class_id], item.data, clauses)) for item in page]

    def _facet(self, number: int, request: FacetRequest, found: Mapping[str, Any]) -> Facet:
        buckets = found.get("aggregations", {}).get(f"f{number}", {}).get("buckets", ())
        return Facet(request.field, [(facet_value(item["key"], request.kind), item["doc_count"]) for item in buckets])


def _terms(request: FacetRequest) -> dict[str, Any]:
    order = [{"_count": "desc"}, {"_key": "asc"}]
    path = exact_path(request.field, request.kind)
    return {"terms": {"field": path, "size": min(request.limit, _MOST_BUCKETS), "order": order}}


def _field(definition: IndexedClass, name: str) -> IndexedField:
    return next(item for item in definition.fields if item.name == name)


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits without the second of two states of a key, which a write that is under way may show."""
    found: list[Hit] = []
    for hit in hits:
        if not found or found[-1]["_source"]["stored"]["key"] != hit["_source"]["stored"]["key"]:
            found.append(hit)
    return found
