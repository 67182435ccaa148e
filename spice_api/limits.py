"""Limits at the door: body sizes, tokens, rates. Pure ASGI, so that they hold before anything is read or parsed."""

from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spice_api.auth import ANONYMOUS
from spice_api.edge import edge_of
from spice_api.errors import problem_of, problem_response
from spice_api.rate_limit import Allowance
from spice_api.refusals import Refusal
from spice_core.errors import Forbidden, RateLimited, SpiceError, TooLarge, Unauthenticated

_UNVERIFIED = "unverified"
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
        allowance: Allowance | None = None
        try:
            scope["state"]["principal"] = ANONYMOUS
            allowance = self._admit(scope)
        except SpiceError as error:
            await problem_response(problem_of(error), scope)(
                scope, receive, _with_headers(send, error.details.pop("headers", {}))
            )
            return
        await self.app(scope, receive, _with_headers(send, allowance.headers()) if allowance else send)

    def _admit(self, scope: Scope) -> Allowance | None:
        try:
            principal = edge_of(scope).gate.admit(scope["path"], Headers(scope=scope))
        except (Unauthenticated, Forbidden) as error:
            self._note(scope, error)
            self._take(_UNVERIFIED, scope)
            raise
        scope["state"]["principal"] = principal
        return self._take(principal.name, scope)

    def _take(self, bucket: str, scope: Scope) -> Allowance | None:
        buckets = edge_of(scope).buckets
        if buckets is None or scope["path"] in _UNLIMITED_PATHS:
            return None
        allowance = buckets.take(bucket)
        if not allowance.is_allowed:
            raise RateLimited(
                f"Rate limit exceeded: {allowance.limit} requests in {allowance.window_seconds} s; "
                f"retry in {allowance.retry_after_seconds} s",
                details={
                    "limit": allowance.limit,
                    "window": allowance.window_seconds,
                    "retry_after": allowance.retry_after_seconds,
                    "retry_after_seconds": allowance.retry_after_seconds,
                    "headers": allowance.headers(),
                },
            )
        return allowance

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
