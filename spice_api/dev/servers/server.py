"""What all servers have in common: a directory, ports, a process, a ready check, and how they start and end."""

import json
import secrets
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from spice_api.dev.ports import Listener, is_free, require_free
from spice_api.dev.servers.account import Account
from spice_api.dev.servers.cache import Cache, exclusively
from spice_api.dev.servers.process import Process, spawn
from spice_core.errors import ConfigurationError, Unavailable
from spice_core.settings import process_environment

HOST = "127.0.0.1"
PACKAGES = Path(__file__).parent / "packages"
_PUBLIC = "port"
_POLL_SECONDS = 0.05
_STOP_SECONDS = 40.0
_ATTEMPTS = 3
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Server(ABC):
    """One server in a directory of its own, on loopback. It outlives the program that starts it.

    In the directory: `home/` (what belongs to the server), `server.log`, `process.json`, `ports.json`, `secret`. Several
    programs may use the same directory: one starts the server, the others find it running.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    default_ports: ClassVar[Mapping[str, int]]
    """`port` is for clients; 0: any free one."""
    refuses_root: ClassVar[bool] = False
    start_seconds: ClassVar[float] = 60.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        directory: Path,
        *,
        cache: Cache,
        ports: Mapping[str, int] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`ports` go before those it had, and these before the defaults; `options` are settings of the server's own."""
        self.directory = directory.absolute()
        self.cache = cache
        self.options = dict(options or {})
        self._asked = dict(ports or {})

    # what each server says of itself

    @abstractmethod
    def version(self) -> str:
        """Return the version that runs, or would run."""

    def fetch(self) -> None:  # noqa: B027 - most servers need nothing
        """Download what it needs, if this machine has not got it, without starting it."""

    @abstractmethod
    def prepare(self) -> None:
        """Fetch what is missing and write the configuration into `home`; the ports are chosen."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command; it stays in the foreground and says on its output what it does."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers its clients now, asked in the way they do."""

    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """Return the variables that make SPICE Harvester use it."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables of its process."""
        return {"PATH": process_environment().get("PATH", "/usr/bin:/bin"), "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    # where it is

    @property
    def home(self) -> Path:
        """What belongs to the server: its data and configuration."""
        return self.directory / "home"

    @property
    def log(self) -> Path:
        """What it said, over all its starts."""
        return self.directory / "server.log"

    @property
    def ports(self) -> Mapping[str, int]:
        """Its ports by name, chosen at its first start."""
        return {**self.default_ports, **self._noted_ports()}

    @property
    def port(self) -> int:
        """The port for clients."""
        return self.ports[_PUBLIC]

    @property
    def account(self) -> Account:
        """Whom it runs as."""
        return Account.unprivileged() if self.refuses_root else Account.ours()

    def secret(self) -> str:
        """Return the password of this server, made when it is asked for first."""
        path = self.directory / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16))
        return path.read_text()

    def process(self) -> Process | None:
        """Return its process, None where it does not run."""
        try:
            noted = Process(**json.loads((self.directory / "process.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return noted if noted.is_alive() else None

    # what can be done with it

    def start(self) -> bool:
        """Make sure that it runs and answers; whether it had to be started.

        Raises:
            ConfigurationError: a port is taken, or this machine lacks something; says what to do.
            Unavailable: a download failed, or it does not come up; ends with the end of its log.
        """
        if not Path("/proc/self/stat").exists():
            raise ConfigurationError("Servers as processes need Linux; `docker compose up` runs them elsewhere")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)
        with exclusively(self.directory / "lock"):
            running = self.process()
            if running is not None and all(port in {0, self.ports[name]} for name, port in self._asked.items()):
                self._wait_ready(running)
                return False
            if running is not None:
                raise ConfigurationError(f"{self.name} runs on port {self.port}; stop it before it is given another")
            self._start()
        return True

    def stop(self) -> bool:
        """Ask it to end, and wait; whether it ran. One that does not end in time is killed."""
        process = self.process()
        if process is None:
            return False
        process.signal(self.stop_signal)
        process.signal_family(signal.SIGCONT)
        if not process.wait_gone(seconds=_STOP_SECONDS):
            process.kill()
        return True

    def kill(self) -> None:
        """End it without warning, as a crash does; returns when it is gone."""
        process = self.process()
        if process is not None:
            process.kill()

    def pause(self) -> None:
        """Let it hang: it keeps its connections and does not answer."""
        process = self.process()
        if process is not None:
            process.signal_family(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        process = self.process()
        if process is not None:
            process.signal_family(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it, if it runs, and start it on the same ports and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it and delete its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    # how

    @property
    def _ports_file(self) -> Path:
        return self.directory / "ports.json"

    def _noted_ports(self) -> dict[str, int]:
        try:
            noted: dict[str, int] = json.loads(self._ports_file.read_text())
        except FileNotFoundError:
            return {}
        return noted

    def _start(self) -> None:
        is_first = not self._noted_ports()
        for attempt in range(_ATTEMPTS):
            self._choose_ports()
            self.home.mkdir(exist_ok=True)
            self.account.own(self.home)
            self.account.let_reach(self.home)
            self.prepare()
            process = self._spawn()
            try:
                self._wait_ready(process)
            except Unavailable:
                # Between choosing a free port and listening on it another server may have come first: then choose again.
                is_taken = any(self._is_any(name) and not is_free(HOST, port) for name, port in self.ports.items())
                if not (is_first and is_taken) or process.is_alive() or attempt == _ATTEMPTS - 1:
                    raise
                self._ports_file.unlink()
            else:
                return

    def _is_any(self, name: str) -> bool:
        """Whether nobody said which port `name` should be."""
        return self._asked.get(name, self.default_ports[name]) == 0

    def _spawn(self) -> Process:
        process = spawn(self.command(), environment=self.environment(), folder=self.home, log=self.log, account=self.account)
        path = self.directory / "process.json"
        path.with_suffix(".part").write_text(json.dumps(asdict(process)))
        path.with_suffix(".part").replace(path)
        return process

    def _choose_ports(self) -> None:
        """Keep the ports it had, as its clients know them; inner ones move away from a port that was taken meanwhile."""
        noted = self._noted_ports()
        chosen: dict[str, int] = {}
        for name, default in self.default_ports.items():
            port = self._asked.get(name) or noted.get(name) or (0 if self._is_any(name) else default)
            if port == 0 or (name != _PUBLIC and self._is_any(name) and not is_free(HOST, port)):
                port = free_port(avoid=chosen.values())
            chosen[name] = port
        require_free(HOST, [Listener(port, f"--port {self.name}{_suffix(name)}") for name, port in chosen.items()])
        self._ports_file.write_text(json.dumps(chosen))

    def _wait_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            if not process.is_alive():
                raise self._not_started("ended while it started")
            if time.monotonic() > deadline:
                process.kill()
                raise self._not_started(f"was not ready in {self.start_seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _not_started(self, what: str) -> Unavailable:
        return Unavailable(f"{self.title} {what}. {self.log} ends with:\n{self.log_tail()}")


def free_port(*, avoid: Collection[int] = ()) -> int:
    """Return a port that nobody listens on, below those the system gives to outgoing connections.

    A server that is killed and started again needs its port back: from the system's own range another connection, even a
    client that knocks on the dead server's door, could have taken it.
    """
    lowest = 32768
    with suppress(OSError, ValueError):
        lowest = int(_EPHEMERAL.read_text().split()[0])
    first, last = (12000, lowest) if lowest > 16000 else (20000, 60000)
    while True:
        port = first + secrets.randbelow(last - first)
        if port not in avoid and is_free(HOST, port):
            return port


def _suffix(name: str) -> str:
    return "" if name == _PUBLIC else f".{name}"
