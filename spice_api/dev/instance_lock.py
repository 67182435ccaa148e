"""One supervisor per state directory: a lock that ends with its process, and a note of what runs there."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spice_core.errors import ConfigurationError

LOCK_NAME = "dev.lock"


@dataclass(frozen=True, slots=True)
class RunningInstance:
    """What the supervisor of a state directory says of itself: its process, its addresses by part, and its parts' processes.

    `ready` names the parts that have answered; `is_ready` turns true once all have, and stays so while a crashed part restarts.
    """

    pid: int
    is_ready: bool = False
    ready: Sequence[str] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)


class InstanceLock:
    """The held right to supervise one state directory."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def note(self, instance: RunningInstance) -> None:
        """Write down what runs, for `spice doctor` and other commands."""
        data = json.dumps(asdict(instance)).encode()
        os.pwrite(self._descriptor, data, 0)
        os.ftruncate(self._descriptor, len(data))


@contextmanager
def sole_instance(state_dir: Path) -> Iterator[InstanceLock]:
    """Hold the right to supervise `state_dir`; it ends with the block, or with the process whatever way that dies.

    Raises:
        ConfigurationError: another supervisor holds it; says which process, and what to do.
    """
    path = state_dir / LOCK_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _read(path)
            pid = f" (process {other.pid})" if other else ""
            raise ConfigurationError(
                f"spice dev already runs{pid} on {state_dir}. Stop it, or give this one its own state: SPICE_HOME=<directory>"
            ) from None
        lock = InstanceLock(path, descriptor)
        lock.note(RunningInstance(pid=os.getpid()))
        yield lock
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_instance(state_dir: Path) -> RunningInstance | None:
    """Return what the supervisor of `state_dir` noted, None where none is alive."""
    path = state_dir / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def _read(path: Path) -> RunningInstance | None:
    try:
        noted = json.loads(path.read_text())
        return RunningInstance(**noted)
    except (OSError, ValueError, TypeError):
        return None
