"""How JSON values compare under filters and sorts: the one reading that every store follows.

A value that does not have the form of the asked kind counts as null. Text is a JSON string only; integer and number read
numbers and strings that are one. An empty array is null.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.errors import InvalidQuery

NUMBER_PATTERN = r"[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?"
LONGEST_NUMBER = 250
DATE_PATTERN = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
TIMESTAMP_PATTERN = DATE_PATTERN + r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z"

_NUMBER = re.compile(NUMBER_PATTERN)
_DATE = re.compile(DATE_PATTERN)
_TIMESTAMP = re.compile(TIMESTAMP_PATTERN)

_ORDERED = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})
_TEXT = frozenset({Operator.CONTAINS, Operator.PREFIX})
_NULL = frozenset({Operator.IS_NULL, Operator.NOT_NULL})
_LISTS = frozenset({Operator.IN, Operator.NOT_IN})
_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda left, right: left == right,
    Operator.GT: lambda left, right: left > right,
    Operator.GTE: lambda left, right: left >= right,
    Operator.LT: lambda left, right: left < right,
    Operator.LTE: lambda left, right: left <= right,
    Operator.CONTAINS: lambda left, right: right in left,
    Operator.PREFIX: lambda left, right: left.startswith(right),
    Operator.IN: lambda left, right: left in right,
}
_NEGATED: Mapping[Operator, Operator] = {Operator.NE: Operator.EQ, Operator.NOT_IN: Operator.IN}


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked filter: `operand` has the form in which values of `kind` compare (a tuple of them for `in`, `not_in`)."""

    field: str
    operator: Operator
    kind: Kind
    operand: Any


def comparable(value: Any, kind: Kind) -> Any:
    """Return `value` (JSON) in the form in which `kind` compares, None where it has not that kind."""
    return _READERS[kind](value)


def canonical(value: Any) -> Any:
    """Return a hashable form of a JSON value; two are equal if the JSON values are (1 equals 1.0, never true)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float | Decimal):
        return ("number", _decimal(value))
    if isinstance(value, Mapping):
        return ("object", frozenset((key, canonical(item)) for key, item in value.items()))
    return ("array", tuple(canonical(item) for item in value))


def condition(asked: Filter) -> Condition:
    """Check a filter and return it as a condition.

    Raises:
        InvalidQuery: the operator does not fit the kind, or the value is not of the kind.
    """
    _check_words([asked.field])
    if asked.operator in _NULL:
        return Condition(asked.field, asked.operator, asked.kind, None)
    if asked.operator in _ORDERED and asked.kind is Kind.JSON:
        raise InvalidQuery(f"{asked.field}: JSON values have no order; use eq, ne, in or not_in")
    kind = Kind.TEXT if asked.operator in _TEXT else asked.kind
    if asked.operator not in _LISTS:
        return Condition(asked.field, asked.operator, kind, _operand(asked, asked.value, kind))
    if isinstance(asked.value, str | Mapping) or not isinstance(asked.value, Sequence | frozenset | set):
        raise InvalidQuery(f"{asked.field}: {asked.operator} takes a list of values")
    return Condition(asked.field, asked.operator, kind, tuple(_operand(asked, value, kind) for value in asked.value))


def meets(document: Mapping[str, Any], asked: Condition) -> bool:
    """Return whether `document` meets the condition."""
    found = document.get(asked.field)
    values = found or [None] if isinstance(found, list) else [found]
    return any(_holds(comparable(value, asked.kind), asked) for value in values)


def sort_value(document: Mapping[str, Any], sort: Sort) -> Any:
    """Return what `document` is ordered by, None for null; an array has no single value and sorts as null."""
    return comparable(document.get(sort.field), sort.kind)


def mark_text(value: Any) -> str | None:
    """Return a sort value as a page token keeps it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def marked_value(text: str, kind: Kind) -> Any:
    """Return the sort value whose `mark_text` is `text`.

    Raises:
        InvalidQuery: there is no such value.
    """
    if kind in {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP}:
        return text
    found = {"true": True, "false": False}.get(text) if kind is Kind.BOOLEAN else _number(text)
    if found is None:
        raise InvalidQuery("`after` does not come from this query; start from the first page")
    return found


def check_sort(sort: Sort | None) -> None:
    """Raise `InvalidQuery` for an order that does not exist."""
    _check_words([] if sort is None else [sort.field])
    if sort is not None and sort.kind is Kind.JSON:
        raise InvalidQuery(f"{sort.field}: JSON values have no order")


def is_storable(text: str) -> bool:
    """Return whether a store can hold `text`: no NUL character, no lone surrogate."""
    return "\x00" not in text and (text.isascii() or text == text.encode(errors="ignore").decode())


def _check_words(words: Sequence[str]) -> None:
    if not all(map(is_storable, words)):
        raise InvalidQuery("a query holds no NUL characters and only valid Unicode")


def _operand(asked: Filter, value: Any, kind: Kind) -> Any:
    _check_words(_words_of(value))
    found = comparable(value, kind)
    if found is None:
        raise InvalidQuery(f"{asked.field}: {value!r} is not a value of kind {kind} (for null use is_null)")
    return found


def _words_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [word for pair in value.items() for part in pair for word in _words_of(part)]
    return [word for item in value for word in _words_of(item)] if isinstance(value, list | tuple) else []


def _holds(value: Any, asked: Condition) -> bool:
    if asked.operator is Operator.IS_NULL:
        return value is None
    if asked.operator is Operator.NOT_NULL:
        return value is not None
    negated = _NEGATED.get(asked.operator)
    if negated is not None:
        return value is None or not _COMPARE[negated](value, asked.operand)
    return value is not None and _COMPARE[asked.operator](value, asked.operand)


def _decimal(value: float | Decimal) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if len(value) <= LONGEST_NUMBER and _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    found = _decimal(value)
    return found if found.is_finite() else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any) -> str | None:
    return value if isinstance(value, str) and _DATE.fullmatch(value) else None


def _timestamp(value: Any) -> str | None:
    """Without the Z and trailing zeros of the fraction, text order is time order."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    return value[:-1].rstrip("0").rstrip(".") if "." in value else value[:-1]


_READERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _number,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
    Kind.JSON: canonical,
}
