"""Waiting between attempts: exponential, jittered, bounded."""

from collections.abc import Iterator

from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_FIRST_SECONDS = 0.02
_LONGEST_SECONDS = 1.0


def attempts(count: int, *, clock: Clock, ids: IdSource) -> Iterator[bool]:
    """Yield up to `count` times whether this is the last attempt, sleeping before each but the first.

    The pauses double from 20 ms to 1 s; each is shortened by a random part of up to half, so that processes which
    failed together do not come back together.
    """
    pause = _FIRST_SECONDS
    for number in range(1, count + 1):
        yield number == count
        if number < count:
            clock.sleep(pause * (0.5 + 0.5 * random_fraction(ids)))
            pause = min(pause * 2, _LONGEST_SECONDS)


def random_fraction(ids: IdSource) -> float:
    """Return a number from 0 to below 1, taken from a fresh id, so that a simulation repeats it."""
    return int(ids.new_id()[:8], 16) / 2**32
