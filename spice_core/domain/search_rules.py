"""What every search index decides in the same way: class changes, typed values, valid queries."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from spice_core.domain.matching import Condition, check_sort, comparable, condition, is_storable
from spice_core.domain.naming import MAX_INSTANCE_ID
from spice_core.domain.paging import PageMark, decode_mark
from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchQuery
from spice_core.domain.text import Clause, highlight, parse_text
from spice_core.errors import InvalidInput, InvalidQuery

MAX_TOTAL = 10_000
MAX_FIELDS = 300
"""Fields of one class: a row of so many columns still fits where rows are kept."""

MAX_KEY = 100 + 1 + MAX_INSTANCE_ID
"""Characters of a key: a class, a slash and an id."""

MAX_DEPTH = 200
"""Levels of nesting in a document's data."""

MAX_NEEDLE = 1_000
"""Characters that `contains` and `prefix` may ask for: engines look for them in pieces of long texts."""

NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER})

_TEXT_OPERATORS = frozenset({Operator.CONTAINS, Operator.PREFIX})


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A query that fits its classes: `classes` are the defined ones among the asked, in order of id, conditions are typed.

    `clauses` is None without text, and empty for a text without a word, which finds nothing.
    """

    classes: tuple[IndexedClass, ...]
    conditions: tuple[Condition, ...]
    clauses: tuple[Clause, ...] | None
    sort: Sort | None
    facets: tuple[FacetRequest, ...]
    mark: PageMark | None
    fingerprint: str


def check_query(query: SearchQuery, definitions: Mapping[str, IndexedClass]) -> CheckedQuery:
    """Check `query` against the classes it asks for; the classes' kinds hold, whatever kind the query names.

    Raises:
        InvalidQuery: a field is not of a class, an operator does not fit its kind, a value has not its kind, a number is
            negative, or `after` is from another query.
    """
    if query.limit < 0 or query.offset < 0:
        raise InvalidQuery("limit and offset cannot be negative")
    classes = tuple(definitions[class_id] for class_id in sorted(set(query.class_ids)) if class_id in definitions)
    fingerprint = _fingerprint(query)
    conditions = tuple(_condition(item, classes) for item in query.filters) if classes else ()
    sort = query.sort and replace(query.sort, kind=_kind(query.sort.field, classes)) if classes else None
    check_sort(sort)
    if sort is not None and any(_field(item, sort.field).is_array for item in classes):
        raise InvalidQuery(f"{sort.field}: a property with many values has no order")
    return CheckedQuery(
        classes=classes,
        conditions=conditions,
        clauses=None if query.text is None else parse_text(storable(query.text), is_fuzzy=query.is_fuzzy),
        sort=sort,
        facets=tuple(_facet(item, classes) for item in query.facets) if classes else tuple(query.facets),
        mark=None if query.after is None else _mark(query.after, fingerprint, sort, has_rank=_has_rank(query)),
        fingerprint=fingerprint,
    )


def has_rank(checked: CheckedQuery) -> bool:
    """Return whether hits come best first."""
    return checked.clauses is not None and checked.sort is None


def merge_definitions(known: IndexedClass | None, wanted: IndexedClass) -> IndexedClass:
    """Return `known` changed into `wanted`: fields that `wanted` leaves out stay as they are.

    Raises:
        InvalidInput: a field stands twice, a name cannot be stored, or there are more than `MAX_FIELDS` fields.
    """
    fields = {item.name: item for item in wanted.fields}
    if len(fields) != len(wanted.fields):
        raise InvalidInput(f"{wanted.class_id}: a field stands twice")
    for name in (*fields, wanted.class_id, wanted.title_field or "", wanted.label):
        storable(name)
    before = () if known is None else known.fields
    merged = tuple(fields.pop(item.name, item) for item in before) + tuple(fields.values())
    if len(merged) > MAX_FIELDS:
        raise InvalidInput(f"{wanted.class_id}: at most {MAX_FIELDS} properties of a class can be searched, not {len(merged)}")
    return replace(wanted, fields=merged)


def typed_values(field: IndexedField, value: Any) -> list[Any]:
    """Return what filters see of a property's `value`: comparable forms, None where an element does not fit; [] is null.

    A list in a property of one value does not fit; one value in a property of many is a list of it.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        found = typed_value(value, field.kind)
        return [] if found is None else [found]
    if not field.is_array and field.kind is not Kind.JSON:
        return []
    return [typed_value(item, field.kind) for item in value]


def typed_value(value: Any, kind: Kind) -> Any:
    """Return the comparable form of a document's value, None if it does not fit: an integer is whole and has 64 bits."""
    found = comparable(value, kind)
    return found if kind is not Kind.INTEGER or found is None or is_long(found) else None


def is_long(number: Decimal) -> bool:
    """Return whether `number` is whole and has 64 bits."""
    return -(2**63) <= number < 2**63 and number == number.to_integral_value()


def text_fields(definition: IndexedClass) -> list[tuple[str, bool]]:
    """Return (name, is_title) of the fields that full text sees, in their order."""
    title = definition.title_field
    return [(field.name, field.name == title) for field in definition.fields if field.is_text or field.name == title]


def texts_of(fields: Sequence[tuple[str, bool]], data: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield (field, text, is_title) of a document for each of the `text_fields`, each text of an array apart."""
    for name, is_title in fields:
        value = data.get(name)
        if isinstance(value, str):
            yield name, value, is_title
            continue
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str):
                yield name, item, is_title
            elif is_title and isinstance(item, int | float) and not isinstance(item, bool):
                yield name, str(item), is_title


def highlights(definition: IndexedClass, data: Mapping[str, Any], clauses: Sequence[Clause]) -> dict[str, str]:
    """Return by field the fragment (of the first text that has one) with the words that meet `clauses` marked."""
    found: dict[str, str] = {}
    for field, text, _ in texts_of(text_fields(definition), data):
        fragment = None if field in found else highlight(text, clauses)
        if fragment is not None:
            found[field] = fragment
    return found


def newest_of_each_key(documents: Sequence[SearchDocument]) -> list[SearchDocument]:
    """Return the highest version per key (the first of equal ones), in key order: writers that share an order cannot deadlock."""
    newest: dict[str, SearchDocument] = {}
    for document in documents:
        present = newest.get(document.key)
        if present is None or document.version > present.version:
            newest[document.key] = document
    return [newest[key] for key in sorted(newest)]


def decimal_of(text: str) -> Decimal | None:
    """Return the number that `text` states, None if it is none or beyond what engines hold."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and -16_000 < found.adjusted() < 131_000 and len(text) < 150_000 else None


def json_form(value: Any, kind: Kind) -> Any:
    """Return the JSON form of a comparable value."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return f"{value}Z" if kind is Kind.TIMESTAMP else value


def in_utc(document: SearchDocument) -> SearchDocument:
    """Return `document` with its times in UTC, and without data if it is a tombstone."""
    created_at = document.created_at and document.created_at.astimezone(UTC)
    data = {} if document.is_deleted else document.data
    return replace(document, data=data, updated_at=document.updated_at.astimezone(UTC), created_at=created_at)


def encode_data(document: SearchDocument) -> str:
    """Return a document's data as JSON text that every engine can store.

    Raises:
        InvalidInput: a text holds NUL or half a surrogate pair, a value is not JSON or nested too deep, or the key is too long or
            not of the class; names the document.
    """
    if len(document.key) > MAX_KEY:
        raise InvalidInput(f"{document.key[:80]!r}… is no key: it has {len(document.key)} characters, of at most {MAX_KEY}")
    if not document.key.startswith(f"{document.class_id}/"):
        raise InvalidInput(f"{document.key!r} is not the key of a document of {document.class_id!r}: write Class/id")
    try:
        encoded = "{}" if document.is_deleted else orjson.dumps(document.data).decode()
    except TypeError:
        encoded = _encode_slowly(document)  # integers beyond 64 bits
    if encoded.count("[") + encoded.count("{") > MAX_DEPTH and _depth(document.data) > MAX_DEPTH:
        raise InvalidInput(f"{document.key!r} is nested more than {MAX_DEPTH} levels deep")
    if "\\u0000" in encoded and _holds_nul(document.data):
        raise InvalidInput(f"{document.key!r}: a text holds a NUL character, which cannot be stored")
    storable(document.key)
    storable(document.event_id)
    return encoded


def storable(text: str) -> str:
    """Return `text` if every engine can store it.

    Raises:
        InvalidInput: it holds NUL or half a surrogate pair.
    """
    if not is_storable(text):
        raise InvalidInput(f"{text[:80]!r} holds a character that cannot be stored (NUL or half a surrogate pair)")
    return text


def json_digest(value: Any) -> str:
    """Return a text that two JSON values share if they are equal: 1 equals 1.0, keys have no order, true is not 1."""
    return hashlib.sha256(json.dumps(_in_canonical_order(value), sort_keys=True).encode()).hexdigest()[:32]


def _in_canonical_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_canonical_order(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_in_canonical_order(item) for item in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return {"\0number": _plain_digits(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))}
    return value


def _plain_digits(number: Decimal) -> str:
    digits = format(number, "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def _encode_slowly(document: SearchDocument) -> str:
    try:
        encoded = json.dumps(document.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        encoded.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{document.key!r} is not JSON in valid Unicode: {error}") from error
    return encoded


def _depth(value: Any) -> int:
    """Return how deep a JSON value is nested, without recursion: that is what a deep one breaks."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, Mapping | list | tuple)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, Mapping) else item)]
    return depth


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(_holds_nul(item) for item in value)


def _has_rank(query: SearchQuery) -> bool:
    return query.text is not None and query.sort is None


def _fingerprint(query: SearchQuery) -> str:
    question = [
        sorted(set(query.class_ids)),
        [astuple(item) for item in query.filters],
        query.sort and astuple(query.sort),
        query.text,
        query.is_fuzzy,
    ]
    return hashlib.sha256(json.dumps(question, default=str).encode()).hexdigest()[:12]


def _mark(after: str, fingerprint: str, sort: Sort | None, *, has_rank: bool) -> PageMark:
    mark = decode_mark(fingerprint, storable(after))
    is_number = has_rank or (sort is not None and sort.kind in NUMERIC)
    if (is_number and mark.value is not None and decimal_of(mark.value) is None) or (has_rank and not mark.value):
        raise InvalidQuery("`after` does not come from this query; start from the first page")
    return mark


def _field(definition: IndexedClass, name: str) -> IndexedField:
    for field in definition.fields:
        if field.name == name:
            return field
    raise InvalidQuery(f"{definition.class_id} has no property {name!r}")


def _kind(name: str, classes: Sequence[IndexedClass]) -> Kind:
    kinds = {_field(item, name).kind for item in classes}
    if len(kinds) > 1:
        raise InvalidQuery(f"{name!r} is of different kinds in the asked classes ({', '.join(sorted(kinds))})")
    return kinds.pop()


def _condition(asked: Filter, classes: Sequence[IndexedClass]) -> Condition:
    kind = _kind(asked.field, classes)
    if asked.operator in _TEXT_OPERATORS and kind is not Kind.TEXT:
        raise InvalidQuery(f"{asked.field}: {asked.operator} compares text, and this is of kind {kind}")
    checked = condition(replace(asked, kind=kind))
    if asked.operator in _TEXT_OPERATORS and len(checked.operand) > MAX_NEEDLE:
        raise InvalidQuery(f"{asked.field}: {asked.operator} takes at most {MAX_NEEDLE} characters")
    for operand in checked.operand if isinstance(checked.operand, tuple) and kind is not Kind.JSON else (checked.operand,):
        if isinstance(operand, str):
            storable(operand)
    return checked


def _facet(asked: FacetRequest, classes: Sequence[IndexedClass]) -> FacetRequest:
    kind = _kind(asked.field, classes)
    if kind is Kind.JSON:
        raise InvalidQuery(f"{asked.field}: JSON values cannot be counted")
    if asked.limit < 0:
        raise InvalidQuery("limit cannot be negative")
    return replace(asked, kind=kind)


def definition_json(definition: IndexedClass) -> dict[str, Any]:
    """Return a definition as JSON."""
    return {
        "class_id": definition.class_id,
        "title_field": definition.title_field,
        "label": definition.label,
        "fields": [[item.name, item.kind.value, item.is_array, item.is_text] for item in definition.fields],
    }


def definition_from_json(value: Mapping[str, Any]) -> IndexedClass:
    """Return the definition that `definition_json` wrote."""
    fields = tuple(IndexedField(name, Kind(kind), is_array, is_text) for name, kind, is_array, is_text in value["fields"])
    return IndexedClass(value["class_id"], fields, value["title_field"], value["label"])
