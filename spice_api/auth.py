"""Who is asking: a verified credential, never a plain header."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

from spice_core.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable
from spice_core.settings import Settings

AppName = Literal["oms", "bff", "funnel"]

OPEN_PATHS = frozenset(
    {"/health", "/health/live", "/health/ready", "/api/v1/health", "/api/v1/", "/metrics", "/docs", "/redoc", "/openapi.json"}
)
_CONSENT_CALLBACK = "/api/v1/connectors/oauth/callback"
"""A browser comes back here without our token: the `state` that it brings is a secret, good once and for minutes."""
_OPEN_ASSETS = "/docs/assets/"
_MAX_ACTOR = 200


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for: `name` is the credential's, `actor` the person or program that its holder names."""

    name: str
    actor: str
    is_verified: bool


ANONYMOUS = Principal(name="anonymous", actor="anonymous", is_verified=False)


class NotConfigured(Unavailable):
    """A token is required, but none is configured."""

    code = "auth_not_configured"
    retryable = False


@dataclass(frozen=True, slots=True)
class Gate:
    """The rule of one app: whether a token is required, and which one is right."""

    app: AppName
    is_required: bool
    token: str | None

    def admit(self, path: str, headers: Headers) -> Principal:
        """Return who may pass.

        `X-Admin-Actor` counts only behind a verified token. Where tokens are switched off, everyone is anonymous.

        Raises:
            Unauthenticated: a token is required and none was sent.
            Forbidden: the token is wrong.
            NotConfigured: a token is required but the app has none.
        """
        if not self.is_required or path in OPEN_PATHS or path == _CONSENT_CALLBACK or path.startswith(_OPEN_ASSETS):
            return ANONYMOUS
        if not self.token:
            variable = f"{self.app.upper()}_ADMIN_TOKEN"
            raise NotConfigured(f"no token is configured: set {variable} or ADMIN_TOKEN and restart the app")
        sent = _credentials(headers)
        if not sent:
            raise Unauthenticated(
                "Authentication failed: send the token as `Authorization: Bearer …`, `X-Admin-Token` or `X-API-Key`"
            )
        right = self.token.encode()
        if not all(hmac.compare_digest(right, candidate) for candidate in sent.values()):
            raise Forbidden("Authentication failed: the token is not the right one")
        return Principal(name="admin", actor=_actor(headers) or "admin", is_verified=True)


def gate_of(app: AppName, settings: Settings) -> Gate:
    """Return the gate of `app`.

    Raises:
        ConfigurationError: tokens are switched off with one variable only, or in production.
    """
    return Gate(app=app, is_required=settings.requires_auth(app), token=settings.app_token(app))


def _credentials(headers: Headers) -> Mapping[str, bytes]:
    sent = {name: headers[name].encode("latin-1") for name in ("x-admin-token", "x-api-key") if headers.get(name)}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        sent["authorization"] = token.strip().encode("latin-1")
    return sent


def _actor(headers: Headers) -> str | None:
    sent = headers.get("x-admin-actor")
    if sent is None:
        return None
    try:
        actor = sent.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InvalidInput("X-Admin-Actor is not valid UTF-8") from error
    if not 0 < len(actor) <= _MAX_ACTOR or not actor.isprintable():
        raise InvalidInput(f"X-Admin-Actor takes 1 to {_MAX_ACTOR} printable characters")
    return actor
