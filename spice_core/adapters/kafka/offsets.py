"""Which offsets of a partition are finished: those before the first message whose event is not."""

from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_LONGEST_RUN = 1_000


@dataclass(slots=True)
class _Run:
    """Neighbouring messages of one database: their offsets and positions, and how many of them are finished."""

    database: str
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    finished: int = 0


class PartitionOffsets:
    """The messages of one partition that were read and not committed, in their order.

    A message is finished when the handler's position in its database has reached it, or when it is no event of ours. The
    offset to commit is that of the *next* message, also where skipped messages stand in between.
    """

    def __init__(self) -> None:
        self._runs: deque[_Run] = deque()
        self._waiting = 0
        self._committed = -1
        self._behind = 0

    def __len__(self) -> int:
        """Return how many messages are waited for."""
        return self._waiting

    def saw(self, offset: int, *, database: str = "", position: int = 0) -> None:
        """Note a message that was read; without a database it is nobody's.

        An offset below the last one means that the topic is another one now: what was read of the old one is forgotten.
        """
        if offset < self._behind:
            self._runs.clear()
            self._waiting = 0
            self._committed = -1
        self._behind = offset + 1
        if not self._runs or self._runs[-1].database != database or len(self._runs[-1].offsets) >= _LONGEST_RUN:
            self._runs.append(_Run(database))
        self._runs[-1].offsets.append(offset)
        self._runs[-1].positions.append(position)
        self._waiting += 1

    def finish(self, positions: Mapping[str, int]) -> int | None:
        """Drop what is finished at `positions` of the handler; return the offset to commit, None where it did not move."""
        behind = None
        while self._runs:
            run = self._runs[0]
            done = positions.get(run.database, 0)
            before = run.finished
            while run.finished < len(run.offsets) and run.positions[run.finished] <= done:
                run.finished += 1
            self._waiting -= run.finished - before
            if run.finished:
                behind = run.offsets[run.finished - 1] + 1
            if run.finished < len(run.offsets):
                break
            self._runs.popleft()
        if behind is None or behind <= self._committed:
            return None
        self._committed = behind
        return behind

    def unfinished(self, positions: Mapping[str, int]) -> str | None:
        """Return the database whose event holds the commit up, None where nothing does."""
        first = self._runs[0] if self._runs else None
        if first is None or first.finished == len(first.offsets):
            return None
        return first.database if positions.get(first.database, 0) < first.positions[first.finished] else None
