"""Real processes that start in a moment: a small server imports our modules once and forks a child per program.

Run as a program it is that server: it reads one JSON request per line and writes one JSON answer per line.
"""

import atexit
import contextlib
import ctypes
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_PRELOADED = (
    "spice_workers.__main__",
    "spice_api.oms.main",
    "spice_api.bff.main",
    "spice_api.funnel.main",
    "spice_api.cli.main",
    "spice_api.cli.check",
    "spice_api.cli.connector",
    "spice_api.cli.dataset",
    "spice_api.cli.log",
)


class Child:
    """One process: it can be killed, paused and asked to stop, and it can be waited for."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal), None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.ask(ask="poll", pid=self.pid)["code"]
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for the end. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} did not end in {timeout} s")
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        """Stop it where it is."""
        self.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.send_signal(signal.SIGCONT)


class Nursery:
    """The forking server; it ends, with all its children, when it is closed or when this process ends."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=environment,
            text=True,
        )

    def start(self, words: Sequence[str], *, environment: Mapping[str, str], cwd: Path, out: Path) -> Child:
        """Run `python -m words…` with `environment`; what it writes is added to `out`."""
        request = {"ask": "start", "words": list(words), "environment": dict(environment), "cwd": str(cwd), "out": str(out)}
        return Child(self, self.ask(**request)["pid"])

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and return the answer."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            return answer

    def close(self) -> None:
        """End every child and the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@cache
def shared_nursery() -> Nursery:
    """Return the nursery of this process; it ends with it."""
    made = Nursery()
    atexit.register(made.close)
    return made


def _serve() -> None:
    for name in _PRELOADED:
        import_module(name)
    ended: dict[int, int | None] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["ask"] == "start":
            pid = os.fork()
            if pid == 0:
                _become(request)
            ended[pid] = None
            answer: dict[str, Any] = {"pid": pid}
        else:
            pid = request["pid"]
            if ended[pid] is None:
                found, status = os.waitpid(pid, os.WNOHANG)
                ended[pid] = os.waitstatus_to_exitcode(status) if found else None
            answer = {"code": ended[pid]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in (pid for pid, code in ended.items() if code is None):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _become(request: Mapping[str, Any]) -> None:
    """Turn this fork into the program; never returns."""
    code = 1
    try:
        os.setsid()
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no child outlives a test run that was killed
        null, out = os.open(os.devnull, os.O_RDONLY), os.open(request["out"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["cwd"])
        sys.argv = list(request["words"])
        warnings.simplefilter("ignore")
        runpy.run_module(request["words"][0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - it is a whole process: the end of it is told by its exit code
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
