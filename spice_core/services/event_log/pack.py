"""The bytes of a pack: one header line, then the segments of a range, byte for byte as they stand on their own.

    {"format":1,"database":"shop","first":1,"last":500,"packed_at":"2026-11-21T08:30:00Z","lengths":[812,790,…]}
    <segment 1><segment 2>…

A pack proves nothing by itself: each segment in it carries its own hash and the hash of the one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from spice_core.errors import CorruptObject, CorruptSegment

FORMAT = 1


@dataclass(frozen=True, slots=True, order=True)
class PackRange:
    """The first and the last segment of a pack."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Pack:
    """The segments of a range as bytes, in order, not yet checked, and when they were packed."""

    range: PackRange
    packed_at: datetime
    segments: Sequence[bytes]


def pack_prefix(database: str) -> str:
    """Return what the keys of a database's packs begin with."""
    return f"{database}/pack/"


def pack_key(database: str, place: PackRange) -> str:
    """Return the object key of a pack."""
    return f"{pack_prefix(database)}{place.first:020d}-{place.last:020d}"


def range_of(key: str, database: str) -> PackRange:
    """Return the range that a pack's key names.

    Raises:
        CorruptObject: the key is no pack's.
    """
    first, _, last = key.removeprefix(pack_prefix(database)).partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last)):
        raise CorruptObject(f"{key} is no pack")
    return PackRange(int(first), int(last))


def build_pack(database: str, place: PackRange, segments: Sequence[bytes], *, packed_at: datetime) -> bytes:
    """Return the bytes of a pack of `segments`."""
    header = {
        "format": FORMAT,
        "database": database,
        "first": place.first,
        "last": place.last,
        "packed_at": packed_at,
        "lengths": [len(segment) for segment in segments],
    }
    return b"".join((orjson.dumps(header, option=orjson.OPT_UTC_Z), b"\n", *segments))


def parse_pack(data: bytes, *, database: str, place: PackRange) -> Pack:
    """Cut a pack into its segments.

    Raises:
        CorruptSegment: it is torn or altered, or is not this pack; the message names the object.
    """
    key = pack_key(database, place)
    line, _, body = data.partition(b"\n")
    try:
        header = orjson.loads(line)
        lengths = [int(length) for length in header["lengths"]]
        packed_at = datetime.fromisoformat(header["packed_at"])
        stated = (header["format"], header["database"], header["first"], header["last"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptSegment(f"{key} has a header that cannot be read: {error!r}") from error
    if stated != (FORMAT, database, place.first, place.last):
        raise CorruptSegment(f"{key} says that it is another pack: {stated}")
    if len(lengths) != place.last - place.first + 1 or sum(lengths) != len(body) or min(lengths) < 0:
        raise CorruptSegment(f"{key} does not hold the {place.last - place.first + 1} segments that its header states")
    segments, start = [], 0
    for length in lengths:
        segments.append(body[start : start + length])
        start += length
    return Pack(place, packed_at, segments)
