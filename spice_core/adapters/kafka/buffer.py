"""What has come from Kafka and is not handled yet, by database and position. Bounded: the log has what is dropped."""

import threading
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Carried:
    """One message's event, not parsed. `line` is None where the message came without it."""

    position: int
    segment: int
    event_id: str
    line: bytes | None


class DeliveryBuffer:
    """The undelivered messages of one consumer. Safe for many threads."""

    def __init__(self, *, events_per_database: int, bytes_in_all: int) -> None:
        """Keep up to so many messages of one database, and up to so many bytes of lines in all."""
        self._most_events = events_per_database
        self._most_bytes = bytes_in_all
        self._held: dict[str, dict[int, Carried]] = defaultdict(dict)
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, database: str, carried: Carried) -> bool:
        """Keep `carried`; False where there is no room. A position that is known already is kept as it is."""
        size = len(carried.line or b"")
        with self._lock:
            held = self._held[database]
            if carried.position in held:
                return True
            if len(held) >= self._most_events or self._bytes + size > self._most_bytes:
                return False
            held[carried.position] = carried
            self._bytes += size
            return True

    def run(self, database: str, *, after: int, limit: int) -> list[Carried]:
        """Return what directly follows position `after`, without a gap, up to `limit`."""
        with self._lock:
            held = self._held.get(database, {})
            found: list[Carried] = []
            while len(found) < limit and (carried := held.get(after + 1 + len(found))) is not None:
                found.append(carried)
            return found

    def drop(self, database: str, *, up_to: int | None = None, beyond: int | None = None) -> int:
        """Forget positions up to `up_to`, or those beyond `beyond`; return how many."""
        with self._lock:
            held = self._held.get(database, {})
            gone = [
                position
                for position in held
                if (up_to is not None and position <= up_to) or (beyond is not None and position > beyond)
            ]
            for position in gone:
                self._bytes -= len(held.pop(position).line or b"")
            return len(gone)
