"""Turning what a client asks of properties into typed conditions."""

from collections.abc import Mapping
from typing import Any

from spice_core.domain.matching import condition
from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.domain.resolution import ResolvedClass
from spice_core.domain.value_numbers import InexactNumber
from spice_core.domain.values import ValueSpec
from spice_core.errors import InvalidQuery

_DOUBLES = frozenset({"float", "double"})


def typed_filters(resolved: ResolvedClass, asked: Mapping[str, Any]) -> tuple[Filter, ...]:
    """Return the conditions of `asked`: `{"name": "Alice"}`, `{"price": {"gte": 10, "lt": 20}}`, `{"size": ["S", "M"]}`.

    Values are compared by the property's type: numbers as numbers, dates as dates. A relationship is filtered by the target's
    key (`"Customer/c1"`).

    Raises:
        InvalidQuery: a field is not of the class, an operator does not fit its type, or a value is not of the type.
    """
    filters = [item for name, value in asked.items() for item in _conditions(resolved, name, value)]
    for item in filters:
        condition(item)
    return tuple(filters)


def typed_sort(resolved: ResolvedClass, field: str, *, descending: bool) -> Sort:
    """Return the order by `field`. Raises `InvalidQuery` as `typed_filters`."""
    spec = _spec(resolved, field)
    kind = _kind(spec)
    if kind is Kind.JSON or (spec is not None and spec.is_array):
        raise InvalidQuery(f"{resolved.id}.{field} has no order; sort by a property with a single value")
    return Sort(field, kind, descending)


def field_kind(resolved: ResolvedClass, field: str) -> Kind:
    """Return how the values of `field` compare. Raises `InvalidQuery` as `typed_filters`."""
    return _kind(_spec(resolved, field))


def _conditions(resolved: ResolvedClass, name: str, value: Any) -> list[Filter]:
    spec = _spec(resolved, name)
    kind, value = _kind(spec), _exact(name, spec, value)
    if isinstance(value, Mapping) and kind is not Kind.JSON:
        return [_condition(resolved, name, operator, operand, kind) for operator, operand in value.items()]
    if value is None:
        return [Filter(name, Operator.IS_NULL, None, kind)]
    if isinstance(value, list) and kind is not Kind.JSON:
        return [Filter(name, Operator.IN, [_operand(item, kind) for item in value], kind)]
    return [Filter(name, Operator.EQ, _operand(value, kind), kind)]


def _condition(resolved: ResolvedClass, name: str, operator: str, operand: Any, kind: Kind) -> Filter:
    try:
        known = Operator(operator)
    except ValueError as error:
        names = ", ".join(item.value for item in Operator)
        raise InvalidQuery(f"{resolved.id}.{name}: there is no operator {operator[:40]!r}; use {names}") from error
    if isinstance(operand, list):
        return Filter(name, known, [_operand(item, kind) for item in operand], kind)
    return Filter(name, known, operand if operand is None else _operand(operand, kind), kind)


def _exact(name: str, spec: ValueSpec | None, value: Any) -> Any:
    """Return `value` in numbers that keep their digits: doubles compare with the nearest one, others refuse it."""
    if isinstance(value, Mapping):
        return {key: _exact(name, spec, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(name, spec, item) for item in value]
    if not isinstance(value, InexactNumber):
        return value
    read = spec.items if spec is not None and spec.items is not None else spec
    if read is None or read.type not in _DOUBLES:
        raise InvalidQuery(f"{name}: the number has more digits than a JSON number keeps; send it as text")
    return float(value)


def _operand(value: Any, kind: Kind) -> Any:
    """Numbers may also come as text (`"12.50"`), as documents keep decimals; a date may stand for its midnight."""
    if kind is Kind.TIMESTAMP and isinstance(value, str) and len(value) == len("2013-01-01"):
        return f"{value}T00:00:00Z"
    return value


def _spec(resolved: ResolvedClass, name: str) -> ValueSpec | None:
    found = resolved.properties.get(name)
    if found is None and name not in resolved.relationships:
        known = ", ".join([*resolved.properties, *resolved.relationships][:30])
        raise InvalidQuery(f"class {resolved.id} has no field {name[:100]!r}; it has {known}")
    return found.spec if found else None


def _kind(spec: ValueSpec | None) -> Kind:
    return Kind.TEXT if spec is None else spec.kind
