"""One Redis server: short timeouts, and a circuit that keeps requests away from a server that does not answer."""

import logging
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, InvalidResponse, RedisError, ResponseError
from redis.retry import Retry

from spice_core.errors import CacheUnavailable, Closed, ConfigurationError

_log = logging.getLogger(__name__)
_FIRST_PROBE_SECONDS = 0.05
_LONGEST_PROBE_SECONDS = 1.0

T = TypeVar("T")


class RedisServer:
    """A pool of connections. After a failure every call fails at once, until a probe in the background got an answer.

    So a server that hangs costs the calls that are under way one timeout, and no later one anything.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 0.25) -> None:
        """Connect to nothing yet; `url` is redis://, rediss:// (TLS) or unix://, with credentials and database.

        Raises:
            ConfigurationError: `url` is none of these.
        """
        try:
            self.pool = ConnectionPool.from_url(
                url,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                client_name="spice",
            )
            self.pool.connection_class(**self.pool.connection_kwargs)  # connects to nothing, but refuses unknown options
            self.client: Redis = Redis(connection_pool=self.pool)
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigurationError(f"REDIS_URL is not redis://, rediss:// or unix:// with valid parts: {error}") from error
        self._lock = threading.Lock()
        self._prober: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def is_answering(self) -> bool:
        """Whether the last call got an answer, or none was made."""
        return self._prober is None

    def check(self) -> None:
        """Ask once. A server that is down is only noted: it may come back.

        Raises:
            ConfigurationError: the server answers and no later call can succeed: credentials, database, certificate,
                or it is no Redis.
        """
        try:
            self.client.ping()
        except RedisError as error:
            if reason := _lasting_reason(error):
                raise ConfigurationError(f"REDIS_URL does not work: {reason}") from error
            self._trip(error)

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, which talks to the server.

        Raises:
            CacheUnavailable: the server did not answer just now, or lately.
            Closed: `close` was called.
        """
        if self._closing.is_set():
            raise Closed("The connection to Redis is closed.")
        if self._prober is not None:
            raise CacheUnavailable("Redis does not answer; it is asked again in the background")
        try:
            return work()
        except (RedisError, OSError) as error:
            self._trip(error)
            raise CacheUnavailable(f"Redis does not answer: {error}") from error

    def close(self) -> None:
        """Close all connections; closing again does nothing."""
        self._closing.set()
        prober = self._prober
        if prober is not None:
            prober.join(timeout=5)
        self.pool.disconnect()

    def _trip(self, error: Exception) -> None:
        with self._lock:
            if self._prober is not None or self._closing.is_set():
                return
            self._prober = threading.Thread(target=self._probe, name="redis-probe", daemon=True)
            self._prober.start()
        _log.warning("Redis (REDIS_URL) does not answer, going on without it: %s", error)

    def _probe(self) -> None:
        delay = _FIRST_PROBE_SECONDS
        while not self._closing.wait(delay):
            # Connections from before may lead to a server that is gone; one that is in use ends with its own call.
            self.pool.disconnect(inuse_connections=False)
            try:
                self.client.ping()
            except (RedisError, OSError):
                delay = min(2 * delay, _LONGEST_PROBE_SECONDS)
                continue
            with self._lock:
                self._prober = None
            _log.info("Redis (REDIS_URL) answers again")
            return


def _lasting_reason(error: RedisError) -> str | None:
    """Return why asking again cannot help, or None where it may."""
    causes: list[Any] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return f"the TLS handshake failed: {error}"
    if isinstance(error, AuthenticationError):
        return f"the user or the password is refused: {error}"
    if isinstance(error, InvalidResponse | ResponseError):
        return str(error)
    return None
