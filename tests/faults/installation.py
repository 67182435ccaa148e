"""An installation with real processes: a state directory, a PostgreSQL database, and workers that can be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_core.bootstrap import Platform, bootstrap
from spice_core.domain.read_models import FINAL_STATES, CommandState
from spice_core.errors import SpiceError
from spice_core.settings import load_settings
from spice_workers.__main__ import handlers_of, runner_of
from spice_workers.metrics import WorkerMetrics
from tests.faults.oracle import assert_sound
from tests.write_path import a_class, text

DB = "shop"
PERSON = a_class("Person", text("person_id", required=True), *[text(f"f{number}") for number in range(6)])
LEASE_SECONDS = 1.5


@dataclass
class Installation:
    """Real stores; workers are started as processes and may die at any time."""

    home: Path
    dsn: str
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = load_settings(
            state_dir=self.home,
            postgres_url=self.dsn,
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=0.3,
            read_wait_seconds=0.5,
            worker_port=self.port,
        )
        self.platform: Platform = bootstrap(self.settings, process="client")

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait()
        self.platform.close()

    def work_here(self) -> None:
        """Work in this process until nothing is left, and give the leases back."""
        metrics = WorkerMetrics(since=self.platform.clock.now())
        runner = runner_of(self.platform, handlers_of(["all"], self.platform), metrics=metrics, on_summary=lambda _: None)
        runner.run_until_idle()
        runner.stop()

    def set_up(self) -> None:
        """Create the database and the class, decided."""
        self.platform.commands.create_database(DB)
        self.work_here()
        self.platform.commands.create_class(DB, "main", PERSON)
        self.work_here()

    def start_worker(self, *names: str, port: int | None = None, **environment: str) -> subprocess.Popen[bytes]:
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SPICE_HOME": str(self.home),
            "SPICE_POSTGRES_URL": self.dsn,
            "SPICE_LEASE_SECONDS": str(LEASE_SECONDS),
            "SPICE_HEARTBEAT_SECONDS": "0.3",
            "SPICE_WORKER_PORT": str(port or self.port),
            **environment,
        }
        log = (self.home / "worker.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "spice_workers", *(names or ("all",))], env=variables, cwd=self.home, stdout=log, stderr=log
        )
        log.close()
        self.processes.append(process)
        return process

    def people(self, count: int) -> list[str]:
        """Create people and patch two different fields of each; return the command ids."""
        commands, ids = self.platform.commands, []
        for number in range(count):
            name = f"p{number}"
            ids.append(commands.create_instance(DB, "main", "Person", {"person_id": name, "f0": "0"}).command_id)
            ids.append(commands.update_instance(DB, "main", "Person", name, {"f1": "1"}, expected_seq=1).command_id)
            ids.append(commands.update_instance(DB, "main", "Person", name, {"f2": "2"}, expected_seq=2).command_id)
        return ids

    def wait_final(self, command_ids: Sequence[str], *, seconds: float = 60.0) -> dict[str, CommandState]:
        """Wait until every command is final; fail with the workers' log otherwise."""
        deadline = time.monotonic() + seconds
        states: dict[str, CommandState] = {}
        while True:
            for command_id in command_ids:
                if states.get(command_id) not in FINAL_STATES:
                    with contextlib.suppress(SpiceError):
                        found = self.platform.statuses.get(command_id)
                        states[command_id] = found.state if found else CommandState.PENDING
            if len(states) == len(command_ids) and all(state in FINAL_STATES for state in states.values()):
                return states
            if time.monotonic() > deadline:
                log = (self.home / "worker.log").read_text(errors="replace")[-3000:]
                raise AssertionError(f"not final: {[i for i in command_ids if states.get(i) not in FINAL_STATES][:5]}\n{log}")
            time.sleep(0.02)

    def wait_caught_up(self, *names: str, seconds: float = 60.0) -> None:
        """Wait until the handlers have seen the whole log."""
        deadline = time.monotonic() + seconds
        while any(self.platform.work.position(name, DB) < self.platform.log.head(DB).position for name in names):
            assert time.monotonic() < deadline, (self.home / "worker.log").read_text(errors="replace")[-3000:]
            time.sleep(0.02)

    def check_everything(self, count: int) -> None:
        """Graph, documents and log agree; every command had exactly one effect; the chain verifies."""
        platform = self.platform
        nodes = platform.graph.view(DB).page(["Person"], limit=1000).nodes
        expected: dict[str, Any] = {f"Person/p{n}": {"person_id": f"p{n}", "f0": "0", "f1": "1", "f2": "2"} for n in range(count)}
        assert {node.key: dict(node.document) for node in nodes} == expected
        assert_sound(platform, DB)
        events = platform.log.read(DB, after=0, limit=1_000_000)
        asked = [recorded.event.event_id for recorded in events if recorded.event.is_command]
        answered = [recorded.event.command_id for recorded in events if not recorded.event.is_command]
        assert sorted(asked) == sorted(answered)
        assert platform.work.dead_letters(state="") == []
        assert platform.log.verify(DB).is_intact
        commits = {recorded.event.metadata.get("commit") for recorded in events if not recorded.event.is_command} - {None}
        assert {commit.id for commit in platform.graph.history(DB, limit=100_000)} == commits


@contextlib.contextmanager
def installation(home: Path, dsn: str, port: int) -> Iterator[Installation]:
    """Open an installation and end everything it started."""
    home.mkdir(mode=0o700, exist_ok=True)
    found = Installation(home, dsn, port)
    try:
        yield found
    finally:
        found.close()
