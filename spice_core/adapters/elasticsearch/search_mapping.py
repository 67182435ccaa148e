"""Mappings generated from classes: one field per property name and kind, so that no redefinition can ever contradict one."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedField

MAPPING = 2
"""The form of the indexes of generations; one of another form is not read or written, and a rebuild replaces it."""

CATALOGUE = 1
"""The form of the catalogue; one of another form is refused."""

MAX_FIELDS = 20_000
"""Fields of one index: those of all classes of a database together."""

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_WORDS = {"type": "text", "analyzer": "whitespace", "norms": False, "position_increment_gap": 100}
_TRIGRAMS = {"type": "text", "analyzer": "trigrams", "norms": False, "position_increment_gap": 100}
_ANALYSIS: Mapping[str, Any] = {
    "tokenizer": {"trigrams": {"type": "ngram", "min_gram": 3, "max_gram": 3}},
    "analyzer": {"trigrams": {"type": "custom", "tokenizer": "trigrams"}},
}
_READABLE: Mapping[Kind, Mapping[str, Any]] = {
    Kind.BOOLEAN: {"b": {"type": "boolean", "ignore_malformed": True}},
    Kind.DATE: {"d": {"type": "date", "format": "strict_date", "ignore_malformed": True}},
    Kind.TIMESTAMP: {"d": {"type": "date", "format": "strict_date_optional_time_nanos", "ignore_malformed": True}},
}
"""Beside the terms of a kind: the same values in the type that dashboards know. Nothing of ours asks them: a `date` makes
31 February the 28th and cuts microseconds."""
_FIXED: Mapping[str, Any] = {
    "key": _KEYWORD,
    "class": _KEYWORD,
    "layer": _KEYWORD,
    "now": _KEYWORD,
    "since": _LONG,
    "until": _LONG,
    "hidden": _LONG,
    "is_deleted": {"type": "boolean"},
    "words": _WORDS,
    "title": _WORDS,
    "nulls": _KEYWORD,
    "undeclared": _KEYWORD,
    "stored": {"type": "object", "enabled": False},
}
DIGEST, PIECE = "long_text", "piece"
"""Beside the terms of a text: digests and pieces of long ones."""

NATIVE: Mapping[Kind, str] = {Kind.INTEGER: "long", Kind.NUMBER: "double"}
"""Beside the terms of numbers: the type that has them as numbers. `long` is exact, `double` is for others to read."""

GRAMS = "g"
"""Below the terms of a text that is searched: what it contains, in threes."""


def field_name(name: str) -> str:
    """Return the name of a property as part of a field's path: itself, or a digest where Elasticsearch would misread it."""
    return name if _PLAIN_NAME.fullmatch(name) else "~" + hashlib.sha256(name.encode()).hexdigest()[:32]


def field_path(name: str, kind: Kind) -> str:
    """Return the field that holds the terms of a property of that kind."""
    return f"{kind.value}.{field_name(name)}"


def exact_path(name: str, kind: Kind) -> str:
    """Return the field that filters and facets of that kind look at: of integers the numbers, else the terms."""
    return f"{NATIVE[kind]}.{field_name(name)}" if kind is Kind.INTEGER else field_path(name, kind)


def properties_of(fields: Iterable[IndexedField]) -> dict[str, Any]:
    """Return the mapping's properties for the typed fields of a class."""
    found: dict[str, dict[str, Any]] = {}
    for item in fields:
        name = field_name(item.name)
        found.setdefault(item.kind.value, {})[name] = _KEYWORD | _below(item)
        if item.kind in NATIVE:
            native = NATIVE[item.kind]
            found.setdefault(native, {})[name] = {"type": native, "ignore_malformed": True}
        if item.kind is Kind.TEXT:
            grams = {"fields": {GRAMS: _TRIGRAMS}} if item.is_text else {}
            found.setdefault(DIGEST, {})[name] = _KEYWORD
            found.setdefault(PIECE, {})[name] = {"type": "keyword", "doc_values": False, **grams}
    return {group: {"type": "object", "dynamic": "strict", "properties": names} for group, names in found.items()}


def _below(item: IndexedField) -> dict[str, Any]:
    if item.kind is Kind.TEXT and item.is_text:
        return {"fields": {"t": {"type": "text", "norms": False}, GRAMS: _TRIGRAMS}}
    return {"fields": dict(_READABLE[item.kind])} if item.kind in _READABLE else {}


def index_body(*, replicas: int, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an index for the documents of a database is created with.

    Nothing is visible before a refresh that we ask for: a write in several requests shows as one.
    """
    return {
        "settings": {
            "number_of_shards": 1,
            "number_of_replicas": replicas,
            "refresh_interval": "-1",
            "mapping.total_fields.limit": MAX_FIELDS,
            "analysis": dict(_ANALYSIS),
        },
        "mappings": {"dynamic": "strict", "_meta": dict(owner), "properties": dict(_FIXED)},
    }


def catalogue_body(*, replicas: int, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the index of databases, generations, branches and locks is created with."""
    return {
        "settings": {"number_of_shards": 1, "number_of_replicas": replicas},
        "mappings": {
            "dynamic": "strict",
            "_meta": dict(owner),
            "properties": {"state": {"type": "object", "enabled": False}},
        },
    }
