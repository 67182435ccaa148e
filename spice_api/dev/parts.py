"""The parts of the platform as processes: how each is started, where it listens, and how one knows that it is ready."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spice_api.dev.ports import Listener
from spice_core.settings import Settings

LOOPBACK = "127.0.0.1"
CODE_LOCATION = "spice"
APPS: tuple[Literal["oms", "bff", "funnel"], ...] = ("oms", "bff", "funnel")


@dataclass(frozen=True, slots=True)
class Part:
    """One child process.

    Attributes:
        name: as in the log stream.
        command: what to run.
        ready_url: answers 2xx once the part is ready; None: `ready_socket` can be connected to, or, without one, at once.
        listens: the ports it needs.
        environment: over the supervisor's own.
        after: parts that must have been ready once before it starts.
        shows: the address worth opening, for the ready line.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str | None = None
    ready_socket: Path | None = None
    listens: Listener | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    shows: str | None = None


def platform_parts(settings: Settings) -> list[Part]:
    """Return the three apps and the workers."""
    ports = {"oms": settings.oms_port, "bff": settings.bff_port, "funnel": settings.funnel_port}
    base = {name: f"http://{reachable_host(settings)}:{port}" for name, port in ports.items()}
    apps = [
        Part(
            name=name,
            command=_spice("api", name),
            ready_url=f"{base[name]}/health",
            listens=Listener(port, f"{name.upper()}_PORT"),
            shows=f"{base[name]}/docs",
        )
        for name, port in ports.items()
    ]
    workers = Part(
        name="workers",
        command=_spice("worker", "all"),
        ready_url=f"http://{reachable_host(settings)}:{settings.worker_port}/healthz",
        listens=Listener(settings.worker_port, "SPICE_WORKER_PORT"),
    )
    return [*apps, workers]


def dagster_parts(settings: Settings, *, home: Path, code_socket: Path, storage_url: str) -> list[Part]:
    """Return code server, web server, daemon and the reloader; the web server trusts whoever reaches it, so it stays on loopback.

    They start one after the other: each would otherwise create the tables of the instance's storage at the same moment.
    """
    url = f"http://{LOOPBACK}:{settings.dagster_port}"
    environment = {
        "DAGSTER_HOME": str(home),
        "SPICE_DAGSTER_STORAGE_URL": storage_url,
        "SPICE_DAGSTER_CODE_SOCKET": str(code_socket),
    }
    workspace = ("-w", str(home / "workspace.yaml"))
    server = ("dagster", "code-server", "start", "-m", "spice_assets.definitions", "-s", str(code_socket))
    location = ("--location-name", CODE_LOCATION, "--inject-env-vars-from-instance", "--use-python-environment-entry-point")
    quiet = ("--log-level", "warning", "--log-format", "json" if settings.log_format == "json" else "colored")
    return [
        Part("assets", _module(*server, *location, *quiet), ready_socket=code_socket, environment=environment),
        Part(
            "dagster",
            _module("dagster_webserver", "-h", LOOPBACK, "-p", str(settings.dagster_port), *workspace, *quiet),
            ready_url=f"{url}/server_info",
            listens=Listener(settings.dagster_port, "DAGSTER_PORT"),
            environment=environment,
            after=("assets",),
            shows=url,
        ),
        Part(
            "daemon",
            _module("dagster._daemon", "run", *workspace, *quiet),
            environment=environment,
            after=("dagster",),
        ),
        Part("reloader", _module("spice_assets.reloader"), environment=environment, after=("dagster",)),
    ]


def reachable_host(settings: Settings) -> str:
    """Return a host by which this machine reaches the apps."""
    return {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(settings.listen_host, settings.listen_host)  # noqa: S104 - compared, not bound


def _spice(*words: str) -> tuple[str, ...]:
    return _module("spice_api.cli.main", *words)


def _module(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *words)
