"""Starts, watches and stops every part of the platform: what `spice dev` is."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from spice_api.dev.child import Child, ChildState
from spice_api.dev.instance_lock import InstanceLock, RunningInstance
from spice_api.dev.output import Output
from spice_api.dev.parts import Part
from spice_core.errors import SpiceError

NAME = "spice"
EXIT_CLEAN = 0
EXIT_KILLED = 1
EXIT_CONFIGURATION = 2
_TICK_SECONDS = 0.2
_STOP_SECONDS = 20.0
_INFRASTRUCTURE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """The embedded server: `ensure` starts it if need be, `leave` stops it unless others use it, the command stops it anyway."""

    ensure: Callable[[], None]
    leave: Callable[[], None]
    stop_command: tuple[str, ...]


class Supervisor:
    """Runs the parts as children until a signal; a crashed one is restarted, nothing is left behind."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        environment: Mapping[str, str],
        infrastructure: Infrastructure,
        output: Output,
        lock: InstanceLock,
        notes: Sequence[str] = (),
    ) -> None:
        """Prepare; `notes` are lines to print when everything is ready."""
        self._infrastructure = infrastructure
        self._output = output
        self._lock = lock
        self._notes = notes
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._undertaker = _start_undertaker(infrastructure.stop_command)
        self._children = [Child(part, environment=environment, output=output, note_group=self._tell_undertaker) for part in parts]
        self._is_announced = False
        self._noted_ready: list[str] = []
        self._checked_at = time.monotonic()
        self._check = threading.Thread(target=self._ensure_infrastructure)

    def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP and stop cleanly; a second signal kills.

        Returns:
            0 after a clean stop, 1 if something had to be killed, 2 if a part refused its configuration.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            code = self._watch()
            return self._stop(code)
        finally:
            for child in self._children:
                child.kill()
            if self._check.is_alive():
                self._check.join(_STOP_SECONDS)
            self._infrastructure.leave()
            self._tell_undertaker("done")
            self._say("stopped")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.put(number)

    def _watch(self) -> int:
        while self._signals.empty():
            for child in self._children:
                self._start_if_due(child)
                code = child.watch()
                if code is None:
                    continue
                if code == EXIT_CONFIGURATION and not child.was_ready:
                    self._say(f"{child.part.name} refused its configuration; see its lines above")
                    return EXIT_CONFIGURATION
                self._say(f"{child.part.name} ended with {_ending(code)}; starting it again in {child.next_start_in():.1f} s")
                self._note()
            self._announce()
            self._note_ready()
            self._check_infrastructure()
            time.sleep(_TICK_SECONDS)
        return EXIT_CLEAN

    def _start_if_due(self, child: Child) -> None:
        if child.state is ChildState.WAITING and not child.restarts and child.pid is None:
            ready = {other.part.name for other in self._children if other.was_ready}
            if ready.issuperset(child.part.after):
                child.start()

    def _announce(self) -> None:
        if self._is_announced or not all(child.state is ChildState.READY for child in self._children):
            return
        self._is_announced = True
        self._note()
        shown = "  ".join(f"{child.part.name} {child.part.shows}" for child in self._children if child.part.shows)
        self._say(f"ready: {shown}")
        for line in self._notes:
            self._say(line)
        self._say("Ctrl-C stops everything")

    def _note_ready(self) -> None:
        ready = self._ready()
        if ready != self._noted_ready:
            self._noted_ready = ready
            self._note()

    def _ready(self) -> list[str]:
        return [child.part.name for child in self._children if child.state is ChildState.READY]

    def _note(self) -> None:
        """Write down what runs, for the other commands."""
        urls = {child.part.name: child.part.shows.removesuffix("/docs") for child in self._children if child.part.shows}
        processes = {child.part.name: child.pid for child in self._children if child.pid is not None}
        self._lock.note(
            RunningInstance(pid=os.getpid(), is_ready=self._is_announced, ready=self._ready(), urls=urls, processes=processes)
        )

    def _check_infrastructure(self) -> None:
        """Look after the embedded server now and then, beside the loop: a server that does not answer is waited for."""
        if self._check.is_alive() or time.monotonic() - self._checked_at <= _INFRASTRUCTURE_SECONDS:
            return
        self._check = threading.Thread(target=self._ensure_infrastructure, name="infrastructure", daemon=True)
        self._check.start()
        self._checked_at = time.monotonic()

    def _ensure_infrastructure(self) -> None:
        try:
            self._infrastructure.ensure()
        except SpiceError as error:
            self._say(f"the embedded server does not run: {error.message}")

    def _stop(self, code: int) -> int:
        """Ask everything to stop, wait, and kill what is left or everything on a second signal."""
        while not self._signals.empty():
            self._signals.get()
        self._say("stopping; Ctrl-C again kills")
        for child in reversed(self._children):
            child.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        left = list(self._children)
        while left and time.monotonic() < deadline and self._signals.empty():
            left = [child for child in left if not child.is_gone()]
            time.sleep(0.05)
        for child in left:
            self._say(f"killing {child.part.name}")
        return EXIT_KILLED if left and code == EXIT_CLEAN else code

    def _tell_undertaker(self, word: str) -> None:
        pipe = self._undertaker.stdin
        assert pipe is not None  # noqa: S101 - it was made as a pipe
        try:
            pipe.write(f"{word}\n".encode())
            pipe.flush()
        except OSError:
            self._undertaker = _start_undertaker(self._infrastructure.stop_command)
            for child in self._children:
                if child.pid is not None:
                    self._tell_undertaker(f"+{child.pid}")

    def _say(self, line: str) -> None:
        self._output.say(NAME, line)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _start_undertaker(stop_command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "spice_api.dev.undertaker", *stop_command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
