"""Moving windows in this process."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from spice_core.domain.rates import Rate
from spice_core.errors import Closed
from spice_core.ports.clock import Clock
from spice_core.ports.rate_limiter import Allowance, Charge, Mode, RateLimiter


class MemoryRateLimiter(RateLimiter):
    """One queue of times per window, by the monotonic clock: a wall clock that jumps neither opens nor shuts a window."""

    def __init__(self, clock: Clock, *, sweep_at: int = 10_000) -> None:
        """Windows with nothing in them are dropped when there are `sweep_at`."""
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[Charge, _Window] = {}
        self._least_sweep = self._sweep_at = sweep_at
        self._is_closed = False

    def take(self, charges: Sequence[Charge]) -> Allowance:
        with self._lock:
            if self._is_closed:
                raise Closed("The rate limiter is closed.")
            now = self._clock.monotonic()
            windows = [(charge.rate, self._window(charge, now)) for charge in charges]
            refused = next(((rate, window) for rate, window in windows if window.left(rate) < rate.cost), None)
            if refused is not None:
                rate, window = refused
                return Allowance(False, rate, window.left(rate), window.reset_seconds(rate, now), "local")
            for _, window in windows:
                window.times.append(now)
            rate, window = min(windows, key=lambda found: found[1].left(found[0]) // found[0].cost)
            return Allowance(True, rate, window.left(rate), window.reset_seconds(rate, now), "local")

    @property
    def mode(self) -> Mode:
        return "local"

    @property
    def is_degraded(self) -> bool:
        return False

    def close(self) -> None:
        self._is_closed = True

    def _window(self, charge: Charge, now: float) -> "_Window":
        if len(self._windows) >= self._sweep_at:
            self._sweep(now)
        window = self._windows.setdefault(charge, _Window())
        window.forget(charge.rate, now)
        return window

    def _sweep(self, now: float) -> None:
        """Drop windows with nothing in them: one per address or principal ever seen would be too many."""
        for charge, window in list(self._windows.items()):
            window.forget(charge.rate, now)
            if not window.times:
                del self._windows[charge]
        self._sweep_at = max(self._least_sweep, 2 * len(self._windows))


@dataclass(slots=True)
class _Window:
    """The times of the requests that count, oldest first; each took the cost of the window's rate."""

    times: deque[float] = field(default_factory=deque)

    def forget(self, rate: Rate, now: float) -> None:
        while self.times and self.times[0] <= now - rate.window_seconds:
            self.times.popleft()

    def left(self, rate: Rate) -> int:
        return rate.limit - len(self.times) * rate.cost

    def reset_seconds(self, rate: Rate, now: float) -> float:
        return self.times[0] + rate.window_seconds - now if self.times else 0.0
