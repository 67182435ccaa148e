"""HTTP to Elasticsearch: one pool, JSON both ways, and every failure as an error of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from spice_core.errors import Closed, ConfigurationError, SearchUnavailable
from spice_core.ports.clock import Clock

MAJOR = 9
"""The major version whose requests these are."""

_CREDENTIALS = "ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
_BUSY = frozenset({429, 502, 503, 504})
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ElasticsearchOptions:
    """Where the server is and who asks; an API key goes before a password."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout_seconds: float = 10.0
    connections: int = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a request that it understood."""

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        """Whether the request was done."""
        return self.status < 300

    @property
    def error_type(self) -> str:
        """The name of the server's error, empty if there is none."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error.get("type", "")) if isinstance(error, dict) else str(error or "")

    @property
    def reason(self) -> str:
        """Why the request was refused, with the causes below it."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if not isinstance(error, dict):
            return str(error or self.status)
        roots = [str(item.get("reason")) for item in error.get("root_cause", ()) if item.get("reason") != error.get("reason")]
        return "; ".join([f"{error.get('type')}: {error.get('reason')}", *roots])[:500]

    def require(self) -> Any:
        """Return the body.

        Raises:
            SearchUnavailable: the request was refused.
        """
        if not self.is_ok:
            raise SearchUnavailable(f"Elasticsearch refused a request ({self.status}): {self.reason}")
        return self.body


class Elasticsearch:
    """A pool of connections to one cluster. Safe for many threads."""

    def __init__(self, options: ElasticsearchOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._base = options.url.rstrip("/")
        self._headers = _headers(options)
        self._is_closed = False
        ca_file = None if options.ca_file is None else str(options.ca_file)
        timeout = urllib3.Timeout(connect=min(options.timeout_seconds, 5.0), read=options.timeout_seconds)
        self._pool = urllib3.PoolManager(maxsize=options.connections, retries=False, timeout=timeout, ca_certs=ca_file)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._base

    @property
    def clock(self) -> Clock:
        """The clock that waits and retries go by."""
        return self._clock

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        attempts: int = _ATTEMPTS,
        read: Callable[[bytes], Any] = orjson.loads,
    ) -> Answer:
        """Send a request and return the answer, also a refusal. A busy server is asked again, up to `attempts` times in all.

        `read` makes the body of what the server sent.

        Raises:
            SearchUnavailable: the server cannot be reached, stays busy, failed, or does not know or trust us.
        """
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        answer = self._send(method, path, data, read)
        for attempt in range(1, attempts):
            if answer.status not in _BUSY:
                break
            self._clock.sleep(_PAUSE_SECONDS * 2**attempt)
            answer = self._send(method, path, data, read)
        if answer.status in {401, 403}:
            raise SearchUnavailable(f"Elasticsearch at {self._base} refuses us ({answer.status}); see {_CREDENTIALS}")
        if answer.status in _BUSY or answer.status >= 500:
            raise SearchUnavailable(f"Elasticsearch at {self._base} answers {answer.status}: {answer.reason}")
        return answer

    def check(self) -> str:
        """Return the server's version.

        Raises:
            ConfigurationError: it does not let us in, is not trusted, or is of another major version.
            SearchUnavailable: it cannot be reached.
        """
        try:
            answer = self._send("GET", "/", None)
        except SearchUnavailable as error:
            if isinstance(error.__cause__, SSLError):
                raise ConfigurationError(str(error)) from error
            raise
        if answer.status in {401, 403}:
            message = f"Elasticsearch at {self._base} refuses us ({answer.status}): check {_CREDENTIALS}"
            raise ConfigurationError(message)
        if answer.status in _BUSY:
            raise SearchUnavailable(f"Elasticsearch at {self._base} answers {answer.status}")
        version = answer.body.get("version") if isinstance(answer.body, dict) else None
        number = str(version.get("number", "")) if isinstance(version, dict) else ""
        if not number:
            raise ConfigurationError(f"{self._base} does not answer as Elasticsearch does: check ELASTICSEARCH_URL")
        if number.partition(".")[0] != str(MAJOR):
            message = f"Elasticsearch at {self._base} has version {number}, not {MAJOR}.x: check ELASTICSEARCH_URL"
            raise ConfigurationError(message)
        return number

    def close(self) -> None:
        """Close the connections; closing again does nothing."""
        self._is_closed = True
        self._pool.clear()

    def check_open(self) -> None:
        """Raise `Closed` after `close`."""
        if self._is_closed:
            raise Closed("The search index is closed.")

    def _send(self, method: str, path: str, data: bytes | None, read: Callable[[bytes], Any] = orjson.loads) -> Answer:
        self.check_open()
        try:
            response = self._pool.request(method, self._base + path, body=data, headers=self._headers)
        except SSLError as error:
            message = f"The certificate of Elasticsearch at {self._base} is not trusted; see ELASTICSEARCH_CA_FILE: {error}"
            raise SearchUnavailable(message) from error
        except HTTPError as error:
            raise SearchUnavailable(f"Elasticsearch at {self._base} does not answer: {error}") from error
        try:
            return Answer(response.status, read(response.data) if response.data else {})
        except orjson.JSONDecodeError:
            return Answer(response.status, {"error": response.data[:200].decode(errors="replace")})


def _headers(options: ElasticsearchOptions) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "application/json"}
    if options.api_key is not None:
        headers["authorization"] = f"ApiKey {options.api_key}"
    elif options.username is not None:
        headers |= urllib3.make_headers(basic_auth=f"{options.username}:{options.password or ''}")
    return headers
