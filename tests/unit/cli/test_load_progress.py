"""The demo says how far its loading is: in place on a terminal, now and then in a pipe."""

import io

from rich.console import Console

from spice_api.cli.tour.load_progress import LoadProgress, load_progress
from tests.write_path import SteppedClock

TOTALS = [("airlines", 16), ("flights", 27004)]


class Recorder:
    """Stands in for the line of a terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, line: str) -> None:
        self.lines.append(line.strip())


def test_terminal_shows_table_rows_and_rate():
    clock, line = SteppedClock(), Recorder()
    progress = LoadProgress(dict(TOTALS), clock=clock, console=Console(file=io.StringIO()), status=line)  # type: ignore[arg-type]
    for airlines, flights in ((0, 0), (16, 0), (16, 2000), (16, 12000), (16, 27004)):
        progress.looked({"airlines": airlines, "flights": flights})
        clock.sleep(10)
    assert line.lines == [
        "waiting for the first rows, 0 s",
        "1/2 airlines 16 of 16 rows, waiting for the next table",
        "2/2 flights 2,000 of 27,004 rows",
        "2/2 flights 12,000 of 27,004 rows, 1,000/s",
        "2/2 flights 27,004 of 27,004 rows, waiting for search and checks",
    ]


def test_pipe_gets_a_line_every_quarter_of_a_minute():
    clock, out = SteppedClock(), io.StringIO()
    with load_progress(TOTALS, clock=clock, console=Console(file=out, width=100)) as progress:
        for second in range(61):
            progress.looked({"airlines": 16, "flights": second * 100})
            clock.sleep(1)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert len(lines) == 4
    assert lines[1] == "2/2 flights 3,000 of 27,004 rows, 100/s"


def test_counting_takes_a_small_share_of_the_time():
    clock = SteppedClock()
    progress = LoadProgress(dict(TOTALS), clock=clock, console=Console(file=io.StringIO()), status=None)
    assert progress.is_due
    progress.looked({"flights": 1}, took_seconds=0.5)
    clock.sleep(9)
    assert not progress.is_due
    clock.sleep(1)
    assert progress.is_due
