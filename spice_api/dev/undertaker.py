"""Leaves no orphan: ends the children of a supervisor that was itself killed.

Runs beside the supervisor and reads from it, line by line, `+<group>` and `-<group>` (process groups that began and ended) and
`done`. If the pipe ends without `done`, the supervisor is dead: every group that is left gets SIGTERM, then SIGKILL, and then
the command in the arguments runs (it stops the embedded server). It imports next to nothing: it must be small and cannot fail.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_SECONDS = 15.0


def main() -> None:
    """Wait for the supervisor's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = _groups_at_end(sys.stdin)
    if groups is None:
        return
    end_groups(groups, grace_seconds=GRACE_SECONDS)
    if sys.argv[1:]:
        subprocess.run(sys.argv[1:], check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - the supervisor's own words


def _groups_at_end(lines: Iterable[str]) -> set[int] | None:
    """Return the groups that are left when the lines end, None where the supervisor said that it is done."""
    groups: set[int] = set()
    for line in lines:
        word = line.strip()
        if word == "done":
            return None
        if word.startswith("+"):
            groups.add(int(word[1:]))
        elif word.startswith("-"):
            groups.discard(int(word[1:]))
    return groups


def end_groups(groups: Iterable[int], *, grace_seconds: float) -> None:
    """Ask process groups to stop (SIGTERM) and kill what is left after `grace_seconds`."""
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if is_group_alive(group)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none, only look) to a process group; whether there was one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_group_alive(group: int) -> bool:
    """Whether a process of the group still runs; one that only waits to be reaped does not count."""
    if not signal_group(group, 0):
        return False
    processes = Path("/proc")
    if not processes.is_dir():
        return True
    return any(_group_of(folder) == group for folder in processes.iterdir() if folder.name.isdigit())


def _group_of(folder: Path) -> int | None:
    """Return the process group of a process that is not a zombie."""
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[2])


if __name__ == "__main__":
    main()
