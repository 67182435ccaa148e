"""Documents as Elasticsearch keeps them: what queries look at, and beside it the document itself, which nothing looks into."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from spice_core.adapters.elasticsearch.search_mapping import DIGEST, NATIVE, PIECE, field_name, field_path
from spice_core.adapters.elasticsearch.search_values import HEAD, native_number, pieces, term_of, text_digest
from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument
from spice_core.domain.search_rules import encode_data, in_utc, text_fields, texts_of, typed_values
from spice_core.domain.text import MAX_PLACES, placed_words

NOW = 2**62
"""The `until` of a state that holds."""

MANY = "*"
"""Stands for the undeclared properties of a document that has very many."""

_LONGEST_NAME = 256
_MOST_UNDECLARED = 1_000
_LONGEST_ID = 400
_FILLER = "_"
"""In place of a word that is not searchable any more: no query has it, since words hold letters and digits only."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a state stands: its layer, the epochs for which it holds, and which layers hide it from when on."""

    layer: int
    since: int
    until: int = NOW
    hidden: tuple[int, ...] = ()


def hiding(layer: int, since: int) -> int:
    """Return the mark of a document that `layer` has had a state of its own of since its epoch `since`."""
    return (layer << 32) | since


def row_id(class_number: int, key: str, place: Place) -> str:
    """Return the id of a state: keys may be longer than ids."""
    name = key.partition("/")[2]
    if len(name) * 4 > _LONGEST_ID and len(name.encode()) > _LONGEST_ID:
        name = "~" + hashlib.sha256(name.encode()).hexdigest()
    return f"{place.layer}.{class_number}.{name}" + ("" if place.until == NOW else f"@{place.until}")


@dataclass(slots=True)
class RowEncoder:
    """Writes documents of one class."""

    number: int
    definition: IndexedClass
    _fields: list[tuple[str, str, str, IndexedField]] = field(init=False)
    _names: frozenset[str] = field(init=False)
    _texts: list[tuple[str, bool]] = field(init=False)

    def __post_init__(self) -> None:
        fields = self.definition.fields
        self._fields = [(item.name, field_name(item.name), field_path(item.name, item.kind), item) for item in fields]
        self._names = frozenset(item.name for item in fields)
        self._texts = text_fields(self.definition)

    def row(self, document: SearchDocument, place: Place) -> bytes:
        """Return `document` at `place` as JSON.

        Raises:
            InvalidInput: it holds what cannot be stored; names it.
        """
        found = in_utc(document)
        body = encode_data(found)
        source: dict[str, Any] = {
            "key": found.key,
            "class": str(self.number),
            "layer": str(place.layer),
            "since": place.since,
            "until": place.until,
            "is_deleted": found.is_deleted,
            "stored": {
                "key": found.key,
                "version": found.version,
                "position": found.position,
                "event_id": found.event_id,
                "updated_at": found.updated_at.isoformat(),
                "created_at": None if found.created_at is None else found.created_at.isoformat(),
                "is_deleted": found.is_deleted,
                "data": body,
            },
        }
        if place.hidden:
            source["hidden"] = place.hidden
        if not found.is_deleted:
            if place.until == NOW:
                source["now"] = str(place.layer)
            self._add_fields(source, found.data)
            self._add_words(source, found.data)
        return orjson.dumps(source)

    def _add_fields(self, source: dict[str, Any], data: Mapping[str, Any]) -> None:
        nulls: list[str] = []
        for name, short, path, item in self._fields:
            value = data.get(name)
            if value is None:
                continue
            if type(value) is str and item.kind is Kind.TEXT and len(value) <= HEAD:
                source.setdefault("text", {})[short] = value
                continue
            values = _json_values(value) if item.kind is Kind.JSON else typed_values(item, value)
            terms = [None if found is None else term_of(found, item.kind) for found in values]
            kept = list(dict.fromkeys(term for term in terms if term is not None))
            if kept:
                source.setdefault(item.kind.value, {})[short] = kept
                if item.kind in NATIVE:
                    _add_native(source, short, item.kind, values)
            if (item.is_array or item.kind is Kind.JSON) and None in terms:
                nulls.append(path)
            if item.kind is Kind.TEXT:
                _add_long(source, short, [found for found in values if found is not None and len(found) > HEAD])
        if nulls:
            source["nulls"] = nulls
        if not data.keys() <= self._names:
            names = [name[:_LONGEST_NAME] for name in data.keys() - self._names]
            source["undeclared"] = names if len(names) <= _MOST_UNDECLARED else [MANY]

    def _add_words(self, source: dict[str, Any], data: Mapping[str, Any]) -> None:
        if not self._texts:
            return
        texts: list[list[str]] = []
        titles: list[list[str]] = []
        places: dict[str, int] = {}
        last = 0
        for word, position, is_title in placed_words((text, is_title) for _, text, is_title in texts_of(self._texts, data)):
            if position != last + 1:
                texts.append([])
                if is_title:
                    titles.append([])
            last = position
            places[word] = count = places.get(word, 0) + 1
            kept = word if count <= MAX_PLACES else _FILLER
            texts[-1].append(kept)
            if is_title:
                titles[-1].append(kept)
        if texts:
            source["words"] = [" ".join(text) for text in texts]
        if titles:
            source["title"] = [" ".join(text) for text in titles]


def load_row(source: Mapping[str, Any]) -> SearchDocument:
    """Return the document of a row."""
    stored = source["stored"]
    key: str = stored["key"]
    return SearchDocument(
        key=key,
        class_id=key.partition("/")[0],
        data=json.loads(stored["data"]),
        version=stored["version"],
        position=stored["position"],
        event_id=stored["event_id"],
        updated_at=_moment(stored["updated_at"]),
        created_at=None if stored["created_at"] is None else _moment(stored["created_at"]),
        is_deleted=stored["is_deleted"],
    )


def load_place(source: Mapping[str, Any]) -> Place:
    """Return where the state of a row stands."""
    return Place(int(source["layer"]), source["since"], source["until"], tuple(source.get("hidden", ())))


def undeclared_terms(names: Iterable[str]) -> list[str]:
    """Return the terms by which documents with undeclared properties of these names are found."""
    return [MANY, *(name[:_LONGEST_NAME] for name in names)]


def _json_values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _add_native(source: dict[str, Any], short: str, kind: Kind, values: Sequence[Any]) -> None:
    numbers = [number for found in values if found is not None and (number := native_number(found, kind)) is not None]
    if numbers:
        source.setdefault(NATIVE[kind], {})[short] = numbers


def _add_long(source: dict[str, Any], short: str, texts: Sequence[str]) -> None:
    if texts:
        source.setdefault(DIGEST, {})[short] = [text_digest(text) for text in texts]
        source.setdefault(PIECE, {})[short] = [piece for text in texts for piece in pieces(text)]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
