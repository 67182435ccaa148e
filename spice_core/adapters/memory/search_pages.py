"""Answering a checked query over a list of documents: filter, rank, order, page, count, highlight."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spice_core.adapters.memory.search_layers import Stored
from spice_core.domain.matching import comparable, meets
from spice_core.domain.paging import PageMark, encode_mark
from spice_core.domain.queries import Facet, FacetRequest, Kind
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchHit, SearchQuery, SearchResult
from spice_core.domain.search_rules import (
    MAX_TOTAL,
    CheckedQuery,
    has_rank,
    highlights,
    json_form,
    text_fields,
    texts_of,
    typed_value,
    typed_values,
)
from spice_core.domain.text import postings, relevance

_Place = tuple[bool, Any, str]


@dataclass(frozen=True, slots=True)
class _Found:
    """A document that meets the query. `value` is what the hits are ordered by: a rank, a property's value, or nothing."""

    document: SearchDocument
    definition: IndexedClass
    value: Any


def answer(query: SearchQuery, checked: CheckedQuery, candidates: Sequence[Stored]) -> SearchResult:
    """Return the page of `query` among `candidates` (live documents of the asked classes in key order)."""
    definitions = {item.class_id: item for item in checked.classes}
    loaded = [stored.load() for stored in candidates]
    found = [item for document in loaded for item in _matches(document, definitions[document.class_id], checked)]
    ordered = _in_order(found, checked)
    behind = ordered if checked.mark is None else _behind(ordered, checked, checked.mark)
    page = behind[query.offset : query.offset + query.limit]
    has_more = bool(page) and len(behind) > query.offset + query.limit
    return SearchResult(
        hits=[_hit(item, query, checked) for item in page],
        total=min(len(found), MAX_TOTAL),
        total_is_exact=len(found) <= MAX_TOTAL,
        next_after=encode_mark(checked.fingerprint, _mark(page[-1])) if has_more else None,
        facets=[_facet(request, found) for request in checked.facets],
    )


def _matches(document: SearchDocument, definition: IndexedClass, checked: CheckedQuery) -> list[_Found]:
    seen = _as_indexed(document, {item.name: item for item in definition.fields}, checked)
    if not all(meets(seen, item) for item in checked.conditions):
        return []
    value: Any = None
    if checked.clauses is not None:
        texts = ((text, is_title) for _, text, is_title in texts_of(text_fields(definition), document.data))
        value = relevance(checked.clauses, postings(texts)) if checked.clauses else None
        if value is None:
            return []
    if checked.sort is not None:
        value = comparable(seen.get(checked.sort.field), checked.sort.kind)
    return [_Found(document, definition, value)]


def _as_indexed(document: SearchDocument, fields: Mapping[str, IndexedField], checked: CheckedQuery) -> dict[str, Any]:
    """Return the asked properties as filters see them: a value of another form than its field's is null."""
    names = {item.field for item in checked.conditions} | ({checked.sort.field} if checked.sort else set())
    seen: dict[str, Any] = {}
    for name in names:
        value, kind = document.data.get(name), fields[name].kind
        if isinstance(value, list):
            is_wrong = not fields[name].is_array and kind is not Kind.JSON
            seen[name] = None if is_wrong else [item if typed_value(item, kind) is not None else None for item in value]
        else:
            seen[name] = value if typed_value(value, kind) is not None else None
    return seen


def _in_order(found: Sequence[_Found], checked: CheckedQuery) -> list[_Found]:
    """Order by rank or value, nulls last; ties by key, in the direction of the sort."""
    if has_rank(checked):
        return sorted(found, key=lambda item: (-item.value, item.document.key))
    if checked.sort is None:
        return sorted(found, key=lambda item: item.document.key)
    down = checked.sort.descending
    by_key = sorted(found, key=lambda item: item.document.key, reverse=down)
    with_value = sorted((item for item in by_key if item.value is not None), key=lambda item: item.value, reverse=down)
    return with_value + [item for item in by_key if item.value is None]


def _behind(ordered: Sequence[_Found], checked: CheckedQuery, mark: PageMark) -> list[_Found]:
    """Return what comes after `mark`, whose document may have gone or moved since."""
    value = mark.value
    kind = Kind.INTEGER if has_rank(checked) else checked.sort.kind if checked.sort else Kind.TEXT
    at: Any = Decimal(value) if value is not None and kind in {Kind.INTEGER, Kind.NUMBER} else _boolean(value, kind)
    down = checked.sort is not None and checked.sort.descending
    return [item for item in ordered if _is_behind(item, at, mark.key, down=down, best_first=has_rank(checked))]


def _boolean(value: str | None, kind: Kind) -> Any:
    return value == "true" if kind is Kind.BOOLEAN and value is not None else value


def _is_behind(item: _Found, at: Any, key: str, *, down: bool, best_first: bool) -> bool:
    if item.value is None or at is None:
        if (item.value is None) != (at is None):
            return item.value is None
    elif item.value != at:
        return bool(item.value < at if down or best_first else item.value > at)
    return item.document.key < key if down else item.document.key > key


def _mark(item: _Found) -> PageMark:
    value = str(item.value).lower() if isinstance(item.value, bool) else str(item.value)
    return PageMark(None if item.value is None else value, item.document.key)


def _facet(request: FacetRequest, found: Sequence[_Found]) -> Facet:
    counts: Counter[Any] = Counter()
    for item in found:
        field = next(field for field in item.definition.fields if field.name == request.field)
        counts.update({value for value in typed_values(field, item.document.data.get(field.name)) if value is not None})
    by_value = sorted(counts.items(), key=lambda pair: pair[0])
    most = sorted(by_value, key=lambda pair: -pair[1])[: request.limit]
    return Facet(request.field, [(json_form(value, request.kind), number) for value, number in most])


def _hit(item: _Found, query: SearchQuery, checked: CheckedQuery) -> SearchHit:
    if not query.with_highlights or not checked.clauses:
        return SearchHit(item.document)
    return SearchHit(item.document, highlights(item.definition, item.document.data, checked.clauses))
