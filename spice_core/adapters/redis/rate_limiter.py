"""Moving windows in Redis, counted together by all processes."""

from collections.abc import Sequence
from importlib.resources import files

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage

from spice_core.adapters.redis.connection import RedisServer
from spice_core.errors import Closed
from spice_core.ports.rate_limiter import Allowance, Charge, Mode, RateLimiter

_PREFIX = "spice:rates"


class RedisRateLimiter(RateLimiter):
    """The moving windows of `limits`, with one round trip per request whatever it is charged for.

    `limits` itself asks once per limit and once more for what is left, by the caller's clock, and cannot undo a charge. The
    script here keeps its keys and its layout, takes all charges or none, and goes by the server's clock: the clocks of the
    callers do not matter.
    """

    is_remote = True

    def __init__(self, server: RedisServer) -> None:
        """Use `server`, which the caller closes."""
        self._server = server
        self._storage = RedisStorage("redis://", connection_pool=server.pool, key_prefix=_PREFIX)
        self._is_closed = False
        self._take = server.client.register_script(files(__package__).joinpath("take.lua").read_text())

    def take(self, charges: Sequence[Charge]) -> Allowance:
        if self._is_closed:
            raise Closed("The rate limiter is closed.")
        keys = [self._key(charge) for charge in charges]
        numbers = [number for charge in charges for number in _numbers(charge)]
        refused, now, *counts = self._server.call(lambda: self._take(keys, numbers))
        found = [
            (charge.rate, charge.rate.limit - int(count), float(oldest) + charge.rate.window_seconds - float(now))
            for charge, count, oldest in zip(charges, counts[::2], counts[1::2], strict=True)
        ]
        shown = found[int(refused) - 1] if refused else min(found, key=lambda item: item[1] // item[0].cost)
        rate, left, reset = shown
        return Allowance(not refused, rate, max(0, left), reset if left < rate.limit else 0.0, "shared")

    @property
    def mode(self) -> Mode:
        return "shared"

    @property
    def is_degraded(self) -> bool:
        return not self._server.is_answering

    def close(self) -> None:
        self._is_closed = True

    def _key(self, charge: Charge) -> str:
        item = RateLimitItemPerSecond(charge.rate.limit, charge.rate.window_seconds, charge.rate.name)
        return self._storage.prefixed_key(item.key_for(charge.bucket))


def _numbers(charge: Charge) -> tuple[int, int, int]:
    return charge.rate.limit, charge.rate.window_seconds, charge.rate.cost
