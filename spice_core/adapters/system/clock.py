"""The machine's clock."""

import time
from datetime import UTC, datetime

from spice_core.ports.clock import Clock


class SystemClock(Clock):
    """Wall clock and monotonic clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
