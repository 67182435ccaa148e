"""Looking at Redis: version, rights, clock, and what it does when its memory is full."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from spice_core.adapters.redis.connection import RedisServer
from spice_core.domain.findings import Finding, clock_finding
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

OLDEST_VERSION = 6
_PART = "redis"
_ADVICE = "is the server of REDIS_URL up? Without it each process limits for itself, and statuses come from PostgreSQL"
_SECONDS = 3.0


def inspect_redis(url: str, *, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    """Yield what is found at `url`; writes one key that lives a few seconds."""
    try:
        server = RedisServer(url, timeout_seconds=_SECONDS)
    except SpiceError as error:
        yield Finding(_PART, "down", error.message, "correct REDIS_URL")
        return
    try:
        yield from _inspect(server, clock, ids)
    except SpiceError as error:
        yield Finding(_PART, "down", error.message, "correct REDIS_URL")
    except (RedisError, OSError) as error:
        yield Finding(_PART, "down", f"REDIS_URL does not answer: {error}", _ADVICE)
    finally:
        server.close()


def _inspect(server: RedisServer, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    server.check()
    client: Any = server.client
    info = client.info()
    version = str(info.get("redis_version", "0"))
    if int(version.partition(".")[0]) < OLDEST_VERSION:
        yield Finding(_PART, "down", f"version {version}", f"REDIS_URL must name Redis {OLDEST_VERSION} or newer")
        return
    key = f"spice:doctor:{ids.new_id()}"
    client.set(key, b"probe", ex=10)
    client.delete(key)
    yield Finding(_PART, "ok", f"version {version}, writable, {info.get('used_memory_human', '?')} used")
    seconds, micros = client.time()
    yield clock_finding(_PART, theirs=datetime.fromtimestamp(seconds + micros / 1e6, tz=UTC), ours=clock.now())
    if int(info.get("maxmemory", 0)) and info.get("maxmemory_policy") == "noeviction":
        advice = "set maxmemory-policy to allkeys-lru or volatile-lru on the server of REDIS_URL: all of it is a cache"
        yield Finding("redis memory", "warning", "refuses writes when it is full (noeviction)", advice)
