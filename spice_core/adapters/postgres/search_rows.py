"""Documents as lines of COPY: every property in the form of its column, unfit values as null."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from spice_core.adapters.postgres.search_tables import ClassTables, holds_array
from spice_core.domain.matching import comparable
from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedField, SearchDocument
from spice_core.domain.search_rules import encode_data, text_fields, texts_of, typed_values
from spice_core.domain.text import MAX_PLACES, placed_words

NULL = "\\N"

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})
_LARGEST = 2**63


@dataclass(slots=True)
class RowEncoder:
    """Writes documents of one class as rows; remembers the words and the undeclared properties that it saw."""

    tables: ClassTables
    words: set[str] = field(default_factory=set)
    undeclared: set[str] = field(default_factory=set)
    _columns: list[tuple[str, Callable[[Any], str]]] = field(init=False)
    _names: frozenset[str] = field(init=False)
    _texts: list[tuple[str, bool]] = field(init=False)

    def __post_init__(self) -> None:
        definition = self.tables.definition
        self._columns = [(item.name, _encoder(item)) for item in definition.fields]
        self._names = frozenset(self.tables.columns)
        self._texts = text_fields(definition)

    def row(self, document: SearchDocument) -> str:
        """Return `document` as the COPY form of the columns `ClassTables.row_columns`.

        Raises:
            InvalidInput: it holds what cannot be stored; names it.
        """
        updated_at = document.updated_at.isoformat()
        created_at = document.created_at
        data: Mapping[str, Any] = {} if document.is_deleted else document.data
        cells = [
            escaped(document.key),
            str(document.version),
            "t" if document.is_deleted else "f",
            str(document.position),
            escaped(document.event_id),
            updated_at,
            NULL if created_at is None else updated_at if created_at is document.updated_at else created_at.isoformat(),
            escaped(encode_data(document)),
            self._vector(data) if self._texts else NULL,
        ]
        get = data.get
        cells += [NULL if (value := get(name)) is None else encode(value) for name, encode in self._columns]
        if not data.keys() <= self._names:
            self.undeclared |= data.keys() - self._names
        return "\t".join(cells)

    def _vector(self, data: Mapping[str, Any]) -> str:
        """Return the tsvector literal of the document's words; those of the title have weight A. Words need no escaping."""
        places: dict[str, list[str]] = {}
        for word, position, is_title in placed_words((text, is_title) for _, text, is_title in texts_of(self._texts, data)):
            found = places.setdefault(word, [])
            if len(found) < MAX_PLACES:
                found.append(f"{position}A" if is_title else str(position))
        self.words.update(places)
        return " ".join([f"'{word}':{','.join(found)}" for word, found in places.items()])


def escaped(text: str) -> str:
    """Return `text` as a cell of COPY."""
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def json_digest(value: Any) -> str:
    """Return a text that two JSON values share if they are equal: 1 equals 1.0, keys have no order, true is not 1."""
    return hashlib.sha256(json.dumps(_ordered(value), sort_keys=True).encode()).hexdigest()[:32]


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return {"\0number": _plain(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))}
    return value


def _plain(number: Decimal) -> str:
    digits = format(number, "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def _encoder(item: IndexedField) -> Callable[[Any], str]:
    if holds_array(item):
        return lambda value: _array(typed_values(item, value), value, item.kind)
    return {
        Kind.TEXT: _text,
        Kind.INTEGER: _integer,
        Kind.NUMBER: _number,
        Kind.BOOLEAN: _boolean,
        Kind.DATE: lambda value: _moment(value, Kind.DATE),
        Kind.TIMESTAMP: lambda value: _moment(value, Kind.TIMESTAMP),
    }[item.kind]


def _text(value: Any) -> str:
    return escaped(value) if isinstance(value, str) else NULL


def _integer(value: Any) -> str:
    if type(value) is int:
        return str(value) if -_LARGEST <= value < _LARGEST else NULL
    found = comparable(value, Kind.INTEGER)
    return NULL if found is None else str(int(found))


def _number(value: Any) -> str:
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    found = comparable(value, Kind.NUMBER)
    return NULL if found is None else str(found)


def _boolean(value: Any) -> str:
    return "t" if value is True else "f" if value is False else NULL


def _moment(value: Any, kind: Kind) -> str:
    found = comparable(value, kind)
    return NULL if found is None else str(found)


def _array(values: Iterable[Any], raw: Any, kind: Kind) -> str:
    if kind is Kind.JSON:
        items = raw if isinstance(raw, list) else [raw]
        elements = ["NULL" if item is None else json_digest(item) for item in items]
    else:
        elements = [_element(value, kind) for value in values]
    return escaped("{" + ",".join(elements) + "}") if elements else NULL


def _element(value: Any, kind: Kind) -> str:
    if value is None:
        return "NULL"
    if kind is Kind.BOOLEAN:
        return "t" if value else "f"
    if kind is Kind.INTEGER:
        return str(int(value))
    return f'"{str(value).translate(_QUOTES)}"'
