"""How far the loading is: one line that stays in place on a terminal, a new line now and then in a pipe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from spice_api.cli.report import shown
from spice_core.ports.clock import Clock

_LINE_SECONDS = 15.0
_SHORTEST_PAUSE = 2.0
_SHARE_OF_TIME = 20.0


class LoadProgress:
    """Says of the table that grows how many of its rows are instances, and how many are added per second."""

    def __init__(self, totals: Mapping[str, int], *, clock: Clock, console: Console, status: Status | None) -> None:
        """`totals` are the rows of each table, in the order of loading; without a `status` lines are printed."""
        self._totals = dict(totals)
        self._clock = clock
        self._console = console
        self._status = status
        self._counts = dict.fromkeys(totals, 0)
        self._since: dict[str, tuple[float, int]] = {}
        self._started = self._printed = self._next_look = clock.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed since the last look for another one to be cheap."""
        return self._clock.monotonic() >= self._next_look

    def looked(self, counts: Mapping[str, int], *, took_seconds: float = 0.0) -> None:
        """Take up how many instances each table has now, which took `took_seconds` to find out; say so where it is time."""
        now = self._clock.monotonic()
        self._next_look = now + max(_SHORTEST_PAUSE, _SHARE_OF_TIME * took_seconds)
        grown = [name for name, count in counts.items() if count > self._counts[name]]
        for name in grown:
            self._since.setdefault(name, (now, counts[name]))
        self._counts.update(counts)
        self._say(self._line(now))

    def _line(self, now: float) -> str:
        begun = list(self._since)
        if not begun:
            return f"waiting for the first rows, {now - self._started:.0f} s"
        name = begun[-1]
        count, rows = self._counts[name], self._totals[name]
        place = f"{len(begun)}/{len(self._totals)} {name} {shown(count)} of {shown(rows)} rows"
        if count >= rows:
            return f"{place}, waiting for {'search and checks' if len(begun) == len(self._totals) else 'the next table'}"
        at, first = self._since[name]
        return f"{place}, {shown(round((count - first) / (now - at)))}/s" if count > first else place

    def _say(self, line: str) -> None:
        now = self._clock.monotonic()
        if self._status is not None:
            self._status.update(f"  {line}")
        elif now - self._printed >= _LINE_SECONDS:
            self._printed = now
            self._console.print(f"  {line}")


@contextmanager
def load_progress(tables: Sequence[tuple[str, int]], *, clock: Clock, console: Console) -> Iterator[LoadProgress]:
    """Show progress while the body runs; `tables` are names with their rows."""
    if not console.is_terminal:
        yield LoadProgress(dict(tables), clock=clock, console=console, status=None)
        return
    with console.status("  starting") as status:
        yield LoadProgress(dict(tables), clock=clock, console=console, status=status)
