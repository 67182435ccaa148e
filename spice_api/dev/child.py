"""One supervised process: started in a group of its own, watched, restarted with backoff, stopped whole."""

import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from spice_api.dev.output import Output
from spice_api.dev.parts import Part
from spice_api.dev.undertaker import is_group_alive, signal_group

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
STABLE_SECONDS = 60.0


class ChildState(StrEnum):
    """Where a child is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


class Child:
    """The process of one part, over its restarts. Not safe for several threads."""

    def __init__(self, part: Part, *, environment: Mapping[str, str], output: Output, note_group: Callable[[str], None]) -> None:
        self.part = part
        self.state = ChildState.WAITING
        self.was_ready = False
        self.restarts = 0
        self._environment = {**environment, **part.environment}
        self._output = output
        self._note_group = note_group
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._next_start_at = 0.0
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The process (also its group), None while none runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process now."""
        if self.part.ready_socket is not None:
            self.part.ready_socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own commands
            self.part.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._note_group(f"+{self._process.pid}")
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._output.follow(self.part.name, self._process.stdout)
        self._started_at = time.monotonic()
        self.state = ChildState.STARTING

    def watch(self) -> int | None:
        """Look once: become ready, or notice the end and plan a restart; return the exit code if it just ended."""
        if self._process is None:
            if self.restarts and time.monotonic() >= self._next_start_at and self.state is ChildState.WAITING:
                self.start()
            return None
        code = self._process.poll()
        if code is not None:
            self._ended()
            return code
        if self.state is ChildState.STARTING and _is_ready(self.part):
            self.state = ChildState.READY
            self.was_ready = True
        return None

    def next_start_in(self) -> float:
        """Return the seconds until the planned restart."""
        return max(0.0, self._next_start_at - time.monotonic())

    def terminate(self) -> None:
        """Ask the process group to stop."""
        self.state = ChildState.STOPPED
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process group at once and reap the process."""
        self.state = ChildState.STOPPED
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._note_group(f"-{self._process.pid}")
            self._process = None

    def is_gone(self) -> bool:
        """Whether the process and everything in its group has ended."""
        if self._process is None:
            return True
        if self._process.poll() is None or is_group_alive(self._process.pid):
            return False
        self._note_group(f"-{self._process.pid}")
        self._process = None
        return True

    def _ended(self) -> None:
        """Sweep up what the process left in its group, and plan the restart."""
        assert self._process is not None  # noqa: S101 - the caller looked
        signal_group(self._process.pid, signal.SIGKILL)
        self._note_group(f"-{self._process.pid}")
        self._process = None
        self._failures = 1 if time.monotonic() - self._started_at > STABLE_SECONDS else self._failures + 1
        delay = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (self._failures - 1))
        self._next_start_at = time.monotonic() + delay
        self.restarts += 1
        self.state = ChildState.WAITING


def _is_ready(part: Part) -> bool:
    if part.ready_url is not None:
        return answers(part.ready_url)
    return part.ready_socket is None or _connects(part.ready_socket)


def answers(url: str, *, seconds: float = 1.0) -> bool:
    """Whether a GET of `url` is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:  # noqa: S310 - our own http addresses
            return bool(200 <= response.status < 300)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
