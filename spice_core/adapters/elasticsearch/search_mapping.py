"""Mappings generated from classes: one field per property name and kind, so that no redefinition can ever contradict one."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedField

MAPPING = 1
"""The form of our indexes; one of another form is refused."""

MAX_FIELDS = 20_000
"""Fields of one index: those of all classes of a database together."""

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_WORDS = {"type": "text", "analyzer": "whitespace", "norms": False, "position_increment_gap": 100}
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


def field_name(name: str) -> str:
    """Return the name of a property as part of a field's path: itself, or a digest where Elasticsearch would misread it."""
    return name if _PLAIN_NAME.fullmatch(name) else "~" + hashlib.sha256(name.encode()).hexdigest()[:32]


def field_path(name: str, kind: Kind) -> str:
    """Return the field that holds the terms of a property of that kind."""
    return f"{kind.value}.{field_name(name)}"


def properties_of(fields: Iterable[IndexedField]) -> dict[str, Any]:
    """Return the mapping's properties for the typed fields of a class."""
    found: dict[str, dict[str, Any]] = {}
    for item in fields:
        found.setdefault(item.kind.value, {})[field_name(item.name)] = _KEYWORD
        if item.kind is Kind.TEXT:
            found.setdefault(DIGEST, {})[field_name(item.name)] = _KEYWORD
            found.setdefault(PIECE, {})[field_name(item.name)] = {"type": "keyword", "doc_values": False}
    return {group: {"type": "object", "dynamic": "strict", "properties": names} for group, names in found.items()}


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
