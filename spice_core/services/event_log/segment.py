"""The bytes of a segment: one header line, then one JSON line per event.

    {"format":1,"database":"shop","segment":7,"previous":"<hash>","writer":"…","nonce":"…","count":2,"first":12,"last":13,"hash":"<hash>"}
    {"position":12,"sequence_number":3,"event_id":"…","event_type":"…","aggregate_type":"…",…,"data":{…},"metadata":{…}}
    {"position":13,…}

The hash (SHA-256, hex) covers every byte of the object but itself: the header up to `,"hash":"`, a line feed, the event
lines. The header names the previous segment's hash, so the hashes are a chain. Readers keep to the fields they know and
leave the others alone; the bytes of a segment never change.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from spice_core.domain.events import Event, RecordedEvent
from spice_core.domain.plain_values import plain_value
from spice_core.errors import CorruptSegment, InvalidEvent

FORMAT = 1
EMPTY_HASH = "0" * 64
_HASH_FIELD = b',"hash":"'
_HEADER_END = b'"}'
_OPTIONS = orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The header line of a segment. `first` and `last` are positions; `previous` and `hash` are hex."""

    database: str
    segment: int
    previous: str
    writer: str
    nonce: str
    count: int
    first: int
    last: int
    hash: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A verified segment: its header is true of its lines, and its hash of its bytes."""

    header: SegmentHeader
    lines: tuple[bytes, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return the event lines as JSON objects, with every field they have."""
        return [orjson.loads(line) for line in self.lines]

    def stored(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Return the event lines as they are stored, or those from the `start`-th to before the `stop`-th."""
        return list(self.lines[start:stop])

    def events(self, start: int = 0, stop: int | None = None) -> list[RecordedEvent]:
        """Return the events, or those from the `start`-th (from 0) to before the `stop`-th."""
        database, number = self.header.database, self.header.segment
        try:
            return [_recorded(database, number, orjson.loads(line)) for line in self.lines[start:stop]]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptSegment(f"{segment_key(database, number)} holds an event that cannot be read: {error!r}") from error


def segment_key(database: str, number: int) -> str:
    """Return the object key of a segment."""
    return f"{database}/log/{number:020d}"


def encode_event(event: Event) -> bytes:
    """Return the event's JSON object without the two fields that the log assigns (`position`, `sequence_number`).

    Raises:
        InvalidEvent: something in it is not JSON.
    """
    occurred_at = event.occurred_at
    document = {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
        "occurred_at": occurred_at if occurred_at.tzinfo is UTC else occurred_at.astimezone(UTC),
        "actor": event.actor,
        "schema_version": event.schema_version,
        "data": event.data,
        "metadata": event.metadata,
    }
    return to_json(document, event)


def to_json(document: object, event: Event, *, options: int = _OPTIONS) -> bytes:
    """Return `document`, a part of `event`, as JSON; raises `InvalidEvent` where it is none."""
    try:
        return orjson.dumps(document, default=plain_value, option=options)
    except TypeError as error:
        raise InvalidEvent(f"Event {event.event_id} is not JSON: {error}") from error


def event_line(body: bytes, *, position: int, sequence_number: int | None) -> bytes:
    """Return the whole line (without line feed) of an event whose `encode_event` is `body`."""
    number = b"null" if sequence_number is None else b"%d" % sequence_number
    return b'{"position":%d,"sequence_number":%b,%b' % (position, number, body[1:])


def build_segment(
    *, database: str, segment: int, previous: str, writer: str, nonce: str, first: int, lines: Sequence[bytes]
) -> tuple[bytes, str]:
    """Return the bytes of a segment of `lines` whose first position is `first`, and its hash."""
    header = orjson.dumps(
        {
            "format": FORMAT,
            "database": database,
            "segment": segment,
            "previous": previous,
            "writer": writer,
            "nonce": nonce,
            "count": len(lines),
            "first": first,
            "last": first + len(lines) - 1,
        }
    )[:-1]
    body = b"\n" + b"\n".join(lines) + b"\n"
    digest = _hash((header, body))
    return b"".join((header, _HASH_FIELD, digest.encode(), _HEADER_END, body)), digest


def parse_segment(data: bytes, *, database: str, number: int, is_checked: bool = True) -> Segment:
    """Read a segment and check all that it says about itself; `is_checked=False` leaves out the hash, to measure its cost.

    Raises:
        CorruptSegment: it is torn, truncated or altered, is not segment `number` of `database`, or is of a newer format;
            the message names the object.
    """
    key = segment_key(database, number)
    end = data.find(b"\n")
    line = data[:end] if end >= 0 else b""
    cut = len(line) - len(_HEADER_END) - 64 - len(_HASH_FIELD)
    if cut <= 0 or not line.endswith(_HEADER_END) or not line.startswith(_HASH_FIELD, cut):
        raise CorruptSegment(f"{key} has no whole header line")
    stated = line[cut + len(_HASH_FIELD) : -len(_HEADER_END)]
    body = memoryview(data)[end:]
    if is_checked and _hash((memoryview(data)[:cut], body)).encode() != stated:
        raise CorruptSegment(f"{key} does not have the bytes that were written: its hash differs")
    header = _header(line, key)
    lines = tuple(data[end + 1 : -1].split(b"\n")) if header.count else ()
    if (header.database, header.segment) != (database, number):
        raise CorruptSegment(f"{key} holds segment {header.segment} of {header.database}")
    if len(lines) != header.count or header.last != header.first + header.count - 1 or not data.endswith(b"\n"):
        raise CorruptSegment(f"{key} does not hold the {header.count} events that its header states")
    return Segment(header, lines)


def _hash(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _header(line: bytes, key: str) -> SegmentHeader:
    try:
        fields = orjson.loads(line)
        written = fields["format"]
        header = SegmentHeader(**{name: fields[name] for name in SegmentHeader.__slots__})
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptSegment(f"{key} has a header that cannot be read: {error!r}") from error
    if written != FORMAT:
        raise CorruptSegment(f"{key} is of format {written!r}; this program reads format {FORMAT}")
    return header


def _recorded(database: str, segment: int, fields: Mapping[str, Any]) -> RecordedEvent:
    event = Event(
        fields["event_id"],
        fields["event_type"],
        fields["aggregate_type"],
        fields["aggregate_id"],
        datetime.fromisoformat(fields["occurred_at"]),
        fields["data"],
        fields["metadata"],
        fields["actor"],
        fields["schema_version"],
        fields["sequence_number"],
    )
    return RecordedEvent(database, fields["position"], segment, event)
