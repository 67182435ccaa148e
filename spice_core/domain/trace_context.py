"""W3C trace context: which request something belongs to, as it stands in headers and in the metadata of events."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_STATE = re.compile(r"[ -~]{1,512}")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A valid `traceparent` (https://www.w3.org/TR/trace-context), and the `tracestate` beside it or an empty text."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The 32 hexadecimal digits that all spans of one request share."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The 16 hexadecimal digits of the span that this is the context of."""
        return self.traceparent[36:52]

    @property
    def is_sampled(self) -> bool:
        """Whether whoever began the trace wants it recorded."""
        return bool(int(self.traceparent[53:55], 16) & 1)

    def as_metadata(self) -> dict[str, str]:
        """Return the fields of an event's metadata: `traceparent`, `trace_id`, and `tracestate` where there is one."""
        found = {"traceparent": self.traceparent, "trace_id": self.trace_id}
        return {**found, "tracestate": self.tracestate} if self.tracestate else found


def trace_context_of(fields: Mapping[str, Any]) -> TraceContext | None:
    """Return the context in `fields` (headers, or the metadata of an event), None where there is no valid one."""
    parent, state = fields.get("traceparent"), fields.get("tracestate")
    if not isinstance(parent, str) or not _TRACE_PARENT.fullmatch(parent):
        return None
    return TraceContext(parent, state if isinstance(state, str) and _TRACE_STATE.fullmatch(state) else "")
