"""Redis: the program of this machine, else the one of Debian's packages, unpacked into the cache."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from spice_api.dev.servers.server import HOST, Server
from spice_core.errors import ConfigurationError
from spice_core.settings import process_environment

PROGRAM = "redis-server"
_FIX = f"install {PROGRAM} (Debian and Ubuntu: apt-get install {PROGRAM})"
_ATTEMPTS = 3


class RedisServer(Server):
    """Redis, with its data in memory and in an append-only file."""

    name = "redis"
    title = "Redis"
    default_ports: ClassVar[Mapping[str, int]] = {"port": 6379}
    start_seconds = 30.0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://{HOST}:{self.port}/0"

    def version(self) -> str:
        """Return the version that the program tells."""
        told = subprocess.run(  # noqa: S603 - our own words
            [self._program(), "--version"], env=dict(self.environment()), capture_output=True, text=True, check=False
        )
        match = re.search(r"v=(\S+)", told.stdout)
        return match[1] if match else "unknown"

    def fetch(self) -> None:
        """Unpack Debian's package where there is no Redis on this machine."""
        self._program()

    def prepare(self) -> None:
        """Write the configuration."""
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        lines = {"bind": HOST, "port": self.port, "dir": data, "appendonly": "yes", "daemonize": "no", **self.options}
        (self.home / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def command(self) -> list[str]:
        """Return the server with its configuration."""
        return [self._program(), str(self.home / "redis.conf")]

    def environment(self) -> Mapping[str, str]:
        """Return the variables; an unpacked program brings its libraries."""
        return {**super().environment(), **_libraries(self._unpacked())}

    def is_ready(self) -> bool:
        """Whether it answers PING; while it loads its data it answers otherwise."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def settings(self) -> Mapping[str, str]:
        """Return the variable of the command-status cache and the shared rate limits."""
        return {"REDIS_URL": self.url}

    def _program(self) -> str:
        installed = shutil.which(PROGRAM)
        if installed is not None:
            return installed
        return str(self.cache.folder(self._unpacked().name, _unpack) / "usr" / "bin" / PROGRAM)

    def _unpacked(self) -> Path:
        return self.cache.root / "redis-debian"


def _unpack(into: Path) -> None:
    """Download Redis and those of its libraries that this machine lacks, and unpack them without installing anything."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ConfigurationError(f"There is no {PROGRAM} on PATH: {_FIX}")
    packages = _packages()
    if not packages and os.geteuid() == 0:
        _apt("update", folder=into)  # a fresh machine has no lists of packages
        packages = _packages()
    done = _apt("download", *packages, folder=into) if packages else None
    if done is None or done.returncode != 0:
        said = f": {done.stderr.strip()[-500:]}" if done is not None else ""
        raise ConfigurationError(f"There is no {PROGRAM} on PATH, and its Debian package cannot be downloaded{said}; {_FIX}")
    for package in sorted(into.glob("*.deb")):
        subprocess.run(["/usr/bin/dpkg", "-x", str(package), str(into)], check=True, capture_output=True)  # noqa: S603
        package.unlink()
    _try(into)


def _try(unpacked: Path) -> None:
    """Run it once: packages that were removed or added meanwhile may leave it without a library."""
    command = [str(unpacked / "usr" / "bin" / PROGRAM), "--version"]
    environment = {**process_environment(), **_libraries(unpacked)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - just unpacked
    if done.returncode != 0:
        raise ConfigurationError(f"The unpacked {PROGRAM} does not run: {done.stderr.strip()[-500:]}; try again, or {_FIX}")


def _libraries(unpacked: Path) -> dict[str, str]:
    folders = sorted({str(path.parent) for path in unpacked.rglob("*.so*")}) if unpacked.is_dir() else []
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


def _packages() -> list[str]:
    """Return what an installation of Redis would add to this machine."""
    plan = _apt("install", "--simulate", "--no-install-recommends", PROGRAM, folder=Path("/"))
    return re.findall(r"^Inst (\S+)", plan.stdout, flags=re.MULTILINE) if plan.returncode == 0 else []


def _apt(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = ["apt-get", "-q", "-o", f"Acquire::Retries={_ATTEMPTS}", "-o", "APT::Sandbox::User=root", *words]
    environment = {**process_environment(), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
