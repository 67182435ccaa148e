"""Limits at the door: body sizes, tokens, rates. Pure ASGI, so that they hold before anything is read or parsed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spice_api.auth import ANONYMOUS, Principal
from spice_api.edge import edge_of
from spice_api.errors import problem_of, problem_response
from spice_api.refusals import Refusal
from spice_api.route_rates import allowance_headers, whole_seconds
from spice_core.errors import Forbidden, RateLimited, SpiceError, TooLarge, Unauthenticated, Unavailable
from spice_core.ports.rate_limiter import Allowance, Charge

_UNLIMITED_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/api/v1/health", "/metrics"})


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Lets a request pass if its token is right and its principal is within its rate.

    Refused requests share one bucket: guessing tokens is limited whatever addresses and headers it comes from.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its principal in the scope's state, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["state"]["principal"] = ANONYMOUS
        problem: SpiceError | None = None
        principal = ANONYMOUS
        try:
            principal = edge_of(scope).gate.admit(scope["path"], Headers(scope=scope))
        except SpiceError as error:
            problem = error
        allowance = await _take(scope, self._charges(scope, principal, problem))
        headers = _headers_of(scope, allowance)
        if allowance is not None and not allowance.is_allowed:
            problem = _over(allowance)
        if problem is not None:
            await problem_response(problem_of(problem), scope)(scope, receive, _with_headers(send, headers))
            return
        scope["state"]["principal"] = principal
        await self.app(scope, receive, _with_headers(send, headers))

    def _charges(self, scope: Scope, principal: Principal, problem: SpiceError | None) -> Sequence[Charge]:
        """Return what the request costs; one that is refused for its headers counts with all such, whoever sent it."""
        if problem is None:
            return edge_of(scope).rates.charges(scope, principal)
        if isinstance(problem, Unauthenticated | Forbidden):
            self._note(scope, problem)
        return () if isinstance(problem, Unavailable) else edge_of(scope).rates.refusal_charges()

    def _note(self, scope: Scope, error: SpiceError) -> None:
        edge, client = edge_of(scope), scope.get("client") or ("", 0)
        edge.refusals.record(Refusal(edge.gate.app, error.code, scope["method"], scope["path"][:200], client[0]))


@dataclass(slots=True)
class BodyLimit:
    """Answers 413 to a body over its path's limit: at once if its length is declared, else when it passes the limit."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = edge_of(scope).body_limit(scope["path"])
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await problem_response(problem_of(_too_large(limit)), scope)(scope, receive, send)
            return
        await self.app(scope, _CountedBody(receive, limit), send)


@dataclass(slots=True)
class _CountedBody:
    receive: Receive
    limit: int
    size: int = field(default=0)

    async def __call__(self) -> Message:
        message = await self.receive()
        self.size += len(message.get("body", b""))
        if self.size > self.limit:
            # The framework turns other exceptions met while it reads a body into a 400.
            raise HTTPException(413, detail=_too_large(self.limit).message)
        return message


async def _take(scope: Scope, charges: Sequence[Charge]) -> Allowance | None:
    """Take `charges`; a limiter that is asked over the network is asked in a thread, and waiting requests hold none of those."""
    edge = edge_of(scope)
    if edge.limiter is None or not charges or scope["path"] in _UNLIMITED_PATHS:
        return None
    if not edge.limiter.is_remote:
        return edge.limiter.take(charges)
    return await anyio.to_thread.run_sync(edge.limiter.take, charges, limiter=edge.limiter_threads)


def _headers_of(scope: Scope, allowance: Allowance | None) -> dict[str, str]:
    if allowance is not None:
        return allowance_headers(allowance)
    return {"X-RateLimit-Disabled": "true"} if edge_of(scope).limiter is None else {}


def _over(allowance: Allowance) -> RateLimited:
    rate, seconds = allowance.rate, max(1, whole_seconds(allowance))
    requests = rate.limit // rate.cost
    return RateLimited(
        f"Rate limit exceeded: {requests} requests in {rate.window_seconds} s; retry in {seconds} s",
        details={"limit": rate.limit, "window": rate.window_seconds, "retry_after": seconds, "preset": rate.name},
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is over the limit of {limit} bytes", details={"limit_bytes": limit})


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            found: Any = MutableHeaders(scope=message)
            for name, value in headers.items():
                found.setdefault(name, value)
        await send(message)

    return send_with_headers
