"""Access tokens from refresh tokens, and a person's consent: https://developers.google.com/identity/protocols/oauth2."""

import hashlib
import threading
from collections.abc import Mapping
from urllib.parse import urlencode

from spice_core.adapters.google_sheets.http import Answer, GoogleHttp
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.errors import ConfigurationError, SourceNotAuthorized
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Access, OAuthFlow

SCOPES = "https://www.googleapis.com/auth/spreadsheets.readonly https://www.googleapis.com/auth/drive.metadata.readonly"
_EARLY_SECONDS = 60.0


class GoogleOAuth(OAuthFlow):
    """The authorization code flow of Google, with PKCE and a token for offline use."""

    def __init__(self, options: GoogleOptions, http: GoogleHttp) -> None:
        self._options = options
        self._http = http

    def authorization_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        asked = {
            "client_id": self._client()[0],
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPES,
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._options.consent_url}/o/oauth2/v2/auth?{urlencode(asked)}"

    def exchange(self, *, code: str, verifier: str, redirect_uri: str) -> Mapping[str, str]:
        client_id, client_secret = self._client()
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        answer = self._http.post_form(f"{self._options.token_url}/token", {**form, **_client_form(client_id, client_secret)})
        token = answer.body.get("refresh_token")
        if answer.status != 200 or not isinstance(token, str):
            raise SourceNotAuthorized(f"Google did not grant access: {_reason(answer)}; start the authorization again")
        return {self.secret_field: token}

    def refresh(self, refresh_token: str) -> tuple[str, float]:
        """Return an access token and for how many seconds it is good. Raises `SourceNotAuthorized`, `SourceUnavailable`."""
        client_id, client_secret = self._client()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **_client_form(client_id, client_secret)}
        answer = self._http.post_form(f"{self._options.token_url}/token", form)
        token = answer.body.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            raise SourceNotAuthorized(f"Google withdrew the access ({_reason(answer)}): authorize the connection again")
        return token, float(answer.body.get("expires_in", 3600))

    def _client(self) -> tuple[str, str | None]:
        if not self._options.client_id:
            raise ConfigurationError("GOOGLE_CLIENT_ID (and GOOGLE_CLIENT_SECRET) must be set for private sheets")
        return self._options.client_id, self._options.client_secret


class AccessTokens:
    """Access tokens of connections, in memory, refreshed a minute before they end."""

    def __init__(self, oauth: GoogleOAuth, *, clock: Clock) -> None:
        self._oauth = oauth
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    def token(self, access: Access, refresh_token: str, *, instead_of: str | None = None) -> str:
        """Return a token for `access`; `instead_of` one that was refused, which is not returned again."""
        key = hashlib.sha256(f"{access.connection_id}\n{refresh_token}".encode()).hexdigest()
        with self._lock:
            token, ends_at = self._tokens.get(key, ("", 0.0))
        if token and token != instead_of and self._clock.monotonic() < ends_at:
            return token
        token, seconds = self._oauth.refresh(refresh_token)
        with self._lock:
            self._tokens[key] = (token, self._clock.monotonic() + max(0.0, seconds - _EARLY_SECONDS))
        return token


def _client_form(client_id: str, client_secret: str | None) -> dict[str, str]:
    return {"client_id": client_id, **({"client_secret": client_secret} if client_secret else {})}


def _reason(answer: Answer) -> str:
    """Return the error's name only: a description may hold what was sent."""
    error = answer.body.get("error")
    return error[:60] if isinstance(error, str) else str(answer.status)
