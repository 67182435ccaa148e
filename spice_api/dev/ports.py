"""Who listens on a port: to say so before a part fails on it."""

import socket
from dataclasses import dataclass
from pathlib import Path

from spice_core.errors import ConfigurationError

_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a part listens on, and the variable that moves it elsewhere."""

    port: int
    setting: str


def require_free(host: str, listeners: list[Listener]) -> None:
    """Check that every port can be listened on.

    Raises:
        ConfigurationError: one is taken, or named twice; says by which process, if that can be seen, and which setting to change.
    """
    seen: dict[int, str] = {}
    for listener in listeners:
        if listener.port in seen:
            names = f"{seen[listener.port]} and {listener.setting}"
            raise ConfigurationError(f"Port {listener.port} is asked for twice, by {names}; give them different ports")
        seen[listener.port] = listener.setting
        if not is_free(host, listener.port):
            holder = process_on(listener.port)
            by = f" by {holder}" if holder else ""
            raise ConfigurationError(
                f"Port {listener.port} is taken{by}. Stop that process, or use another: {listener.setting}={free_port(host)}",
                details={"port": listener.port, "setting": listener.setting},
            )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port` of `host` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def process_on(port: int) -> str | None:
    """Return `name (process n)` of the process that listens on `port`, None where that cannot be seen (Linux only)."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder / "fd", inodes):
            return f"{_command_of(folder)} (process {folder.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    wanted = f":{port:04X}"
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
        except OSError:
            continue
        inodes |= {row[9] for row in rows if row[1].endswith(wanted) and row[3] == _LISTENING}
    return inodes


def _holds(descriptors: Path, inodes: set[str]) -> bool:
    targets = {f"socket:[{inode}]" for inode in inodes}
    try:
        return any(str(entry.readlink()) in targets for entry in descriptors.iterdir())
    except OSError:
        return False


def _command_of(folder: Path) -> str:
    try:
        words = [word for word in (folder / "cmdline").read_text().split("\0") if word]
    except OSError:
        return "a process"
    return " ".join([Path(words[0]).name, *words[1:4]]) if words else "a process"
