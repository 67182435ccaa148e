"""Which offsets of a partition are finished: those before the first message whose event is not."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_RUN = 100


@dataclass(slots=True)
class _Run:
    """Neighbouring messages of one log, finished together: the first offset, the one behind the last, the last position."""

    database: str
    first: int
    behind: int
    position: int


class PartitionOffsets:
    """The messages of one partition that were read and not committed, in their order.

    A message is finished when the handler's position in its database has reached it, or when it is no event of ours. The
    offset to commit is that of the *next* message, also where skipped messages stand in between.
    """

    def __init__(self) -> None:
        self._runs: deque[_Run] = deque()
        self._committed = -1
        self._behind = 0

    def __len__(self) -> int:
        """Return how many messages are waited for."""
        return sum(run.behind - run.first for run in self._runs)

    def saw(self, offset: int, *, database: str = "", position: int = 0) -> None:
        """Note a message that was read; without a database it is nobody's.

        An offset below the last one means that the topic is another one now: what was read of the old one is forgotten.
        """
        if offset < self._behind:
            self._runs.clear()
            self._committed = -1
        self._behind = offset + 1
        last = self._runs[-1] if self._runs else None
        if last is not None and last.database == database and offset >= last.behind and offset - last.first < _LONGEST_RUN:
            last.behind = offset + 1
            last.position = max(last.position, position)
        else:
            self._runs.append(_Run(database, offset, offset + 1, position))

    def finish(self, positions: Mapping[str, int]) -> int | None:
        """Drop what is finished at `positions` of the handler; return the offset to commit, None where it did not move."""
        behind = None
        while self._runs:
            run = self._runs[0]
            if run.database and positions.get(run.database, 0) < run.position:
                break
            behind = run.behind
            self._runs.popleft()
        if behind is None or behind <= self._committed:
            return None
        self._committed = behind
        return behind

    def unfinished(self, positions: Mapping[str, int]) -> str | None:
        """Return the database whose event holds the commit up, None where nothing does."""
        first = self._runs[0] if self._runs else None
        return first.database if first is not None and positions.get(first.database, 0) < first.position else None
