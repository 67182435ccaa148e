"""The relay worker: passes the log on to Kafka, and watches over the topics."""

import logging
import threading

from spice_core.bootstrap import Platform
from spice_core.errors import ConfigurationError, SpiceError, Unavailable
from spice_core.ports.event_publisher import EventPublisher
from spice_core.services.announce_dead_letters import announce_dead_letters
from spice_core.services.event_log.line_feed import LineFeed
from spice_core.services.relay_events import RelayHandler

_LOGGER = logging.getLogger(__name__)
_LEASE = "relay:dead-letters"


def build(platform: Platform, publisher: EventPublisher) -> tuple[RelayHandler, LineFeed]:
    """Return the handler that publishes every event, and the feed that delivers to it: the log itself."""
    feed = LineFeed(platform.log)
    return RelayHandler(log=platform.log, work=platform.work, publisher=publisher, feed=feed), feed


class RelayWatch:
    """Looks at the topics now and then, so that lost ones are noticed and filled again, and announces dead letters."""

    def __init__(self, platform: Platform, publisher: EventPublisher, *, owner: str, seconds: float = 1.0) -> None:
        """`owner` takes the lease of announcing, so that one process announces at a time."""
        self._platform = platform
        self._publisher = publisher
        self._owner = owner
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay-watch", daemon=True)

    def start(self) -> None:
        """Check the topics once, in this thread, and then in the background.

        Raises:
            ConfigurationError: the topics are not as the settings say, or the credentials are refused. A cluster that does
                not answer is no reason to refuse: the relay waits for it.
        """
        try:
            self._publisher.check()
        except Unavailable as error:
            _LOGGER.warning("%s; the relay waits", error.message)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15.0)

    def _run(self) -> None:
        is_well = True
        while not self._stop.wait(self._seconds):
            try:
                self._publisher.check()
                self._announce()
            except (ConfigurationError, Unavailable) as error:
                if is_well:
                    _LOGGER.warning("%s", error.message)
                is_well = False
            except SpiceError as error:
                _LOGGER.exception("dead letters are not announced: %s", error.message)
            else:
                is_well = True

    def _announce(self) -> None:
        work = self._platform.work
        if work.acquire(_LEASE, owner=self._owner, seconds=self._platform.settings.lease_seconds) is None:
            return
        while not self._stop.is_set() and announce_dead_letters(work=work, log=self._platform.log, publisher=self._publisher):
            continue
