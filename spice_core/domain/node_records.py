"""The stored form of a node (one JSON value per key) and the ids of commits made of them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from spice_core.domain.graph import Node, Provenance, Removal
from spice_core.domain.plain_values import plain_value
from spice_core.errors import InvalidInput

LONGEST_KEY = 2_600
"""Bytes of UTF-8."""

_OPTIONS = orjson.OPT_SORT_KEYS


def encode_change(change: Node | Removal) -> bytes:
    """Return the JSON text that is stored for `change` (a removal keeps its number, position and provenance).

    Raises:
        InvalidInput: a NUL character, a lone surrogate, something that is not JSON, or a key outside its class or too long.
    """
    check_text(change.key)
    _check_length(change.key)
    record: dict[str, Any] = {"s": change.sequence_number, "p": change.position, "v": _provenance_record(change.provenance)}
    if isinstance(change, Node):
        if change.key.partition("/")[0] != change.class_id:
            raise InvalidInput(f"{change.key!r} is not a key of class {change.class_id!r}")
        for targets in change.links.values():
            for target in targets:
                _check_length(target)
        record |= {"d": change.document, "l": {name: _compact(change, name) for name in change.links}}
    try:
        data = orjson.dumps(record, default=plain_value, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(f"{change.key!r} cannot be stored: {error}") from error
    if b"\\u0000" in data and _holds_nul(orjson.loads(data)):
        raise InvalidInput(f"{change.key!r} holds a NUL character in a text; remove it")
    return data


def decode_node(key: str, record: Mapping[str, Any]) -> Node:
    """Return the node whose stored JSON value is `record` (which becomes part of the node)."""
    document = record["d"]
    return Node(
        key=key,
        class_id=key.partition("/")[0],
        document=document,
        links={name: _targets(document[name] if kept is None else kept) for name, kept in record["l"].items()},
        sequence_number=record["s"],
        position=record["p"],
        provenance=_provenance(record["v"]),
    )


def _check_length(key: str) -> None:
    """An index holds keys up to a third of a page; a domain key (100 + 512 characters) always fits."""
    if len(key) > LONGEST_KEY // 4 and len(key.encode()) > LONGEST_KEY:
        raise InvalidInput(f"{key[:80]!r}… is longer than a key may be ({LONGEST_KEY} bytes)")


def check_text(*texts: str) -> None:
    """Raise `InvalidInput` for text that not every store can keep: NUL characters and lone surrogates."""
    for text in texts:
        if "\x00" in text:
            raise InvalidInput(f"{text[:80]!r} holds a NUL character; remove it")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{text[:80]!r} is not valid Unicode text") from error


def changes_digest(changes: Iterable[tuple[str, bytes]]) -> str:
    """Return a hash (sha256, hex) over keys and stored values; the order of `changes` does not matter."""
    digest = hashlib.sha256()
    for key, data in sorted(changes):
        for part in (key.encode(), data):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def commit_id(
    parents: Sequence[str],
    *,
    author: str,
    message: str,
    at: datetime,
    first_position: int,
    last_position: int,
    digest: str,
) -> str:
    """Return the id of a commit: the first 40 hex characters of a sha256 over everything that makes it.

    `digest` is the `changes_digest` of its changes.
    """
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = [list(parents), author, message, moment, first_position, last_position, digest]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:40]


def _compact(node: Node, predicate: str) -> list[str] | None:
    """Targets that the document says in the very same order are not stored twice."""
    targets = list(node.links[predicate])
    held = node.document.get(predicate)
    return None if held == targets or (len(targets) == 1 and held == targets[0]) else targets


def _targets(held: str | Sequence[str]) -> tuple[str, ...]:
    return (held,) if isinstance(held, str) else tuple(held)


def _provenance_record(provenance: Provenance) -> list[Any]:
    moment = provenance.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    return [provenance.event_id, provenance.command_id, provenance.actor, moment, provenance.source]


def _provenance(record: Sequence[Any]) -> Provenance:
    event_id, command_id, actor, moment, source = record
    return Provenance(event_id, command_id, actor, datetime.fromisoformat(moment), source)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def encode_changes(changes: Sequence[Node | Removal]) -> list[tuple[str, bytes]]:
    """Return key and stored value of each change, in the order given.

    Raises:
        InvalidInput: a change cannot be stored (see `encode_change`), or two are for one key.
    """
    encoded = [(change.key, encode_change(change)) for change in changes]
    if len({key for key, _ in encoded}) < len(encoded):
        raise InvalidInput("a batch holds at most one change per key")
    return encoded
