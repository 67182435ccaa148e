"""Time, so that simulation can drive it."""

from abc import ABC, abstractmethod
from datetime import datetime


class Clock(ABC):
    """The present, and waiting for later."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the present as an aware UTC datetime, microsecond resolution. It may jump."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Return after `seconds` (zero or more) have passed."""
