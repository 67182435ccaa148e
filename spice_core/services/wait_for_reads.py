"""Read-your-writes: a read waits a little for what the log held when it arrived."""

from dataclasses import dataclass, field

from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.waiting_room import WaitingRoom

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1
_PLACES = 48


@dataclass(frozen=True, slots=True)
class ReadBarrier:
    """Waits until handlers have done what the log of a database holds now, for `seconds` in all and never longer.

    `room` bounds how many wait at once; what is reached already needs no place in it.
    """

    log: EventLog
    work: WorkLedger
    clock: Clock
    seconds: float
    room: WaitingRoom = field(default_factory=lambda: WaitingRoom(_PLACES))

    def wait(self, database: str, *handlers: str) -> list[str]:
        """Wait for `handlers` one after the other; return those that are still behind.

        Each waits for the log's head at its own turn, since a handler appends the events that the next one waits for.

        Raises:
            LogBehind: (retryable) it is not reached, and too many wait already.
        """
        deadline = self.clock.monotonic() + self.seconds
        behind = []
        for handler in handlers:
            position = self.log.head(database).position
            if not self._reached(handler, database, position, deadline):
                behind.append(handler)
        return behind

    def _reached(self, handler: str, database: str, position: int, deadline: float) -> bool:
        if self.work.position(handler, database) >= position:
            return True
        pause = _FIRST_PAUSE_SECONDS
        with self.room.required_place():
            while (left := deadline - self.clock.monotonic()) > 0:
                self.clock.sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                if self.work.position(handler, database) >= position:
                    return True
        return False
