"""A tracer that sends its spans over OTLP/HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, StatusCode, TraceFlags, TraceState
from structlog.contextvars import bound_contextvars

from spice_core.domain.trace_context import TraceContext
from spice_core.ports.tracer import AttributeValue, Span, SpanKind, Tracer

_KINDS: Mapping[SpanKind, trace.SpanKind] = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
    "client": trace.SpanKind.CLIENT,
}
_EXPORT_SECONDS = 5.0
_CLOSE_MILLISECONDS = 3_000
_MOST_SPANS_WAITING = 4_096


def otlp_processor(endpoint: str) -> SpanProcessor:
    """Return what sends spans in the background to `endpoint` (a base address, as `http://collector:4318`).

    What the receiver does not take in time is dropped: spans are news about the work, never part of it.
    """
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    return BatchSpanProcessor(
        exporter,
        max_queue_size=_MOST_SPANS_WAITING,
        schedule_delay_millis=1_000,
        export_timeout_millis=_CLOSE_MILLISECONDS,
    )


class OtelTracer(Tracer):
    """Spans of OpenTelemetry. Lines that are logged inside a span carry its `trace_id` and `span_id`.

    A trace that a client began is recorded if the client says so; one that begins here, in `sample_ratio` of all cases.
    """

    def __init__(self, processor: SpanProcessor, *, process: str, version: str, sample_ratio: float = 1.0) -> None:
        """Hand spans to `processor`; `process` (`oms`, `worker-all` …) tells the service that they are of."""
        resource = Resource(
            {"service.namespace": "spice-harvester", "service.name": f"spice-{process}", "service.version": version}
        )
        sampler = ParentBased(TraceIdRatioBased(sample_ratio))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("spice", version)

    @property
    def is_recording(self) -> bool:
        return True

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: TraceContext | None = None,
        is_root: bool = False,
        links: Sequence[TraceContext] = (),
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[Span]:
        context: Context | None = None
        if parent is not None:
            context = trace.set_span_in_context(NonRecordingSpan(_remote(parent)), Context())
        elif is_root:
            context = Context()
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes=attributes,
            links=[Link(_remote(link)) for link in links],
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            span = _OtelSpan(started)
            with bound_contextvars(trace_id=span.context.trace_id, span_id=span.context.span_id):
                try:
                    yield span
                except Exception as error:
                    span.fail(type(error).__name__)  # its message may hold values of instances
                    raise

    def close(self) -> None:
        self._provider.shutdown()


class _OtelSpan(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def context(self) -> TraceContext:
        context = self._span.get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        return TraceContext(parent, context.trace_state.to_header())

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, key: str, value: AttributeValue) -> None:
        self._span.set_attribute(key, value)

    def fail(self, message: str) -> None:
        self._span.set_status(StatusCode.ERROR, message)


def _remote(context: TraceContext) -> SpanContext:
    return SpanContext(
        trace_id=int(context.trace_id, 16),
        span_id=int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.is_sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([context.tracestate]) if context.tracestate else None,
    )
