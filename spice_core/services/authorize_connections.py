"""A person's consent for a connection: the authorization code flow with PKCE, whatever process its ends arrive at."""

import base64
import hashlib
import json
from datetime import datetime, timedelta

from spice_core.errors import InvalidInput, SourceNotAuthorized
from spice_core.ports.clock import Clock
from spice_core.ports.connector import OAuthFlow
from spice_core.ports.id_source import IdSource
from spice_core.ports.secret_store import SecretStore
from spice_core.services.save_connections import ConnectionCommands, Saved

_GOOD_FOR = timedelta(minutes=10)
_STATE_CHARACTERS = 64


class AuthorizeConnections:
    """Begins and ends authorizations. What ties the two ends together is one secret, good once and for ten minutes."""

    def __init__(
        self, *, connections: ConnectionCommands, secrets: SecretStore, clock: Clock, ids: IdSource, redirect_uri: str
    ) -> None:
        self._connections = connections
        self._secrets = secrets
        self._clock = clock
        self._ids = ids
        self._redirect_uri = redirect_uri

    def begin(self, database: str, connection_id: str, *, actor: str | None) -> str:
        """Return the address where a person consents.

        Raises:
            RecordNotFound: there is no such connection.
            InvalidInput: its kind takes no consent.
            ConfigurationError: no client is configured.
        """
        connection = self._connections.connection(database, connection_id)
        flow = self._flow(connection.kind)
        state, verifier = self._random(), self._random()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        address = flow.authorization_url(state=state, challenge=challenge, redirect_uri=self._redirect_uri)
        kept = {
            "database": database,
            "connection_id": connection_id,
            "verifier": verifier,
            "actor": actor,
            "ends_at": (self._clock.now() + _GOOD_FOR).isoformat(),
        }
        self._secrets.put(_name(state), json.dumps(kept))
        return address

    def finish(self, state: str, code: str) -> Saved:
        """Store what the consent gives, in the name of whoever began; the connection is active afterwards.

        Raises:
            SourceNotAuthorized: nobody began with this state, it was used, it is too old, or the code is refused.
            SourceUnavailable: the other side does not answer; begin again.
        """
        text = self._secrets.take(_name(state)) if len(state) == _STATE_CHARACTERS else None
        kept = json.loads(text) if text is not None else None
        if kept is None or datetime.fromisoformat(kept["ends_at"]) < self._clock.now():
            raise SourceNotAuthorized("this authorization is not under way (any more): begin it again")
        connection = self._connections.connection(kept["database"], kept["connection_id"])
        secrets = self._flow(connection.kind).exchange(code=code, verifier=kept["verifier"], redirect_uri=self._redirect_uri)
        return self._connections.set_secrets(connection, secrets, actor=kept["actor"])

    def _flow(self, kind: str) -> OAuthFlow:
        flow = self._connections.connector(kind).oauth
        if flow is None:
            raise InvalidInput(f"connections of kind {kind} take no consent: give them their secrets")
        return flow

    def _random(self) -> str:
        """Return 64 characters that nobody can guess."""
        return "".join(self._ids.new_id().replace("-", "") for _ in range(2))


def _name(state: str) -> str:
    return f"authorization {hashlib.sha256(state.encode()).hexdigest()}"
