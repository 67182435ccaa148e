"""The spans of batches: one request's work is a part of its trace, the work of many is one span with links to theirs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from spice_core.domain.events import RecordedEvent
from spice_core.domain.trace_context import TraceContext, trace_context_of
from spice_core.ports.tracer import AttributeValue, Tracer

MOST_TRACES = 32
"""Of a batch of more traces each one only gets a link: a span per trace would cost as much as the work."""
_MOST_LINKS = 128


@contextmanager
def traced_batch(tracer: Tracer, handler: str, database: str, events: Sequence[RecordedEvent]) -> Iterator[None]:
    """Record the block, which handles `events`, in the traces of the requests that caused them.

    One trace: a span in it. Up to `MOST_TRACES`: a span in each, and one of the batch, in a trace of its own, with links to
    all of them; everything that the handler does is below that. More: the batch's span with up to 128 links. Events of no
    sampled trace: nothing.
    """
    contexts = _contexts(events) if tracer.is_recording else []
    if not contexts:
        yield
        return
    name = f"{handler} handle"
    attributes: dict[str, AttributeValue] = {"spice.handler": handler, "spice.database": database, "spice.events": len(events)}
    with ExitStack() as spans:
        if len(contexts) == 1:
            spans.enter_context(tracer.span(name, kind="consumer", parent=contexts[0], attributes=attributes))
        else:
            links = contexts[:_MOST_LINKS]
            if len(contexts) <= MOST_TRACES:
                parts = [spans.enter_context(tracer.span(name, kind="consumer", parent=context)) for context in contexts]
                links = [part.context for part in parts if part.context is not None]
            spans.enter_context(
                tracer.span(f"{handler} batch", kind="consumer", is_root=True, links=links, attributes=attributes)
            )
        yield


def _contexts(events: Sequence[RecordedEvent]) -> list[TraceContext]:
    """Return the first context of each sampled trace."""
    found: dict[str, TraceContext] = {}
    for recorded in events:
        context = trace_context_of(recorded.event.metadata)
        if context is not None and context.is_sampled:
            found.setdefault(context.trace_id, context)
    return list(found.values())
