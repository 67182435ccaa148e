"""What every request has: an id, a trace, a measured time, and an answer even to what nobody foresaw."""

import logging
import re
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spice_api.edge import edge_of
from spice_api.errors import Problem, problem_response, unforeseen

_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_STATE = re.compile(r"[ -~]{1,512}")


@dataclass(frozen=True, slots=True)
class RequestScope:
    """The outermost layer. An `X-Request-ID` of the client is kept if it is a plain word, and always sent back."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request from its first byte to its last."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        edge, headers = edge_of(scope), Headers(scope=scope)
        sent = headers.get("x-request-id", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else edge.ids.new_id()
        scope.setdefault("state", {}).update(request_id=request_id, trace=_trace(headers, request_id))
        answer = _Answer(send, request_id)
        began = edge.clock.monotonic()
        try:
            await self._answer(scope, receive, answer)
        finally:
            edge.metrics.observe(scope, answer.status, edge.clock.monotonic() - began)

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
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self._request_id
        await self._send(message)


def _trace(headers: Headers, request_id: str) -> dict[str, str]:
    trace = {"request_id": request_id}
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if _TRACE_PARENT.fullmatch(parent):
        trace |= {"traceparent": parent, "trace_id": parent[3:35]}
        if _TRACE_STATE.fullmatch(state):
            trace["tracestate"] = state
    return trace
