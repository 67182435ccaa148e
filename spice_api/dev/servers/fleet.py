"""All the servers of one directory: started side by side, stopped, looked at, and the settings that use them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spice_api.dev.servers.cache import Cache
from spice_api.dev.servers.elasticsearch import ElasticsearchServer
from spice_api.dev.servers.kafka import KafkaServer
from spice_api.dev.servers.postgres import PostgresServer
from spice_api.dev.servers.redis import RedisServer
from spice_api.dev.servers.seaweedfs import SeaweedServer
from spice_api.dev.servers.server import Server
from spice_core.errors import ConfigurationError, SpiceError

KINDS: Mapping[str, type[Server]] = {
    kind.name: kind for kind in (PostgresServer, SeaweedServer, KafkaServer, ElasticsearchServer, RedisServer)
}
ENVIRONMENT_FILE = "full.env"
STATE = "spice"
_SIDE_BY_SIDE_BYTES = 4_000_000_000
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is to be seen of one server.

    Attributes:
        name: as in the command line.
        title: the product.
        version: of the product.
        state: `up`, `starting or hanging` (it runs and does not answer), or `down`.
        port: for clients.
        pid: its process, None where it does not run.
        log: the file with what it said.
    """

    name: str
    title: str
    version: str
    state: str
    port: int
    pid: int | None
    log: Path


class Fleet:
    """The servers of one directory, each in a folder of its own name."""

    def __init__(self, root: Path, *, ports: Mapping[str, Mapping[str, int]] | None = None, cache: Cache | None = None) -> None:
        """`ports` are asked for by the name of the server and of the port.

        Raises:
            ConfigurationError: there is no such server, or it has no such port.
        """
        self.root = root.absolute()
        asked = ports or {}
        kept = cache or Cache.of_user()
        for name, wanted in asked.items():
            unknown = set(wanted) - set(_kind(name).default_ports)
            if unknown:
                raise ConfigurationError(
                    f"{name} has no port {', '.join(unknown)}; it has {', '.join(_kind(name).default_ports)}"
                )
        self._servers = {name: kind(self.root / name, cache=kept, ports=asked.get(name)) for name, kind in KINDS.items()}

    @classmethod
    def of_state(cls, state_dir: Path, *, ports: Mapping[str, Mapping[str, int]] | None = None) -> "Fleet":
        """Return the servers that belong to a state directory; it may itself be the one that `settings` names."""
        is_within = (state_dir.parent / ENVIRONMENT_FILE).exists()
        return cls(state_dir.parent if is_within else state_dir / "servers", ports=ports)

    def servers(self, names: Sequence[str] = ()) -> list[Server]:
        """Return the named servers, all of them without names.

        Raises:
            ConfigurationError: a name is not known.
        """
        for name in names:
            _kind(name)
        return [self._servers[name] for name in names or self._servers]

    def up(self, names: Sequence[str] = (), *, tell: Callable[[Server, bool | SpiceError], None]) -> list[SpiceError]:
        """Start what does not run; `tell` hears of each, from any thread: whether it had to be started, or the error.

        Side by side where there is memory for it, else one after the other. What came up stays up also where another did not.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        chosen = self.servers(names)

        def start(server: Server) -> SpiceError | None:
            try:
                tell(server, server.start())
            except SpiceError as error:
                tell(server, error)
                return error
            return None

        with ThreadPoolExecutor(len(chosen) if _free_bytes() > _SIDE_BY_SIDE_BYTES else 1) as pool:
            errors = [error for error in pool.map(start, chosen) if error is not None]
        self.write_environment()
        return errors

    def down(self, names: Sequence[str] = (), *, tell: Callable[[Server, bool], None]) -> None:
        """Stop what runs; `tell` hears of each whether it ran."""
        chosen = self.servers(names)
        with ThreadPoolExecutor(len(chosen)) as pool:
            for server, ran in zip(chosen, pool.map(lambda one: one.stop(), chosen), strict=True):
                tell(server, ran)
        if self.root.exists():
            self.write_environment()

    def fetch(self, names: Sequence[str] = (), *, tell: Callable[[Server], None]) -> None:
        """Download what the servers need; `tell` hears of each when it is there."""
        for server in self.servers(names):
            server.fetch()
            tell(server)

    def status(self, names: Sequence[str] = ()) -> list[ServerStatus]:
        """Look at the servers."""
        return [_status(server) for server in self.servers(names)]

    def settings(self) -> Mapping[str, str]:
        """Return the variables that make SPICE Harvester use the servers that run; none where none does.

        The state directory is another one than without them: the two are different installations.
        """
        running = [server for server in self._servers.values() if server.process() is not None]
        chosen = {name: value for server in running for name, value in server.settings().items()}
        return {"SPICE_HOME": str(self.root / STATE), **chosen} if chosen else {}

    @property
    def environment_file(self) -> Path:
        """The file with `settings`, for a shell (`set -a; . FILE`) and for `spice --full`."""
        return self.root / ENVIRONMENT_FILE

    def write_environment(self) -> None:
        """Write `environment_file`; it holds passwords, so it is for its owner only."""
        fresh = self.environment_file.with_suffix(".part")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text("".join(f"{name}={value}\n" for name, value in self.settings().items()))
        fresh.replace(self.environment_file)


def _kind(name: str) -> type[Server]:
    if name not in KINDS:
        raise ConfigurationError(f"There is no server {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def _status(server: Server) -> ServerStatus:
    process = server.process()
    state = "down" if process is None else "up" if server.is_ready() else "starting or hanging"
    pid = process.pid if process else None
    try:
        version = server.version()
    except ConfigurationError:
        version = "missing"
    return ServerStatus(server.name, server.title, version, state, server.port, pid, server.log)


def _free_bytes() -> int:
    for line in _MEMORY.read_text().splitlines() if _MEMORY.exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
