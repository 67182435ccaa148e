"""Typed conditions as Elasticsearch queries over terms, and over numbers where they are exact."""

import itertools
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from spice_core.adapters.elasticsearch.search_mapping import DIGEST, GRAMS, PIECE, exact_path, field_name, field_path
from spice_core.adapters.elasticsearch.search_values import HEAD, term_of, text_digest
from spice_core.domain.matching import Condition
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.domain.search import IndexedField
from spice_core.domain.search_rules import is_long

Query = dict[str, Any]

NOTHING: Query = {"match_none": {}}
_MOST_TERMS = 60_000
_GRAM = 3
_LEAST, _MOST = -(2**63), 2**63 - 1
_ORDER = {Operator.GT: "gt", Operator.GTE: "gte", Operator.LT: "lt", Operator.LTE: "lte"}


def any_of(queries: Sequence[Query]) -> Query:
    """Return the query that holds where one of `queries` does."""
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": list(queries), "minimum_should_match": 1}} if queries else NOTHING


def none_of(*queries: Query) -> Query:
    """Return the query that holds where none of `queries` does."""
    return {"bool": {"must_not": list(queries)}}


def all_of(*queries: Query) -> Query:
    """Return the query that holds where all of `queries` do."""
    return {"bool": {"filter": list(queries)}}


def among(path: str, terms: Sequence[Any]) -> Query:
    """Return the query that holds where the field has one of `terms`, of any number."""
    parts = [terms[start : start + _MOST_TERMS] for start in range(0, len(terms), _MOST_TERMS)]
    return any_of([{"terms": {path: list(part)}} for part in parts])


def field_condition(item: IndexedField, asked: Filter, checked: Condition) -> Query:
    """Return the query of one filter on a property as `item` declares it."""
    path = field_path(item.name, item.kind)
    is_many = item.is_array or item.kind is Kind.JSON
    exists: Query = {"exists": {"field": path}}
    is_null = any_of([none_of(exists), {"term": {"nulls": path}}]) if is_many else none_of(exists)
    if checked.operator in {Operator.IS_NULL, Operator.NOT_NULL}:
        return is_null if checked.operator is Operator.IS_NULL else exists
    if checked.operator in {Operator.CONTAINS, Operator.PREFIX}:
        return _text_match(item, checked)
    if item.kind is Kind.INTEGER and checked.operator in _ORDER:
        return integer_range(exact_path(item.name, item.kind), checked.operator, checked.operand)
    if checked.operator in _ORDER:
        term = term_of(checked.operand, item.kind)
        return NOTHING if term is None else {"range": {path: {_ORDER[checked.operator]: term}}}
    operands = _operands(item, asked, checked)
    if checked.operator in {Operator.EQ, Operator.IN}:
        return _equals(item, operands)
    return any_of([is_null, *_others(item, operands)]) if is_many else none_of(_equals(item, operands))


def _operands(item: IndexedField, asked: Filter, checked: Condition) -> list[Any]:
    """Return the values that a filter compares for equality: of JSON as they are, else comparable."""
    if checked.operator in {Operator.EQ, Operator.NE}:
        return [asked.value if item.kind is Kind.JSON else checked.operand]
    return list(asked.value) if item.kind is Kind.JSON else list(checked.operand)


def _equals(item: IndexedField, operands: Sequence[Any]) -> Query:
    short, long = _terms(item, operands)
    queries = [among(exact_path(item.name, item.kind), short)] if short else []
    if long:
        queries.append(among(f"{DIGEST}.{field_name(item.name)}", long))
    return any_of(queries)


def _others(item: IndexedField, operands: Sequence[Any]) -> list[Query]:
    """Return queries of which one holds where some element is none of `operands`: the gaps between them."""
    path = exact_path(item.name, item.kind)
    short, long = _terms(item, operands)
    heads = short if item.kind is Kind.INTEGER else [found for value in operands if (found := term_of(value, item.kind))]
    queries = _gaps(path, heads) if heads else []
    if long:
        queries += _gaps(f"{DIGEST}.{field_name(item.name)}", long)
    return queries if short or long else [{"exists": {"field": path}}]


def _gaps(path: str, terms: Sequence[Any]) -> list[Query]:
    bounds = sorted(set(terms))
    inner = [{"range": {path: {"gt": low, "lt": high}}} for low, high in itertools.pairwise(bounds)]
    return [{"range": {path: {"lt": bounds[0]}}}, *inner, {"range": {path: {"gt": bounds[-1]}}}]


def integer_range(path: str, operator: Operator, bound: Decimal) -> Query:
    """Return the query for the 64-bit integers on one side of a number, which need not be one of them."""
    is_above = operator in {Operator.GT, Operator.GTE}
    if not _LEAST <= bound <= _MOST:
        return {"exists": {"field": path}} if is_above == (bound < 0) else NOTHING
    whole = int(bound.to_integral_value(ROUND_CEILING if operator in {Operator.GTE, Operator.LT} else ROUND_FLOOR))
    return {"range": {path: {_ORDER[operator]: whole}}}


def _terms(item: IndexedField, operands: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Return the terms of the operands (integers as they are), and the digests of those that are long texts."""
    if item.kind is Kind.INTEGER:
        return [int(value) for value in operands if is_long(value)], []
    long = [value for value in operands if item.kind is Kind.TEXT and len(value) > HEAD]
    short = [value for value in operands if item.kind is not Kind.TEXT or len(value) <= HEAD]
    terms = [term for value in short if (term := term_of(value, item.kind)) is not None]
    return terms, [text_digest(value) for value in long]


def _text_match(item: IndexedField, checked: Condition) -> Query:
    """What a text contains are its threes of characters in their order: a phrase, exact as positions are. Less than three
    characters, and texts without threes, are looked for in every distinct value.
    """
    path, text = field_path(item.name, item.kind), checked.operand
    if not text:
        return {"exists": {"field": path}}
    if checked.operator is Operator.PREFIX:
        return {"prefix": {path: {"value": text}}}
    if item.is_text and len(text) >= _GRAM:
        names = (f"{path}.{GRAMS}", f"{PIECE}.{field_name(item.name)}.{GRAMS}")
        return any_of([{"match_phrase": {name: {"query": text}}} for name in names])
    pattern = "*" + "".join("\\" + char if char in "\\*?" else char for char in text) + "*"
    names = (path, f"{PIECE}.{field_name(item.name)}")
    return any_of([{"wildcard": {name: {"value": pattern}}} for name in names])
