"""Turns what a caller wants to append into a request: checked, fingerprinted and encoded, in the caller's own thread."""

from collections.abc import Mapping, Sequence

from spice_core.domain.events import Event
from spice_core.errors import InvalidEvent, TooLarge
from spice_core.services.event_log.decision import Proposal, Request
from spice_core.services.event_log.fingerprint import NO_FINGERPRINT, aggregate_key, fingerprint
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.segment import encode_event

_LONGEST_ID = 512


def prepare(events: Sequence[Event], expected: Mapping[str, int], *, limits: LogLimits) -> Request:
    """Return the request to append `events` where the aggregates have the `expected` numbers.

    Raises:
        InvalidEvent: there are none, or one is not well formed.
        TooLarge: they are more, or larger, than `limits` allow.
    """
    if not events:
        raise InvalidEvent("An append needs at least one event")
    if len(events) > limits.max_request_events:
        raise TooLarge(f"An append takes up to {limits.max_request_events} events, not {len(events)}")
    proposals = [_proposal(event) for event in events]
    size = sum(len(proposal.body) for proposal in proposals)
    if size > limits.max_request_bytes:
        raise TooLarge(f"An append takes up to {limits.max_request_bytes} bytes, not {size}")
    return Request(proposals, expected, size)


def _proposal(event: Event) -> Proposal:
    names = (event.event_id, event.event_type, event.aggregate_type, event.aggregate_id)
    if not all(names) or "\0" in "".join(names):
        raise InvalidEvent(
            "event_id, event_type, aggregate_type and aggregate_id must be text without NUL", details={"event_id": event.event_id}
        )
    if len(event.event_id) > _LONGEST_ID or "|" in event.aggregate_type or event.occurred_at.tzinfo is None:
        raise InvalidEvent(
            f"Event {event.event_id[:80]}: ids have up to {_LONGEST_ID} characters, aggregate types no |, times a zone"
        )
    is_command = event.is_command
    mark = fingerprint(event) if is_command else NO_FINGERPRINT
    return Proposal(event, aggregate_key(event), is_command, mark, encode_event(event))
