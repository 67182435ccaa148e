"""Where the demo takes place: a running `spice dev`, or one of its own that is gone afterwards."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spice_api.dev.instance_lock import RunningInstance, running_instance
from spice_api.dev.parts import APPS
from spice_api.dev.ports import free_port
from spice_core.errors import Unavailable
from spice_core.settings import Settings, load_settings, process_environment

TOKEN_FILE = "admin_token"  # noqa: S105 - the name of a file
_NEEDED = frozenset({*APPS, "workers"})
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_PORTS = ("OMS_PORT", "BFF_PORT", "FUNNEL_PORT", "SPICE_WORKER_PORT", "DAGSTER_PORT")


@dataclass(frozen=True, slots=True)
class Stage:
    """A platform that runs: settings, addresses by part, token, and the seconds it took to come up (0: it ran before).

    Of an own one the apps and the workers are up; Dagster, which takes longer, may still be starting.
    """

    settings: Settings
    urls: Mapping[str, str]
    token: str | None
    start_seconds: float
    is_own: bool

    @property
    def has_dagster(self) -> bool:
        """Whether Dagster runs there."""
        return "dagster" in self.urls


@contextmanager
def stage(settings: Settings, *, with_dagster: bool) -> Iterator[Stage]:
    """Use the platform that runs on the state directory of `settings`, or start one in `demo/` below it, on free ports.

    Raises:
        Unavailable: it does not come up; names its log.
    """
    running = running_instance(settings.state_path)
    if running is not None and running.is_ready:
        yield Stage(settings, running.urls, _token(settings), 0.0, is_own=False)
        return
    home = settings.state_path / "demo"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700, parents=True)
    started = time.monotonic()
    process = _start(home, with_dagster=with_dagster)
    try:
        instance = _wait(process, home)
        own = load_settings(state_dir=home)
        yield Stage(own, instance.urls, _token(own), time.monotonic() - started, is_own=True)
    finally:
        _stop(process)


def _start(home: Path, *, with_dagster: bool) -> subprocess.Popen[bytes]:
    ports = {name: str(free_port()) for name in _PORTS}
    words = ["--until-stdin-ends", *([] if with_dagster else ["--no-dagster"])]
    with (home / "demo.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "spice_api.cli.main", "dev", *words],
            env={**process_environment(), **ports, "SPICE_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], home: Path) -> RunningInstance:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = running_instance(home)
        if found is not None and _NEEDED.issubset(found.ready):
            return found
        time.sleep(0.1)
    tail = "\n".join((home / "demo.log").read_text(errors="replace").splitlines()[-15:])
    raise Unavailable(f"the platform did not come up; {home / 'demo.log'} ends with:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _token(settings: Settings) -> str | None:
    """Return a token that every app accepts: the made one of the state directory, or the configured one."""
    path = settings.state_path / TOKEN_FILE
    if path.exists():
        return path.read_text().strip()
    return next((token for app in APPS if (token := settings.app_token(app))), None)
