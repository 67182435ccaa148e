"""How often one principal may ask: token buckets in this process."""

from dataclasses import dataclass
from math import ceil
from threading import Lock

from spice_core.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer for one request: whether it may pass, what is left, and the seconds until one more may."""

    limit: int
    remaining: int
    window_seconds: int
    retry_after_seconds: int
    is_allowed: bool

    def headers(self) -> dict[str, str]:
        """Return the response headers that announce it; `Mode: local` says that this process counts for itself."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.retry_after_seconds),
            "X-RateLimit-Mode": "local",
        }


class TokenBuckets:
    """One bucket per principal: `limit` requests at once, refilled evenly over `window_seconds`.

    Principals come from verified credentials, so neither a header nor an address opens a second bucket, and the number of
    buckets stays that of the credentials.
    """

    def __init__(self, *, limit: int, window_seconds: int, clock: Clock) -> None:
        self._limit = limit
        self._window = window_seconds
        self._clock = clock
        self._lock = Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, principal: str) -> Allowance:
        """Take one request from the bucket of `principal`."""
        with self._lock:
            now = self._clock.monotonic()
            level, since = self._levels.get(principal, (float(self._limit), now))
            level = min(self._limit, level + (now - since) * self._limit / self._window)
            is_allowed = level >= 1
            if is_allowed:
                level -= 1
            self._levels[principal] = (level, now)
        seconds = 0 if level >= 1 else max(1, ceil((1 - level) * self._window / self._limit))
        return Allowance(self._limit, int(level), self._window, seconds, is_allowed)
