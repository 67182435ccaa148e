"""Documents as lines of COPY: every property in the form of its column, unfit values as null."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import orjson
from psycopg import sql

from spice_core.adapters.postgres.search_tables import FIXED, ClassTables, holds_array
from spice_core.domain.matching import comparable
from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedField, SearchDocument
from spice_core.domain.search_rules import (
    MAX_DEPTH,
    MAX_KEY,
    encode_data,
    json_digest,
    text_fields,
    texts_of,
    typed_value,
    typed_values,
)
from spice_core.domain.text import MAX_PLACES, placed_words

NULL = "\\N"
QUICK_FORMAT = sql.SQL("FORMAT csv, NULL 'null'")
"""How COPY reads `RowEncoder.quick_row`."""

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})
_LARGEST = 2**63
_PLAIN: Mapping[Kind, tuple[type, ...]] = {
    Kind.INTEGER: (int, type(None)),
    Kind.NUMBER: (int, float, type(None)),
    Kind.TEXT: (str, type(None)),
    Kind.BOOLEAN: (bool, type(None)),
}

_Encode = Callable[[Any], str | None]


@dataclass(slots=True)
class RowEncoder:
    """Writes documents of one class as rows; remembers the words and the undeclared properties that it saw.

    `row` writes any document. `quick_row` is for the ordinary ones, whose values have the types of their fields and need no
    escapes: one call of the JSON encoder writes them all at once, as CSV.
    """

    tables: ClassTables
    words: set[str] = field(default_factory=set)
    undeclared: set[str] = field(default_factory=set)
    quick_order: list[int] = field(init=False)
    _columns: list[tuple[str, _Encode]] = field(init=False)
    _plain: list[str] = field(init=False)
    _other: list[tuple[str, _Encode]] = field(init=False)
    _plain_types: list[tuple[type, ...]] = field(init=False)
    _known_types: dict[tuple[type, ...], bool] = field(default_factory=dict)
    _names: frozenset[str] = field(init=False)
    _texts: list[tuple[str, bool]] = field(init=False)
    _prefix: str = field(init=False)

    def __post_init__(self) -> None:
        definition = self.tables.definition
        self._columns = [(item.name, _encoder(item)) for item in definition.fields]
        plain = [item.kind in _PLAIN and not item.is_array for item in definition.fields]
        first = len(FIXED)
        self.quick_order = [*range(first), *(first + n for n, is_plain in enumerate(plain) if is_plain)]
        self.quick_order += [first + n for n, is_plain in enumerate(plain) if not is_plain]
        self._plain = [item.name for item, is_plain in zip(definition.fields, plain, strict=True) if is_plain]
        self._plain_types = [_PLAIN[item.kind] for item, is_plain in zip(definition.fields, plain, strict=True) if is_plain]
        self._other = [column for column, is_plain in zip(self._columns, plain, strict=True) if not is_plain]
        self._names = frozenset(self.tables.columns)
        self._texts = text_fields(definition)
        self._prefix = f"{definition.class_id}/"

    def row(self, document: SearchDocument) -> str:
        """Return `document` as the text form of COPY: the columns `ClassTables.row_columns`, without the end of the line.

        Raises:
            InvalidInput: it holds what cannot be stored; names it.
        """
        data: Mapping[str, Any] = {} if document.is_deleted else document.data
        cells: list[str | None] = [
            document.key,
            str(document.version),
            "t" if document.is_deleted else "f",
            str(document.position),
            document.event_id,
            document.updated_at.isoformat(),
            None if document.created_at is None else document.created_at.isoformat(),
            encode_data(document),
            self._vector(data),
        ]
        cells += [None if (value := data.get(name)) is None else encode(value) for name, encode in self._columns]
        self._note(data)
        return "\t".join([NULL if cell is None else _escaped(cell) for cell in cells])

    def quick_row(self, document: SearchDocument) -> str | None:
        """Return `document` as CSV (`QUICK_FORMAT`) with the columns in `quick_order`, None if only `row` can write it."""
        data: Mapping[str, Any] = {} if document.is_deleted else document.data
        values: list[Any] = list(map(data.get, self._plain))
        is_key = document.key.startswith(self._prefix) and len(document.key) <= MAX_KEY
        if not is_key or not self._is_typed(tuple(map(type, values))):
            return None
        head = [
            document.key,
            document.version,
            document.is_deleted,
            document.position,
            document.event_id,
            document.updated_at,
            document.created_at,
        ]
        try:
            before = orjson.dumps(head).decode()[1:-1]
            after = orjson.dumps([self._vector(data), *values], option=orjson.OPT_STRICT_INTEGER).decode()[1:-1]
            encoded = orjson.dumps(data).decode()
        except TypeError:
            return None
        others = [_quoted(None if (value := data.get(name)) is None else encode(value)) for name, encode in self._other]
        line = ",".join([after, *others])
        is_deep = encoded.count("[") + encoded.count("{") > MAX_DEPTH
        if is_deep or "\\" in before or "\\" in line or "\\u0000" in encoded:
            return None
        self._note(data)
        encoded = encoded.replace('"', '""')
        return f'{before},"{encoded}",{line}'

    def _is_typed(self, types: tuple[type, ...]) -> bool:
        known = self._known_types.get(types)
        if known is None:
            known = all(found in wanted for found, wanted in zip(types, self._plain_types, strict=True))
            self._known_types[types] = known
        return known

    def _note(self, data: Mapping[str, Any]) -> None:
        if not data.keys() <= self._names:
            self.undeclared |= data.keys() - self._names

    def _vector(self, data: Mapping[str, Any]) -> str | None:
        """Return the tsvector literal of the document's words; those of the title have weight A. Words need no escaping."""
        if not self._texts:
            return None
        places: dict[str, list[str]] = {}
        for word, position, is_title in placed_words((text, is_title) for _, text, is_title in texts_of(self._texts, data)):
            found = places.setdefault(word, [])
            if len(found) < MAX_PLACES:
                found.append(f"{position}A" if is_title else str(position))
        self.words.update(places)
        return " ".join([f"'{word}':{','.join(found)}" for word, found in places.items()])


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def _quoted(text: str | None) -> str:
    return "null" if text is None else '"' + text.replace('"', '""') + '"'


def _encoder(item: IndexedField) -> _Encode:
    """Return what turns a value that is not None into the text of the field's column, or None if it does not fit."""
    if holds_array(item):
        return lambda value: _array(item, value)
    return {
        Kind.TEXT: _text,
        Kind.INTEGER: _integer,
        Kind.NUMBER: _number,
        Kind.BOOLEAN: _boolean,
        Kind.DATE: lambda value: comparable(value, Kind.DATE),
        Kind.TIMESTAMP: lambda value: comparable(value, Kind.TIMESTAMP),
    }[item.kind]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> str | None:
    if type(value) is int:
        return str(value) if -_LARGEST <= value < _LARGEST else None
    found = typed_value(value, Kind.INTEGER)
    return None if found is None else str(int(found))


def _number(value: Any) -> str | None:
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    found = comparable(value, Kind.NUMBER)
    return None if found is None else str(found)


def _boolean(value: Any) -> str | None:
    return "t" if value is True else "f" if value is False else None


def _array(item: IndexedField, value: Any) -> str | None:
    if item.kind is Kind.JSON:
        items = value if isinstance(value, list) else [value]
        elements = ["NULL" if element is None else json_digest(element) for element in items]
    else:
        elements = [_element(element, item.kind) for element in typed_values(item, value)]
    return "{" + ",".join(elements) + "}" if elements else None


def _element(value: Any, kind: Kind) -> str:
    if value is None:
        return "NULL"
    if kind is Kind.BOOLEAN:
        return "t" if value else "f"
    if kind is Kind.INTEGER:
        return str(int(value))
    return f'"{str(value).translate(_QUOTES)}"'
