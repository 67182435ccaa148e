"""`spice dev`: everything, supervised."""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spice_api.cli.session import using_infrastructure
from spice_api.dev.dagster_home import code_socket_path, prepare_home, storage_url
from spice_api.dev.instance_lock import InstanceLock, sole_instance
from spice_api.dev.output import Output
from spice_api.dev.parts import APPS, Part, dagster_parts, platform_parts
from spice_api.dev.ports import require_free
from spice_api.dev.supervisor import NAME, Infrastructure, Supervisor
from spice_core.bootstrap import companion_dsn, start_infrastructure, state_directory, stop_infrastructure
from spice_core.errors import LedgerUnavailable
from spice_core.settings import Settings, load_settings, process_environment

TOKEN_FILE = "admin_token"  # noqa: S105 - the name of a file


def dev(
    *,
    dagster: Annotated[bool, Parameter(help="With Dagster: its web server, daemon and code location.")] = True,
    until_stdin_ends: Annotated[
        bool, Parameter(negative="", help="Also stop when standard input ends: for a program that starts it.")
    ] = False,
) -> int:
    """Run everything, supervised, until Ctrl-C.

    Starts the embedded PostgreSQL, the three apps, the workers and Dagster; prints one log stream under the names of the parts,
    and a line with the addresses once everything answers. A part that crashes is started again. Ctrl-C stops everything
    cleanly, a second Ctrl-C kills. The state lives in `.spice/` (SPICE_HOME); ports are settings (`spice config show`).
    """
    settings = load_settings()
    state_dir = state_directory(settings)
    if until_stdin_ends:
        threading.Thread(target=_stop_when_stdin_ends, name="stdin", daemon=True).start()
    with sole_instance(state_dir) as lock:
        parts = platform_parts(settings)
        ports = [part.listens for part in parts if part.listens is not None]
        require_free(settings.listen_host, ports)
        with using_infrastructure(settings) as leave:
            start_infrastructure(settings)
            if dagster:
                parts += _dagster(settings, state_dir)
            return _supervise(settings, parts, lock=lock, leave=leave)


def _dagster(settings: Settings, state_dir: Path) -> list[Part]:
    home = prepare_home(state_dir)
    storage = storage_url(companion_dsn(settings, "dagster"))
    parts = dagster_parts(settings, home=home, code_socket=code_socket_path(home), storage_url=storage)
    require_free("127.0.0.1", [part.listens for part in parts if part.listens is not None])
    return parts


def _supervise(settings: Settings, parts: list[Part], *, lock: InstanceLock, leave: Callable[[], None]) -> int:
    state_dir = state_directory(settings)
    logs = state_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    names = [NAME, *(part.name for part in parts)]
    output = Output(sys.stdout, log_dir=logs, names=names, is_colored=sys.stdout.isatty(), is_json=settings.log_format == "json")
    environment = {**process_environment(), "SPICE_HOME": str(state_dir), "PYTHONUNBUFFERED": "1"}
    token_file = ensure_token(settings, state_dir)
    if token_file is not None:
        environment["ADMIN_TOKEN"] = token_file.read_text().strip()
    supervisor = Supervisor(
        parts,
        environment=environment,
        infrastructure=Infrastructure(
            ensure=lambda: _ensure(settings),
            leave=leave,
            stop_command=(sys.executable, "-m", "spice_api.dev.stop_infrastructure"),
        ),
        output=output,
        lock=lock,
        notes=[f"the token of the APIs is in {token_file} (header X-Admin-Token)"] if token_file else [],
    )
    return supervisor.run()


def ensure_token(settings: Settings, state_dir: Path) -> Path | None:
    """Return the file of a token made for this state directory, None where the settings say who may come in."""
    if settings.is_production or all(settings.app_token(app) or not settings.requires_auth(app) for app in APPS):
        return None
    path = state_dir / TOKEN_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32) + "\n")
    return path


def _stop_when_stdin_ends() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _ensure(settings: Settings) -> None:
    """Start the embedded server where it is gone; one that neither answers nor ends is stopped first."""
    if settings.postgres_url is not None:
        return
    try:
        companion_dsn(settings, "spice")
    except LedgerUnavailable:
        stop_infrastructure(settings)
        companion_dsn(settings, "spice")
