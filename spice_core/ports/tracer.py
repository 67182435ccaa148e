"""Telling where the time of one request went, over all processes that had a part in it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from spice_core.domain.trace_context import TraceContext

SpanKind = Literal["internal", "server", "producer", "consumer", "client"]
AttributeValue = str | int | float | bool


class Span(ABC):
    """A piece of work that has begun. Every method is harmless, and does nothing, where nobody records."""

    @property
    @abstractmethod
    def context(self) -> TraceContext | None:
        """What others need to continue here: a header, or the metadata of an event; None where nobody traces."""

    @abstractmethod
    def rename(self, name: str) -> None:
        """Give the span the name that became known on the way: few different ones, never one with ids in it."""

    @abstractmethod
    def set(self, key: str, value: AttributeValue) -> None:
        """Note something about the work. Never a secret, and no values of instances."""

    @abstractmethod
    def fail(self, message: str) -> None:
        """Mark the work as failed."""


class Tracer(ABC):
    """Records spans. Never an obstacle: no method raises, blocks, or waits for whoever receives the spans.

    Traces change nothing that is stored but the trace fields of commands' metadata, which take part neither in ids nor in
    the fingerprint of a command; domain events repeat those of their command.
    """

    @property
    @abstractmethod
    def is_recording(self) -> bool:
        """Whether spans go anywhere: a caller can save itself the search for links."""

    @abstractmethod
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: TraceContext | None = None,
        is_root: bool = False,
        links: Sequence[TraceContext] = (),
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> AbstractContextManager[Span]:
        """Record the block as a span, which is the current one of this thread or task meanwhile.

        Its parent is `parent`, else the current span, else (or with `is_root`) none: then it begins a trace. A parent that is
        not sampled makes a span that is not recorded. An exception that leaves the block marks the span as failed.
        """

    @abstractmethod
    def close(self) -> None:
        """Hand over what is recorded, for a few seconds at most; closing again does nothing."""


class SilentSpan(Span):
    """A span that nobody records; its context is the one of its parent, so that the trace of a client goes on."""

    def __init__(self, context: TraceContext | None = None) -> None:
        self._context = context

    @property
    def context(self) -> TraceContext | None:
        return self._context

    def rename(self, name: str) -> None: ...

    def set(self, key: str, value: AttributeValue) -> None: ...

    def fail(self, message: str) -> None: ...


class SilentTracer(Tracer):
    """Records nothing and costs next to nothing: what every part uses that is given no other tracer."""

    @property
    def is_recording(self) -> bool:
        return False

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002 - recorded by nobody
        *,
        kind: SpanKind = "internal",  # noqa: ARG002
        parent: TraceContext | None = None,
        is_root: bool = False,  # noqa: ARG002
        links: Sequence[TraceContext] = (),  # noqa: ARG002
        attributes: Mapping[str, AttributeValue] | None = None,  # noqa: ARG002
    ) -> Iterator[Span]:
        yield SilentSpan(parent)

    def close(self) -> None: ...
