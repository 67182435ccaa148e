"""`spice dev` as its user meets it: real processes, real signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from spice_api.dev.instance_lock import RunningInstance, running_instance
from spice_api.dev.servers.server import free_port

PORTS = ("OMS_PORT", "BFF_PORT", "FUNNEL_PORT", "SPICE_WORKER_PORT", "DAGSTER_PORT")
COMMAND = [sys.executable, "-m", "spice_api.cli.main", "dev", "--no-dagster"]
PATIENCE_SECONDS = 180.0


class Dev:
    """One `spice dev` on a state directory and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "state"
        self.environment = {**os.environ, "SPICE_HOME": str(self.home), **{name: str(free_port()) for name in PORTS}}
        self.log = folder / "dev.log"
        self.process = None

    def start(self, *words: str) -> RunningInstance:
        self.close()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *words],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home.parent,
            )
        return self.wait_until(lambda found: found is not None and found.is_ready)

    def close(self) -> None:
        """Reap the supervisor and close the pipe to it."""
        if self.process is not None:
            self.process.wait(timeout=PATIENCE_SECONDS)
            self.process.stdin.close()

    def wait_until(self, is_reached) -> RunningInstance:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = running_instance(self.home)
            if is_reached(found):
                assert found is not None
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def processes(self) -> list[psutil.Process]:
        """Every process that has this state directory in its environment, the embedded server's by its directory."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if str(self.home) in " ".join(process.cmdline()):
                return True
            return process.environ().get("SPICE_HOME") == str(self.home)
        except (psutil.Error, OSError):
            return False

    def wait_for_silence(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left, (left, self.log.read_text())


@pytest.fixture(scope="module")
def folder():
    """A place outside of pytest's own folder, which pytest closes to the user that PostgreSQL runs as under root."""
    made = Path(tempfile.mkdtemp(prefix="spice-dev-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def dev(folder):
    """A platform on the state that the test before left, if any: a new one takes seconds to make."""
    found = Dev(folder)
    yield found
    for process in found.processes():
        process.kill()
    found.close()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own address
        return response.read()


def test_everything_comes_up_is_restarted_after_a_kill_and_ends_with_ctrl_c(dev):
    instance = dev.start()
    for name in ("oms", "bff", "funnel"):
        assert b"success" in get(f"{instance.urls[name]}/health")
    assert get(f"http://127.0.0.1:{dev.environment['SPICE_WORKER_PORT']}/metrics")
    assert dev.home.stat().st_mode & 0o066 == 0
    assert (dev.home / "admin_token").stat().st_mode & 0o777 == 0o600
    assert (dev.home / "logs" / "oms.log").exists()
    assert "ready: oms http://" in dev.log.read_text()

    killed = instance.processes["workers"]
    os.kill(killed, signal.SIGKILL)
    dev.wait_until(lambda found: found is not None and found.processes.get("workers", killed) != killed)
    assert "workers ended with signal SIGKILL" in dev.log.read_text()

    second = subprocess.run(COMMAND, env=dev.environment, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"already runs (process {dev.process.pid})" in second.stderr

    elsewhere = {**dev.environment, "SPICE_HOME": str(dev.home.parent / "other")}
    busy = subprocess.run(COMMAND, env=elsewhere, capture_output=True, text=True, check=False)
    assert busy.returncode == 2
    assert f"Port {dev.environment['OMS_PORT']} is taken by" in busy.stderr
    assert "OMS_PORT=" in busy.stderr

    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(timeout=PATIENCE_SECONDS) == 0, dev.log.read_text()
    dev.wait_for_silence()
    assert running_instance(dev.home) is None


def test_killed_supervisor_leaves_no_orphan_and_what_starts_again_is_shared_and_ends_with_its_starter(dev):
    """Commands beside it use the same server and leave it alone, and it ends with its starter, if that asked for it."""
    dev.start()
    assert len(dev.processes()) > 4
    dev.process.kill()
    dev.process.wait()
    dev.wait_for_silence()

    dev.start("--until-stdin-ends")
    base = [sys.executable, "-m", "spice_api.cli.main", "db"]
    made = subprocess.run([*base, "create", "beside", "--json"], env=dev.environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["status"] == "COMPLETED"
    listed = subprocess.run([*base, "list", "--json"], env=dev.environment, capture_output=True, text=True, check=True)
    assert [row["database"] for row in json.loads(listed.stdout)] == ["beside"]
    dev.process.stdin.close()  # which the supervisor takes for a SIGTERM
    assert dev.process.wait(timeout=PATIENCE_SECONDS) == 0
    dev.wait_for_silence()
