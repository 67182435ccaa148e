"""The spans of batches, and that a trace changes nothing that is stored but its own fields."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spice_core.adapters.otel.tracer import OtelTracer
from spice_core.domain.events import Event, RecordedEvent
from spice_core.services.event_log.fingerprint import fingerprint
from spice_workers.tracing import MOST_TRACES, traced_batch
from tests.write_path import WritePath, a_class, text

THING = a_class("Thing", text("thing_id", required=True))


def parent(number: int, *, sampled: bool = True) -> str:
    return f"00-{number + 1:032x}-00f067aa0ba902b7-0{int(sampled)}"


def event(position: int, traceparent: str | None) -> RecordedEvent:
    metadata = {"kind": "command"} | ({"traceparent": traceparent} if traceparent else {})
    found = Event(f"e{position}", "X_REQUESTED", "Instance", f"a{position}", datetime(2026, 1, 1, tzinfo=UTC), {}, metadata)
    return RecordedEvent("shop", position, 1, found)


def spans_of(*traceparents: str | None) -> list[ReadableSpan]:
    """Return the spans of one batch, in which the handler makes a span `commit`."""
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(SimpleSpanProcessor(exporter), process="test", version="0")
    with traced_batch(tracer, "graph", "shop", [event(number, item) for number, item in enumerate(traceparents, 1)]):
        if exporter.get_finished_spans():
            raise AssertionError("nothing has ended yet")
        with tracer.span("commit"):
            pass
    return list(exporter.get_finished_spans())


def trace(span: ReadableSpan) -> int:
    return int(span.context.trace_id)


def test_events_of_one_trace_are_handled_in_it() -> None:
    spans = spans_of(parent(0), None, parent(0))
    assert sorted(span.name for span in spans) == ["commit", "graph handle"]
    assert {trace(span) for span in spans} == {1}


def test_few_traces_each_have_a_span_that_the_batch_links_to() -> None:
    spans = spans_of(parent(0), parent(1), parent(2, sampled=False))
    handled = [span for span in spans if span.name == "graph handle"]
    batch = next(span for span in spans if span.name == "graph batch")
    commit = next(span for span in spans if span.name == "commit")
    assert sorted(trace(span) for span in handled) == [1, 2]
    assert {link.context.span_id for link in batch.links} == {span.context.span_id for span in handled}
    assert trace(commit) == trace(batch)
    assert trace(batch) not in {1, 2, 3}


def test_many_traces_only_have_links() -> None:
    spans = spans_of(*(parent(number) for number in range(MOST_TRACES + 200)))
    assert sorted(span.name for span in spans) == ["commit", "graph batch"]
    assert len(next(span for span in spans if span.name == "graph batch").links) == 128


def test_batch_without_a_sampled_trace_has_no_span_of_its_own() -> None:
    assert [span.name for span in spans_of(None, parent(0, sampled=False))] == ["commit"]


def written(trace_fields: dict[str, str]) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Write a class and an instance; return the ids of all events, of all commits, and the metadata without trace fields."""
    world = WritePath()
    world.commands.create_database("shop", trace=trace_fields)
    world.settle()
    world.commands.create_class("shop", "main", THING, trace=trace_fields)
    world.settle()
    world.commands.create_instance("shop", "main", "Thing", {"thing_id": "t"}, trace=trace_fields)
    world.settle()
    events = [recorded.event for recorded in world.log.read("shop", after=0, limit=100)]
    bare = [{key: value for key, value in item.metadata.items() if key not in trace_fields} for item in events]
    return [item.event_id for item in events], [commit.id for commit in world.graph.history("shop", limit=100)], bare


def test_trace_fields_change_neither_ids_nor_commits_nor_anything_else() -> None:
    one = {"traceparent": parent(7), "trace_id": parent(7)[3:35], "request_id": "r1"}
    other = {"traceparent": parent(8), "trace_id": parent(8)[3:35], "request_id": "r2"}
    assert written(one) == written(other)
    assert written(one)[:2] == written({})[:2]


def test_domain_events_repeat_the_trace_of_their_command_also_when_they_are_made_again() -> None:
    world = WritePath()
    fields = {"traceparent": parent(7), "trace_id": parent(7)[3:35]}
    world.commands.create_database("shop", trace=fields)
    world.settle()
    before = [recorded.event for recorded in world.log.read("shop", after=0, limit=100)]
    world.position.clear()
    world.restart()
    world.settle()
    assert [recorded.event for recorded in world.log.read("shop", after=0, limit=100)] == before
    assert all(item.metadata["traceparent"] == parent(7) for item in before)


def test_trace_is_no_part_of_the_fingerprint() -> None:
    found = event(1, parent(1)).event
    assert fingerprint(found) == fingerprint(
        replace(found, metadata={**found.metadata, "traceparent": parent(2), "trace_id": "x"})
    )
