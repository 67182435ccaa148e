"""What makes a repeated command the same command."""

import hashlib

import orjson

from spice_core.domain.events import Event
from spice_core.ports.ledger import IndexEntry
from spice_core.services.event_log.segment import to_json

NO_FINGERPRINT = bytes(16)
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


def fingerprint(event: Event) -> bytes:
    """Return 16 bytes over what a command asks for: type, aggregate, schema version and data, as canonical JSON.

    Not part of it: who asks and when, trace fields, and `expected_seq`. That is a precondition, not a wish: a client
    whose answer was lost may read the aggregate again and repeat its command with the newer number; it gets the first
    result. Domain events are the same by their deterministic id alone and have no fingerprint.
    """
    if not event.is_command:
        return NO_FINGERPRINT
    data = {name: value for name, value in event.data.items() if name != "expected_seq"}
    asked = [event.event_type, event.aggregate_type, event.aggregate_id, event.schema_version, data]
    return hashlib.blake2b(to_json(asked, event, options=_CANONICAL), digest_size=16).digest()


def aggregate_key(event: Event) -> str:
    """Return the aggregate as the ledger knows it: `{aggregate_type}|{aggregate_id}`."""
    return f"{event.aggregate_type}|{event.aggregate_id}"


def index_entry(event: Event, *, position: int, segment: int) -> IndexEntry:
    """Return what the ledger keeps of an event of the log."""
    return IndexEntry(
        event.event_id,
        position,
        segment,
        aggregate_key(event),
        event.sequence_number or 0,
        event.is_command,
        fingerprint(event),
    )
