"""Processes that outlive whoever started them: known by number and start time, signalled with all that they started."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spice_api.dev.servers.account import Account

_POLL_SECONDS = 0.02
_RUN_SECONDS = 120.0
_STATE, _PARENT, _THREADS, _STARTED = 0, 1, 17, 19  # fields of /proc/<pid>/stat after the name: proc(5)


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine. The number alone would not do: it may come back as a stranger's.

    Attributes:
        pid: its number.
        started: when it started, in clock ticks since the machine did.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """Return the process that has this number now; None: there is none, or one that only waits to be reaped."""
        fields = _fields(pid)
        return None if fields is None else cls(pid, int(fields[_STARTED]))

    def is_alive(self) -> bool:
        """Whether it still runs (a stopped one does)."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # a child of ours that ended would stay as a zombie
        return Process.of(self.pid) == self

    def family(self) -> list["Process"]:
        """Return itself and every process that it or its children started, as they are now, parents first."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").iterdir():
            fields = _fields(int(folder.name)) if folder.name.isdigit() else None
            if fields is not None:
                children.setdefault(int(fields[_PARENT]), []).append(int(folder.name))
        pids = [self.pid]
        for pid in pids:
            pids.extend(children.get(pid, []))
        return [process for pid in pids if (process := Process.of(pid)) is not None]

    def signal(self, number: int) -> None:
        """Send a signal to this process alone, if it still runs."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_family(self, number: int) -> None:
        """Send a signal to it and to everything that it started."""
        for process in self.family() if self.is_alive() else []:
            process.signal(number)

    def kill(self) -> None:
        """End it and everything that it started, at once, and wait until all are gone: kill -9 returns before that."""
        self.signal_family(signal.SIGSTOP)  # a stopped process starts no other
        family = self.family() if self.is_alive() else []
        for process in family:
            process.signal(signal.SIGKILL)
        for process in family:
            process.wait_gone(seconds=30.0)

    def wait_gone(self, *, seconds: float) -> bool:
        """Wait until it has ended; whether it has."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def spawn(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path, account: Account) -> Process:
    """Start a program in `folder` as `account`, its output appended to `log`; it goes on when this process ends."""
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **account.identity(),
        )
    process = Process.of(child.pid) or Process(child.pid, 0)
    child.returncode = 0  # not ours to wait for: without this Python warns that it still runs
    return process


def run(
    command: Sequence[str], *, account: Account, environment: Mapping[str, str], folder: Path, words: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a program as `account` with `words` on its standard input; what it says is in `stdout`, errors too."""
    return subprocess.run(  # noqa: S603 - our own commands
        list(command),
        check=False,
        input=words,
        env=dict(environment),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_RUN_SECONDS,
        **account.identity(),
    )


def _fields(pid: int) -> list[str] | None:
    """Return what follows the name in /proc/<pid>/stat; None: there is no such process, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if not fields:
        return None
    # The first thread of a killed program can be a zombie while others still hold its ports and files.
    is_over = fields[_STATE] in {"Z", "X"} and int(fields[_THREADS]) <= 1
    return None if is_over else fields
