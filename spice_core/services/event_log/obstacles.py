"""What stands in the way of a background thread, which nobody waits for and which must go on."""

import logging
from collections.abc import Callable

from spice_core.errors import SpiceError

_log = logging.getLogger(__name__)


class Obstacles:
    """The errors that a background thread met, by subject: each stands until an attempt at its subject succeeds."""

    def __init__(self, thread: str) -> None:
        """`thread` is its name, for the log."""
        self._thread = thread
        self._standing: dict[str, Exception] = {}

    @property
    def last_error(self) -> Exception | None:
        """The newest error that stands, None where nothing is in the way."""
        standing = list(self._standing.values())
        return standing[-1] if standing else None

    def attempt(self, subject: str, work: Callable[[], None]) -> Exception | None:
        """Do `work` and return what it raised, which is kept, and logged where another kind of error (or none) stood before."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread that ended would never do its work again, and nobody would notice
            self._note(subject, error)
            return error
        self.clear(subject)
        return None

    def clear(self, subject: str) -> None:
        """Forget what stood in the way of `subject`: it is done, by us or by another process."""
        if self._standing.pop(subject, None) is not None:
            _log.info("%s: %s works again", self._thread, subject)

    def _note(self, subject: str, error: Exception) -> None:
        before = self._standing.pop(subject, None)
        self._standing[subject] = error
        if type(before) is not type(error):  # by its kind: the text may differ every time, as by the id of a request
            trace = None if isinstance(error, SpiceError) else error
            level = logging.WARNING if trace is None else logging.ERROR
            _log.log(level, "%s: %s failed: %s: %s", self._thread, subject, type(error).__name__, error, exc_info=trace)
