"""Typed filters, sort orders and pages: one vocabulary for graph and search."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Operator(StrEnum):
    """What a filter may ask. Text operators (`contains`, `prefix`) compare text, the others compare by `kind`."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    PREFIX = "prefix"
    IS_NULL = "is_null"
    NOT_NULL = "not_null"


class Kind(StrEnum):
    """How values compare. Documents hold them as `domain.values` writes them.

    text: codepoint order; integer: 64-bit; number: decimal or double; boolean: false < true; date: `YYYY-MM-DD`;
    timestamp: `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; json: equality only.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a property; all conditions of a query hold together.

    `value` has the JSON form of `kind` (a sequence of them for `in` and `not_in`, None for the null tests). On an array
    property a condition holds if it holds for some element. A missing property is null; null meets only `is_null`,
    `ne` and `not_in`.
    """

    field: str
    operator: Operator
    value: Any = None
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by one property, nulls last both ways, ties by id in the same direction."""

    field: str
    kind: Kind = Kind.TEXT
    descending: bool = False


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """Count the documents per value of `field`, the `limit` most frequent first, ties by value."""

    field: str
    kind: Kind = Kind.TEXT
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Facet:
    """The answer to a `FacetRequest`: (value, count) pairs."""

    field: str
    buckets: Sequence[tuple[Any, int]]
