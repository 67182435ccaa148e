"""The platform inside one command: opened for it, closed after it, with the embedded server stopped by the last to leave."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spice_core.bootstrap import Platform, bootstrap, state_directory, stop_infrastructure
from spice_core.services.wait_for_reads import ReadBarrier
from spice_core.settings import Settings, load_settings

_USERS_LOCK = "users.lock"


@contextmanager
def platform(settings: Settings | None = None, *, process: str = "cli") -> Iterator[Platform]:
    """Open the platform for one command.

    Works beside a running `spice dev`, and without one: then the embedded server runs for as long as some command needs it.
    """
    settings = settings or load_settings()
    with using_infrastructure(settings):
        opened = bootstrap(settings, process=process)
        try:
            yield opened
        finally:
            opened.close()


def read_barrier(parts: Platform) -> ReadBarrier:
    """Return what lets a command see what was accepted before it: it waits as long as a read over HTTP does."""
    return ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=parts.settings.read_wait_seconds)


@contextmanager
def using_infrastructure(settings: Settings) -> Iterator[Callable[[], None]]:
    """Count as a user of the embedded server; the last user stops it, at the end of the block or when it calls the value."""
    path = state_directory(settings) / _USERS_LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def leave() -> None:
        if _is_last_user(descriptor):
            stop_infrastructure(settings)

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            yield leave
        finally:
            leave()
    finally:
        os.close(descriptor)


def _is_last_user(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
