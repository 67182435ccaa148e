"""Counting requests against rates."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from spice_core.domain.rates import Rate

Mode = Literal["shared", "local"]
"""Whether all processes count together, or this one for itself."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request takes: the cost of `rate`, from the window of `bucket`."""

    bucket: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer to one request.

    Attributes:
        is_allowed: whether it may pass.
        rate: the rate that refused it, else the one under which the fewest further requests fit.
        remaining: units of `rate` that are left.
        reset_seconds: until the oldest counted unit of `rate` leaves its window, 0 where none is counted; for a refused
            request, the time after which it is worth trying again.
        mode: who counted.
        is_degraded: counted locally although counting together is asked for.
    """

    is_allowed: bool
    rate: Rate
    remaining: int
    reset_seconds: float
    mode: Mode
    is_degraded: bool = False


class RateLimiter(ABC):
    """Moving windows: in no stretch of `window_seconds`, wherever it begins, does a bucket let through more than `limit` units.

    Buckets and rates are independent: the same bucket under another rate (another name, limit or window) is another window.
    What was taken comes back `window_seconds` later, each unit by itself, not all at the end of a fixed interval.
    """

    is_remote: ClassVar[bool] = False
    """Whether `take` talks to another process, so that an event loop should leave it to a thread."""

    @abstractmethod
    def take(self, charges: Sequence[Charge]) -> Allowance:
        """Take every charge, or none: a refused request costs nothing. Of concurrent callers no more pass than fit.

        `charges` has at least one, and no two of one bucket and rate.

        Raises:
            CacheUnavailable: (retryable) whoever counts does not answer; it may have counted.
        """

    @property
    @abstractmethod
    def mode(self) -> Mode:
        """Who counts just now."""

    @property
    @abstractmethod
    def is_degraded(self) -> bool:
        """Whether counting is local just now although counting together is asked for."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing. `take` then raises `Closed`."""
