"""What a message says about itself, in headers: a consumer can place it without parsing the event."""

from collections.abc import Iterable
from dataclasses import dataclass

from spice_core.domain.events import RecordedEvent

Headers = list[tuple[str, str | bytes | None]]
LARGEST_LINE = 900_000  # bytes; brokers take 1 MiB by default, key and headers included

_COMMAND, _DOMAIN = ("kind", b"command"), ("kind", b"domain")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message says its event stands: in which log (see `log_identity`), at which position, in which segment."""

    database: str
    log: str
    position: int
    segment: int
    event_id: str


def headers_of(recorded: RecordedEvent, *, log: bytes, database: bytes) -> Headers:
    """Return the headers of an event; `traceparent` only where the event has one."""
    return headers_in(shared_headers(log=log, database=database), recorded, is_command=recorded.event.is_command)


def shared_headers(*, log: bytes, database: bytes) -> Headers:
    """Return what all messages of a log have in common."""
    return [("database", database), ("log", log)]


def headers_in(shared: Headers, recorded: RecordedEvent, *, is_command: bool) -> Headers:
    """Return the headers of one event of the log of `shared`."""
    headers: Headers = [
        *shared,
        ("position", b"%d" % recorded.position),
        ("segment", b"%d" % recorded.segment),
        ("event_id", recorded.event.event_id),
        _COMMAND if is_command else _DOMAIN,
    ]
    trace = recorded.event.metadata.get("traceparent")
    if isinstance(trace, str):
        headers.append(("traceparent", trace))
    return headers


def place_of(headers: Iterable[tuple[str, str | bytes | None]] | None) -> Place | None:
    """Return where the message's event stands, None where its headers are not ours."""
    found = dict(headers or ())
    try:
        named = {name: _text(found[name]) for name in Place.__slots__}
        place = Place(
            database=named["database"],
            log=named["log"],
            position=int(named["position"]),
            segment=int(named["segment"]),
            event_id=named["event_id"],
        )
    except (KeyError, UnicodeDecodeError, ValueError):
        return None
    return place if place.database and place.position > 0 and place.segment > 0 else None


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
