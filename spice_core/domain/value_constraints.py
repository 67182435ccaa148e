"""Constraints on property values: bounds, lengths, patterns, allowed values, list sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from spice_core.domain import value_numbers, value_texts
from spice_core.domain.patterns import Pattern, pattern
from spice_core.errors import InvalidOntology

Reader = Callable[[Any], Any]

_NAMES: Mapping[str, str] = {
    "min": "min",
    "minimum": "min",
    "max": "max",
    "maximum": "max",
    "exclusiveMin": "exclusiveMin",
    "exclusiveMinimum": "exclusiveMin",
    "exclusiveMax": "exclusiveMax",
    "exclusiveMaximum": "exclusiveMax",
    "minLength": "minLength",
    "maxLength": "maxLength",
    "pattern": "pattern",
    "enum": "enum",
    "values": "enum",
    "minItems": "minItems",
    "maxItems": "maxItems",
    "uniqueItems": "uniqueItems",
    "dimensions": "dimensions",
}
_NUMBERS = frozenset({*value_numbers.INTEGER_RANGES, "float", "double", "decimal", "money"})
_BOUNDED = _NUMBERS | {"date", "dateTime"}
_LISTS = frozenset({"array", "vector"})
_NOT_TEXTS = _BOUNDED | _LISTS | {"boolean", "object", "struct", "coordinate", "geopoint", "geoshape"}
_BOUNDS = ("min", "max", "exclusiveMin", "exclusiveMax")
_SIZES = ("minLength", "maxLength", "minItems", "maxItems", "dimensions")


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a value must also be. Bounds are JSON numbers, or text for decimals, dates and times."""

    min: Any = None
    max: Any = None
    exclusive_min: Any = None
    exclusive_max: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: Pattern | None = None
    values: tuple[Any, ...] = ()
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    dimensions: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that `constraints_of` reads."""
        found: dict[str, Any] = {
            "min": self.min,
            "max": self.max,
            "exclusiveMin": self.exclusive_min,
            "exclusiveMax": self.exclusive_max,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": self.pattern.text if self.pattern else None,
            "enum": list(self.values) or None,
            "minItems": self.min_items,
            "maxItems": self.max_items,
            "uniqueItems": self.unique_items or None,
            "dimensions": self.dimensions,
        }
        return {name: value for name, value in found.items() if value is not None}

    def allows_all_of(self, older: "Constraints") -> bool:
        """Whether what meets `older` surely meets these."""
        return (
            _is_looser_bound(self.min, older.min, upper=False)
            and _is_looser_bound(self.exclusive_min, older.exclusive_min, upper=False)
            and _is_looser_bound(self.max, older.max, upper=True)
            and _is_looser_bound(self.exclusive_max, older.exclusive_max, upper=True)
            and _is_looser_bound(self.min_length, older.min_length, upper=False)
            and _is_looser_bound(self.max_length, older.max_length, upper=True)
            and _is_looser_bound(self.min_items, older.min_items, upper=False)
            and _is_looser_bound(self.max_items, older.max_items, upper=True)
            and (self.pattern is None or self.pattern == older.pattern)
            and (not self.values or (bool(older.values) and set(map(repr, older.values)) <= set(map(repr, self.values))))
            and (not self.unique_items or older.unique_items)
            and (self.dimensions is None or self.dimensions == older.dimensions)
        )


NO_CONSTRAINTS = Constraints()


def constraints_of(data: Mapping[str, Any], type_name: str) -> Constraints:
    """Read the constraints of a property of type `type_name`.

    Raises:
        InvalidOntology: an unknown constraint, one that the type does not have, or a value that it cannot have.
    """
    if not isinstance(data, Mapping):
        raise InvalidOntology("constraints must be a JSON object")
    found: dict[str, Any] = {}
    for name, value in data.items():
        known = _NAMES.get(name)
        if known is None:
            raise InvalidOntology(f"{name!r} is not a constraint; use {', '.join(sorted(set(_NAMES.values())))}")
        if value is not None:
            found[known] = value
    for name in found:
        _check_fits(name, type_name)
    constraints = Constraints(
        **{_python_name(name): _bound(found[name], name, type_name) for name in _BOUNDS if name in found},
        **{_python_name(name): _size(found[name], name) for name in _SIZES if name in found},
        pattern=_pattern(found["pattern"]) if "pattern" in found else None,
        values=_values(found["enum"]) if "enum" in found else (),
        unique_items=_flag(found.get("uniqueItems", False)),
    )
    _check_order(constraints)
    return constraints


def constrained(read: Reader, type_name: str, constraints: Constraints) -> Reader:
    """Return `read` with `constraints` behind it; without any it is `read` itself."""
    checks = _checks(type_name, constraints)
    if not checks:
        return read

    def read_and_check(value: Any) -> Any:
        found = read(value)
        for check in checks:
            problem = check(found)
            if problem is not None:
                raise ValueError(problem)
        return found

    return read_and_check


def _checks(type_name: str, given: Constraints) -> list[Callable[[Any], str | None]]:
    checks: list[Callable[[Any], str | None]] = []
    as_number = value_numbers.to_decimal if type_name in _NUMBERS else None
    for bound, holds, words in (
        (given.min, lambda value, limit: value >= limit, "at least"),
        (given.max, lambda value, limit: value <= limit, "at most"),
        (given.exclusive_min, lambda value, limit: value > limit, "above"),
        (given.exclusive_max, lambda value, limit: value < limit, "below"),
    ):
        if bound is not None:
            checks.append(_bound_check(bound, holds, words, as_number))
    least, most = (given.min_items, given.max_items) if type_name in _LISTS else (given.min_length, given.max_length)
    if least is not None or most is not None:
        checks.append(_length_check(least, most, "items" if type_name in _LISTS else "characters"))
    if given.pattern is not None:
        checks.append(_pattern_check(given.pattern))
    if given.values:
        checks.append(_values_check(given.values, as_number))
    if given.unique_items:
        checks.append(_unique_check)
    if given.dimensions is not None:
        checks.append(_length_check(given.dimensions, given.dimensions, "numbers"))
    return checks


def _bound_check(
    bound: Any, holds: Callable[[Any, Any], bool], words: str, as_number: Callable[[Any], Decimal] | None
) -> Callable[[Any], str | None]:
    limit = as_number(bound) if as_number else _moment(bound)

    def check(value: Any) -> str | None:
        found = as_number(value) if as_number else _moment(value)
        return None if holds(found, limit) else f"must be {words} {bound}"

    return check


def _moment(text: str) -> str:
    """Without the Z, text order is time order: a fraction is longer and greater."""
    return text.removesuffix("Z")


def _length_check(least: int | None, most: int | None, unit: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if least is not None and len(value) < least:
            return f"must have at least {least} {unit}"
        if most is not None and len(value) > most:
            return f"must have at most {most} {unit}"
        return None

    return check


def _pattern_check(given: Pattern) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be text that matches the pattern"
        if len(value) > given.max_text:
            return f"must have at most {given.max_text} characters to be matched with its pattern"
        return None if given.compiled.fullmatch(value) else f"must match the pattern {given.text}"

    return check


def _values_check(values: tuple[Any, ...], as_number: Callable[[Any], Decimal] | None) -> Callable[[Any], str | None]:
    allowed = frozenset(as_number(value) if as_number else value for value in values)
    words = ", ".join(str(value) for value in values[:20]) + (", …" if len(values) > 20 else "")

    def check(value: Any) -> str | None:
        found = as_number(value) if as_number else value
        is_allowed = isinstance(found, str | int | float | bool | Decimal) and found in allowed
        return None if is_allowed else f"must be one of {words}"

    return check


def _unique_check(value: Any) -> str | None:
    distinct = {orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in value}
    return None if len(distinct) == len(value) else "must not repeat items"


def _check_fits(name: str, type_name: str) -> None:
    fits = {
        **dict.fromkeys(_BOUNDS, type_name in _BOUNDED),
        **dict.fromkeys(("minLength", "maxLength", "pattern"), type_name not in _NOT_TEXTS),
        **dict.fromkeys(("minItems", "maxItems", "uniqueItems"), type_name in _LISTS),
        "dimensions": type_name == "vector",
        "enum": type_name in _NUMBERS or type_name not in _NOT_TEXTS or type_name in {"date", "dateTime"},
    }
    if not fits[name]:
        raise InvalidOntology(f"the constraint {name} does not go with the type {type_name}")


def _bound(value: Any, name: str, type_name: str) -> Any:
    try:
        if type_name == "date":
            return value_texts.read_date(value)
        if type_name == "dateTime":
            return value_texts.read_date_time(value)
        value_numbers.to_decimal(value)
    except ValueError as error:
        raise InvalidOntology(f"the constraint {name} {error}") from error
    return str(value) if isinstance(value, Decimal) else value


def _size(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= value_texts.MAX_TEXT:
        raise InvalidOntology(f"the constraint {name} must be a whole number, 0 or more")
    return value


def _pattern(value: Any) -> Pattern:
    if not isinstance(value, str):
        raise InvalidOntology("the constraint pattern must be a regular expression")
    return pattern(value)


def _values(value: Any) -> tuple[Any, ...]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= 1000
        or not all(isinstance(item, str | int | float) for item in value)
    ):
        raise InvalidOntology("the constraint enum must be a list of 1 to 1,000 texts or numbers")
    if len(set(map(repr, value))) < len(value):
        raise InvalidOntology("the constraint enum repeats a value")
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidOntology("the constraint uniqueItems must be true or false")
    return value


def _check_order(given: Constraints) -> None:
    for least, most, name in (
        (given.min_length, given.max_length, "minLength is above maxLength"),
        (given.min_items, given.max_items, "minItems is above maxItems"),
        (given.min, given.max, "min is above max"),
    ):
        if least is not None and most is not None and _key(least) > _key(most):
            raise InvalidOntology(f"the constraint {name}: no value can meet both")


def _key(bound: Any) -> Any:
    try:
        return value_numbers.to_decimal(bound)
    except ValueError:
        return _moment(bound)


def _is_looser_bound(newer: Any, older: Any, *, upper: bool) -> bool:
    if newer is None:
        return True
    if older is None:
        return False
    return bool(_key(newer) >= _key(older) if upper else _key(newer) <= _key(older))


def _python_name(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)
