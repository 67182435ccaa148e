"""The promises of `Tracer`, on every adapter."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spice_core.adapters.otel.tracer import OtelTracer
from spice_core.domain.trace_context import TraceContext, trace_context_of
from spice_core.ports.tracer import Tracer

SAMPLED = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
UNSAMPLED = TraceContext("00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")


class Recorded:
    """The spans that an OpenTelemetry tracer handed over."""

    def __init__(self, sample_ratio: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self.exporter)
        self.tracer = OtelTracer(processor, process="test", version="0", sample_ratio=sample_ratio)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.mark.parametrize("parent", [SAMPLED, UNSAMPLED], ids=["sampled", "unsampled"])
def test_trace_of_the_parent_goes_on(tracer: Tracer, parent: TraceContext) -> None:
    with tracer.span("work", parent=parent) as span:
        context = span.context
    assert context is not None
    assert context.trace_id == parent.trace_id
    assert context.is_sampled == parent.is_sampled
    assert context.tracestate == parent.tracestate


def test_exception_leaves_the_block(tracer: Tracer) -> None:
    with pytest.raises(ValueError, match="secret inside"), tracer.span("work"):
        raise ValueError("secret inside")


def test_every_method_of_a_span_is_harmless(tracer: Tracer) -> None:
    with tracer.span("work", kind="server", links=[SAMPLED], attributes={"spice.events": 2}, is_root=True) as span:
        span.rename("other")
        span.set("spice.position", 7)
        span.fail("broken")


def test_closing_again_does_nothing_and_spans_may_follow(tracer: Tracer) -> None:
    tracer.close()
    tracer.close()
    with tracer.span("late", parent=SAMPLED) as span:
        assert span.context is not None


def test_span_inside_another_is_its_child(recorded: Recorded) -> None:
    with recorded.tracer.span("outer", parent=SAMPLED), recorded.tracer.span("inner"):
        pass
    inner, outer = recorded.spans["inner"], recorded.spans["outer"]
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == SAMPLED.span_id


def test_root_inside_another_begins_a_trace_with_links(recorded: Recorded) -> None:
    with recorded.tracer.span("outer", parent=SAMPLED), recorded.tracer.span("batch", is_root=True, links=[SAMPLED, UNSAMPLED]):
        pass
    batch = recorded.spans["batch"]
    assert batch.parent is None
    assert f"{batch.context.trace_id:032x}" != SAMPLED.trace_id
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == [SAMPLED.trace_id, UNSAMPLED.trace_id]


def test_parent_that_is_not_sampled_records_nothing(recorded: Recorded) -> None:
    with recorded.tracer.span("outer", parent=UNSAMPLED), recorded.tracer.span("inner"):
        pass
    assert recorded.spans == {}


def test_ratio_decides_where_a_trace_begins_and_a_client_decides_for_its_own() -> None:
    never = Recorded(sample_ratio=0.0)
    with never.tracer.span("own"):
        pass
    with never.tracer.span("of a client", parent=SAMPLED):
        pass
    assert set(never.spans) == {"of a client"}


def test_failed_span_tells_the_class_of_the_error_and_not_its_words(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="salary"), recorded.tracer.span("work"):
        raise ValueError("salary 4711")
    span = recorded.spans["work"]
    assert (span.status.is_ok, span.status.description, list(span.events)) == (False, "ValueError", [])


@pytest.mark.parametrize(
    "text",
    ["", "x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
     "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"],
)  # fmt: skip
def test_context_that_is_not_valid_is_none(text: str) -> None:
    assert trace_context_of({"traceparent": text}) is None


def test_context_survives_the_metadata_of_an_event() -> None:
    assert trace_context_of(SAMPLED.as_metadata()) == SAMPLED
    assert trace_context_of({"traceparent": SAMPLED.traceparent, "tracestate": "line\nbreak"}) == TraceContext(
        SAMPLED.traceparent
    )
