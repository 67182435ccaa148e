"""What every request has: an id, a trace, a measured time, and an answer even to what nobody foresaw."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from spice_api.edge import Edge, edge_of
from spice_api.errors import Problem, problem_response, unforeseen
from spice_api.metrics import route_of
from spice_core.domain.trace_context import TraceContext, trace_context_of
from spice_core.ports.tracer import Span

_log = logging.getLogger(__name__)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_UNTRACED = frozenset({"/health", "/health/live", "/health/ready", "/api/v1/health", "/metrics"})


@dataclass(frozen=True, slots=True)
class RequestScope:
    """The outermost layer. An `X-Request-ID` of the client is kept if it is a plain word, and always sent back.

    `scope["state"]["trace"]` is what commands of the request carry in their metadata: `request_id`, `correlation_id` (the
    header `X-Correlation-ID`), and the trace context, of this request's span where spans are recorded, else the client's.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request from its first byte to its last."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        edge, headers = edge_of(scope), Headers(scope=scope)
        request_id = _word(headers, "x-request-id") or edge.ids.new_id()
        answer = _Answer(send, request_id)
        began = edge.clock.monotonic()
        with _span(edge, scope, trace_context_of(headers)) as span:
            fields = _fields(headers, request_id)
            scope.setdefault("state", {}).update(request_id=request_id, trace=fields | _metadata(span.context))
            try:
                with bound_contextvars(**fields):
                    await self._answer(scope, receive, answer)
            finally:
                edge.metrics.observe(scope, answer.status, edge.clock.monotonic() - began, mode=answer.rate_limit_mode)
                _describe(span, scope, answer.status)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
            problem = Problem(400, "invalid_input", "the address holds a NUL character", "invalid_input")
            await problem_response(problem, scope)(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the API boundary: whatever it was, the client gets an answer and the log the cause
            _log.exception("unforeseen error, request id %s", scope["state"]["request_id"])
            if not answer.has_started:
                await problem_response(unforeseen(), scope)(scope, receive, answer)


class _Answer:
    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.rate_limit_mode: str | None = None
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            self.rate_limit_mode = headers.get("x-ratelimit-mode")
        await self._send(message)


@contextmanager
def _span(edge: Edge, scope: Scope, sent: TraceContext | None) -> Iterator[Span]:
    """Begin the span of a request; polling for health and metrics has none."""
    tracer = edge.untraced if scope["path"] in _UNTRACED else edge.tracer
    with (
        tracer.span(scope["method"], kind="server", parent=sent, is_root=sent is None) as span,
        bound_contextvars(**({} if tracer.is_recording else _ids(span.context))),
    ):
        yield span


def _describe(span: Span, scope: Scope, status: int) -> None:
    route = route_of(scope)
    span.rename(f"{scope['method']} {route}")
    span.set("http.request.method", scope["method"])
    span.set("http.route", route)
    span.set("http.response.status_code", status)
    if status >= 500 or not status:
        span.fail(str(status))


def _fields(headers: Headers, request_id: str) -> dict[str, str]:
    correlation_id = _word(headers, "x-correlation-id")
    return {"request_id": request_id} | ({"correlation_id": correlation_id} if correlation_id else {})


def _metadata(context: TraceContext | None) -> dict[str, str]:
    return {} if context is None else context.as_metadata()


def _ids(context: TraceContext | None) -> dict[str, str]:
    return {} if context is None else {"trace_id": context.trace_id, "span_id": context.span_id}


def _word(headers: Headers, name: str) -> str:
    sent = headers.get(name, "")
    return sent if _WORD.fullmatch(sent) else ""
