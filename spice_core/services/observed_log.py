"""The event log with its appends measured and traced."""

from collections.abc import Mapping, Sequence

from spice_core.domain.events import Event
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.ports.tracer import Tracer
from spice_core.services.event_log.event_log import AppendResult, EventLog
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.platform_metrics import PlatformMetrics


class ObservedEventLog(EventLog):
    """An event log that tells how long its appends took, and makes each a span of the trace that asked for it."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        writer_id: str,
        tracer: Tracer,
        metrics: PlatformMetrics,
        limits: LogLimits | None = None,
    ) -> None:
        super().__init__(store=store, ledger=ledger, clock=clock, ids=ids, writer_id=writer_id, limits=limits)
        self._time = clock
        self._tracer = tracer
        self._metrics = metrics

    def last_packed(self, database: str) -> int:
        """Return the newest segment that stands in a pack, 0 for none, as it was a moment ago. Raises `StoreUnavailable`."""
        return self._segments.last_packed(database)

    def append(
        self, database: str, events: Sequence[Event], *, expected: Mapping[str, int] | None = None, create: bool = False
    ) -> AppendResult:
        """Append as `EventLog.append`."""
        if not self._tracer.is_recording:
            return self._measured(database, events, expected, create)
        with self._tracer.span("log append", kind="producer", attributes={"spice.database": database}) as span:
            result = self._measured(database, events, expected, create)
            span.set("spice.events", len(events))
            span.set("spice.position", result.events[-1].position)
            return result

    def _measured(self, database: str, events: Sequence[Event], expected: Mapping[str, int] | None, create: bool) -> AppendResult:
        began = self._time.monotonic()
        try:
            result = super().append(database, events, expected=expected, create=create)
        except SpiceError as error:
            self._metrics.append_failed(error.code)
            raise
        if result.is_duplicate:
            self._metrics.append_repeated()
        else:
            commands = sum(event.is_command for event in events)
            seconds = self._time.monotonic() - began
            self._metrics.appended(commands=commands, domain_events=len(events) - commands, seconds=seconds)
        return result
