"""Steps that a part which is down interrupts are done again by themselves; what cannot pass fails at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from spice_core.errors import Unavailable
from spice_core.ports.clock import Clock

RETRIES = 3
PAUSE_SECONDS = 15
_TELL_SECONDS = 10.0


@contextmanager
def repeated() -> Iterator[None]:
    """Let Dagster repeat the step where what is inside raises `Unavailable`: `RETRIES` times, `PAUSE_SECONDS` apart."""
    try:
        yield
    except Unavailable as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=PAUSE_SECONDS) from error


def now_and_then(tell: Callable[[str], None], clock: Clock) -> Callable[[str], None]:
    """Return a `tell` that passes a line on at most every ten seconds: progress without an event per row."""
    told = clock.monotonic()

    def tell_if_due(line: str) -> None:
        nonlocal told
        if clock.monotonic() - told >= _TELL_SECONDS:
            told = clock.monotonic()
            tell(line)

    return tell_if_due
