"""Counting together where that works, and locally where it does not: never unlimited, never an outage."""

from collections.abc import Sequence
from dataclasses import replace

from spice_core.errors import Unavailable
from spice_core.ports.rate_limiter import Allowance, Charge, Mode, RateLimiter


class FallbackRateLimiter(RateLimiter):
    """Asks `shared`; while that does not answer, `local` counts with the same rates, and the answer says so."""

    is_remote = True

    def __init__(self, shared: RateLimiter, *, local: RateLimiter) -> None:
        """Own both: closing closes them."""
        self._shared = shared
        self._local = local

    def take(self, charges: Sequence[Charge]) -> Allowance:
        """Take from the shared windows, else from the local ones; raises nothing but `Closed`."""
        try:
            return self._shared.take(charges)
        except Unavailable:
            return replace(self._local.take(charges), is_degraded=True)

    @property
    def mode(self) -> Mode:
        return self._local.mode if self._shared.is_degraded else self._shared.mode

    @property
    def is_degraded(self) -> bool:
        return self._shared.is_degraded

    def close(self) -> None:
        self._shared.close()
        self._local.close()
