"""Read-your-writes: a read waits a little for what the log held when it arrived."""

from dataclasses import dataclass

from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ReadBarrier:
    """Waits until handlers have done what the log of a database holds now, for `seconds` in all and never longer."""

    log: EventLog
    work: WorkLedger
    clock: Clock
    seconds: float

    def wait(self, database: str, *handlers: str) -> list[str]:
        """Wait for `handlers` one after the other; return those that are still behind.

        Each waits for the log's head at its own turn, since a handler appends the events that the next one waits for.
        """
        deadline = self.clock.monotonic() + self.seconds
        behind = []
        for handler in handlers:
            position = self.log.head(database).position
            if not self._reached(handler, database, position, deadline):
                behind.append(handler)
        return behind

    def _reached(self, handler: str, database: str, position: int, deadline: float) -> bool:
        pause = _FIRST_PAUSE_SECONDS
        while self.work.position(handler, database) < position:
            left = deadline - self.clock.monotonic()
            if left <= 0:
                return False
            self.clock.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return True
