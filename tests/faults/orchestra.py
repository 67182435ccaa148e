"""Dagster's own processes on an installation: code server and daemon, each to be killed with all of its children."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import psycopg

from spice_api.dev.dagster_home import code_socket_path, prepare_home, storage_url
from spice_api.dev.parts import Part, dagster_parts
from tests.faults.installation import Installation
from tests.journeys.profiles import new_database

_PATIENCE_SECONDS = 90.0


class Orchestra:
    """Starts, kills and asks the Dagster of an installation. Its storage is a database of its own on the same server."""

    def __init__(self, place: Installation, dsn: str) -> None:
        self.place = place
        self._home = prepare_home(place.home)
        config = self._home / "dagster.yaml"
        config.write_text(config.read_text().replace("poll_interval_seconds: 30", "poll_interval_seconds: 1"))
        name = f"dagster_{os.getpid()}_{time.time_ns()}"
        self._socket = code_socket_path(self._home)
        parts = dagster_parts(
            place.platform.settings, home=self._home, code_socket=self._socket, storage_url=storage_url(new_database(dsn, name))
        )
        self._parts = {part.name: part for part in parts}
        self._environment = {**place.environment, **self._parts["assets"].environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Open the instance in this process."""
        with patch.dict(os.environ, self._environment), dg.DagsterInstance.from_config(str(self._home)) as instance:
            yield instance

    def start(self) -> None:
        """Start the code server, wait until it listens, then the daemon."""
        self._socket.unlink(missing_ok=True)
        self._start(self._parts["assets"])
        self.wait(self._socket.exists, "the code server")
        self._start(self._parts["daemon"])

    def start_again(self, name: str) -> None:
        """Start a process that was killed."""
        self._start(self._parts[name])

    def pid_of(self, name: str) -> int:
        """Return the process id of a part."""
        return self._running[name].pid

    def kill(self, *names: str) -> None:
        """Kill processes with all their children, runs included."""
        for name in names or ("daemon", "assets"):
            if (process := self._running.pop(name, None)) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def runs(self, *statuses: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
        """Return the runs of these statuses, of all without one."""
        with self.instance() as instance:
            return instance.get_runs(dg.RunsFilter(statuses=list(statuses)) if statuses else None)

    def wait(self, condition: Callable[[], Any], what: str, *, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait for `condition`; fail with what the processes wrote."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what}\n{self.out}"
            time.sleep(0.1)

    def let_leases_end(self) -> None:
        """Let pass what a minute would: every lease of a process that is dead runs out."""
        with psycopg.connect(str(self.place.settings["SPICE_POSTGRES_URL"]), autocommit=True) as connection:
            connection.execute(
                "UPDATE spice_work.leases SET expires_at = now() WHERE name LIKE 'objectify:%' OR name LIKE 'dagster-run:%'"
            )

    @property
    def out(self) -> str:
        """The last of what the processes wrote."""
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in Path(self._home).glob("*.out"))

    def _start(self, part: Part) -> None:
        with (self._home / f"{part.name}.out").open("ab") as out:
            self._running[part.name] = subprocess.Popen(
                part.command,
                env=self._environment,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
