"""The types of property values: which JSON each takes, the one form it is kept in, and how it compares.

Simple types (as in XML Schema): string, integer, long, int, short, byte, unsignedLong/Int/Short/Byte, nonNegativeInteger and
its kin, float, double, decimal, boolean, date, dateTime, time, duration, gYear…, anyURI, base64Binary, hexBinary.
Complex types: array, object, struct, enum, money, phone, email, coordinate, geopoint, geoshape, address, image, file, vector,
marking, cipher, uuid, ip, url.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from spice_core.domain import value_numbers, value_structures, value_texts
from spice_core.domain.queries import Kind
from spice_core.domain.value_constraints import NO_CONSTRAINTS, Constraints, constrained, constraints_of
from spice_core.errors import InvalidInstance, InvalidOntology

Reader = Callable[[Any], Any]
"""Turns a given value into its one kept form, or raises `ValueError` saying what is accepted."""

ARRAY = "array"
ENUM = "enum"
LINK = "link"


def _read_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - every reader says what is wrong in one way
    return value


def _read_enum(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be one of the texts of the enumeration")  # noqa: TRY004 - as above
    return value


_TYPES: Mapping[str, tuple[Kind, Reader]] = {
    **{
        name: (Kind.NUMBER if name == "unsignedLong" else Kind.INTEGER, value_numbers.integer_reader(name))
        for name in value_numbers.INTEGER_RANGES
    },
    **{name: (Kind.TEXT, value_texts.form_reader(name)) for name in value_texts.FORMS},
    "string": (Kind.TEXT, value_texts.read_text),
    "float": (Kind.NUMBER, value_numbers.read_float),
    "double": (Kind.NUMBER, value_numbers.read_double),
    "decimal": (Kind.NUMBER, value_numbers.read_decimal),
    "money": (Kind.NUMBER, value_numbers.read_decimal),
    "boolean": (Kind.BOOLEAN, _read_boolean),
    "date": (Kind.DATE, value_texts.read_date),
    "dateTime": (Kind.TIMESTAMP, value_texts.read_date_time),
    "time": (Kind.TEXT, value_texts.read_time),
    "anyURI": (Kind.TEXT, value_texts.read_uri),
    "url": (Kind.TEXT, value_texts.read_url),
    "base64Binary": (Kind.TEXT, value_texts.read_base64),
    "email": (Kind.TEXT, value_texts.read_email),
    "phone": (Kind.TEXT, value_texts.read_phone),
    "uuid": (Kind.TEXT, value_texts.read_uuid),
    "ip": (Kind.TEXT, value_texts.read_ip),
    "marking": (Kind.TEXT, value_texts.read_text),
    "cipher": (Kind.TEXT, value_texts.read_text),
    "enum": (Kind.TEXT, _read_enum),
    "address": (Kind.TEXT, value_structures.read_text_or_object),
    "image": (Kind.TEXT, value_structures.read_text_or_object),
    "file": (Kind.TEXT, value_structures.read_text_or_object),
    "object": (Kind.JSON, value_structures.read_object),
    "struct": (Kind.JSON, value_structures.read_object),
    "coordinate": (Kind.JSON, value_structures.read_place),
    "geopoint": (Kind.JSON, value_structures.read_place),
    "geoshape": (Kind.JSON, value_structures.read_shape),
    "vector": (Kind.JSON, value_structures.read_vector),
}
_ALIASES: Mapping[str, str] = {
    "bool": "boolean",
    "datetime": "dateTime",
    "timestamp": "dateTime",
    "text": "string",
    "str": "string",
    "number": "double",
    "uri": "anyURI",
    "list": ARRAY,
}
TYPE_NAMES = frozenset(_TYPES) | {ARRAY}
SEARCHED_TYPES = frozenset({"string", "enum", "address", "email", "phone", "anyURI", "url"})

_WIDENING: Mapping[str, frozenset[str]] = {
    "byte": frozenset({"short", "int", "long", "integer", "double"}),
    "short": frozenset({"int", "long", "integer", "double"}),
    "int": frozenset({"long", "integer", "double"}),
    "long": frozenset({"integer"}),
    "integer": frozenset({"long"}),
    "unsignedByte": frozenset(
        {"short", "int", "long", "integer", "unsignedShort", "unsignedInt", "unsignedLong", "nonNegativeInteger"}
    ),
    "unsignedShort": frozenset({"int", "long", "integer", "unsignedInt", "unsignedLong", "nonNegativeInteger"}),
    "unsignedInt": frozenset({"long", "integer", "unsignedLong", "nonNegativeInteger"}),
    "nonNegativeInteger": frozenset({"long", "integer", "unsignedLong"}),
    "positiveInteger": frozenset({"long", "integer", "unsignedLong", "nonNegativeInteger"}),
    "negativeInteger": frozenset({"long", "integer", "nonPositiveInteger"}),
    "nonPositiveInteger": frozenset({"long", "integer"}),
    "float": frozenset({"double"}),
    "money": frozenset({"decimal"}),
    "decimal": frozenset({"money"}),
    "object": frozenset({"struct"}),
    "struct": frozenset({"object"}),
    "coordinate": frozenset({"geopoint", "object"}),
    "geopoint": frozenset({"coordinate", "object"}),
    "geoshape": frozenset({"object"}),
    "url": frozenset({"anyURI", "string"}),
    "image": frozenset({"file"}),
    "file": frozenset({"image"}),
    **{
        name: frozenset({"string"})
        for name in ("enum", "email", "phone", "uuid", "ip", "anyURI", "marking", "cipher", "time", "date", "dateTime")
    },
}


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """What a property takes: a type, for an `array` that of its items, and constraints (on an array: `minItems`, …)."""

    type: str
    items: "ValueSpec | None" = None
    constraints: Constraints = NO_CONSTRAINTS

    @property
    def is_array(self) -> bool:
        """Whether the value is a list of values."""
        return self.type == ARRAY

    @property
    def kind(self) -> Kind:
        """How values compare in queries; of an array, how its items do."""
        if self.is_array:
            return Kind.JSON if self.items is None or self.items.is_array else self.items.kind
        return _TYPES[self.type][0]

    @property
    def is_text(self) -> bool:
        """Whether full text search looks into it."""
        if self.is_array:
            return self.items is not None and self.items.is_text
        return self.type in SEARCHED_TYPES


def type_name(name: str) -> str | None:
    """Return the type that `name` stands for (`xsd:` and a few short forms are understood), None where it is none."""
    plain = name.removeprefix("xsd:")
    plain = _ALIASES.get(plain, plain)
    return plain if plain in TYPE_NAMES else None


def spec_of(type_text: str, *, items: Any = None, constraints: Mapping[str, Any] | None = None) -> ValueSpec:
    """Build a spec of its JSON parts; `items` is a type name or `{"type", "items"?, "constraints"?}`.

    Raises:
        InvalidOntology: an unknown type, or constraints that do not fit it.
    """
    found = type_name(type_text)
    if found is None:
        raise InvalidOntology(f"{type_text!r} is not a type; use one of {', '.join(sorted(TYPE_NAMES))}, or a class")
    if found != ARRAY and items is not None:
        raise InvalidOntology("only an array has items")
    inner = None
    if items is not None:
        inner = _items_spec(items)
    spec = ValueSpec(found, inner, constraints_of(constraints or {}, found))
    if found == ENUM and not spec.constraints.values:
        raise InvalidOntology('an enum needs its values: {"constraints": {"enum": ["a", "b"]}}')
    reader_of(spec)
    return spec


def reader_of(spec: ValueSpec) -> Reader:
    """Return the reader of `spec`, constraints included."""
    if not spec.is_array:
        return constrained(_TYPES[spec.type][1], spec.type, spec.constraints)
    return constrained(_list_reader(spec.items), ARRAY, spec.constraints)


def canonical(value: Any, spec: ValueSpec, *, field: str) -> Any:
    """Return the one kept JSON form of `value`: decimals as text, dates `YYYY-MM-DD`, times as UTC text ending in `Z`.

    Raises:
        InvalidInstance: it does not fit; names the field and says what is accepted.
    """
    try:
        return reader_of(spec)(value)
    except ValueError as error:
        raise InvalidInstance(f"{field} {error}", details={"errors": [{"field": field, "message": str(error)}]}) from error


def key_text(value: Any) -> str:
    """Return the text of a canonical value inside an instance id."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def widens(old: ValueSpec, new: ValueSpec) -> bool:
    """Whether every value kept under `old` is a kept value under `new` as it stands."""
    if old.is_array and new.is_array:
        fits = new.items is None or (old.items is not None and widens(old.items, new.items))
    else:
        fits = old.type == new.type or new.type in _WIDENING.get(old.type, frozenset())
    return fits and new.constraints.allows_all_of(old.constraints)


def spec_json(spec: ValueSpec) -> dict[str, Any]:
    """Return the JSON parts of a spec: what `spec_of` takes."""
    found: dict[str, Any] = {"type": spec.type}
    if spec.items is not None:
        found["items"] = spec_json(spec.items)
    if spec.constraints != NO_CONSTRAINTS:
        found["constraints"] = spec.constraints.as_json()
    return found


def _items_spec(items: Any) -> ValueSpec:
    if isinstance(items, str):
        return spec_of(items)
    match items:
        case {"type": str() as name, **rest} if set(rest) <= {"items", "constraints"}:
            constraints: Any = rest.get("constraints")
            return spec_of(name, items=rest.get("items"), constraints=constraints)
        case _:
            raise InvalidOntology('items must be a type, or {"type", "items"?, "constraints"?}')


def _list_reader(items: ValueSpec | None) -> Reader:
    read = value_structures.read_json if items is None else reader_of(items)

    def read_list(value: Any) -> list[Any]:
        found = []
        for number, item in enumerate(value_structures.checked_list(value)):
            try:
                found.append(read(item))
            except ValueError as error:
                raise ValueError(f"[{number}] {error}") from error
        return found

    return read_list
