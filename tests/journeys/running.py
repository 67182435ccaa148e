"""Real processes of one platform, for journeys over HTTP."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from spice_api.dev.servers.server import free_port
from tests.faults.nursery import Child, shared_nursery

OPEN = {
    "OMS_REQUIRE_AUTH": "false",
    "ALLOW_INSECURE_OMS_AUTH_DISABLE": "true",
    "BFF_REQUIRE_AUTH": "false",
    "ALLOW_INSECURE_BFF_AUTH_DISABLE": "true",
    "FUNNEL_REQUIRE_AUTH": "false",
    "ALLOW_INSECURE_FUNNEL_AUTH_DISABLE": "true",
}
_START_SECONDS = 180
TOKEN = "journey-token"  # noqa: S105 - of these tests only


@dataclass
class Running:
    """Processes on one state directory and one database; `environment` is what they all see."""

    state: Path
    environment: dict[str, str]
    processes: list[Child] = field(default_factory=list)

    @classmethod
    def on(cls, state: Path, dsn: str, more: Mapping[str, str]) -> "Running":
        """Return a platform without processes, on free ports."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR") if name in os.environ}
        ports = {name: str(free_port()) for name in ("OMS_PORT", "BFF_PORT", "FUNNEL_PORT", "SPICE_WORKER_PORT", "DAGSTER_PORT")}
        own = {"SPICE_HOME": str(state), "SPICE_POSTGRES_URL": dsn, "SPICE_POSTGRES_POOL_SIZE": "6"}
        return cls(state, {**kept, **own, **ports, **more})

    def url(self, app: str) -> str:
        """Return the address of an app."""
        return f"http://127.0.0.1:{self.environment[f'{app.upper()}_PORT']}"

    def start(self, *apps: str) -> None:
        """Start the apps (`oms`, `bff`, `funnel`) and wait until they are ready."""
        for app in apps:
            self.start_program(f"spice_api.{app}.main", name=app)
        for app in apps:
            self._wait(f"{self.url(app)}/health", name=app)

    def start_workers(self) -> None:
        """Start all workers in one process."""
        self.start_program("spice_workers", "all", name="workers")
        self._wait(f"http://127.0.0.1:{self.environment['SPICE_WORKER_PORT']}/healthz", name="workers")

    def stop(self) -> None:
        """Stop every process, gently first."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(15)
            except TimeoutError:
                process.kill()

    def log_of(self, name: str) -> str:
        """Return what a process wrote."""
        return (self.state / f"{name}.out").read_text(errors="replace")

    def start_program(self, *words: str, name: str) -> None:
        """Start `python -m words…`; what it writes is `log_of(name)`."""
        out = self.state / f"{name}.out"
        out.unlink(missing_ok=True)
        self.processes.append(shared_nursery().start(words, environment=self.environment, cwd=self.state, out=out))

    def spice(self, *words: str, **environment: str) -> tuple[int, str]:
        """Run `spice words…` beside the platform to its end; return its exit code and what it wrote."""
        out = self.state / "command.out"
        out.unlink(missing_ok=True)
        seen = {"COLUMNS": "200", **self.environment, **environment}
        child = shared_nursery().start(["spice_api.cli.main", *words], environment=seen, cwd=self.state, out=out)
        return child.wait(), out.read_text()

    def _wait(self, url: str, *, name: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.processes):
                break
            try:
                if httpx2.get(url, timeout=2).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"{name} did not start:\n{self.log_of(name)[-4000:]}")
