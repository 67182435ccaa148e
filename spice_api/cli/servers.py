"""`spice servers`: the real engines on this machine, without containers."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from spice_api.cli.report import AsJson, console, print_json, print_table, shown
from spice_api.dev.servers.fleet import Fleet
from spice_api.dev.servers.server import Server
from spice_core.bootstrap import state_directory
from spice_core.errors import ConfigurationError, SpiceError
from spice_core.settings import load_settings

app = App(
    name="servers",
    help="Start, stop and look at real engines on this machine, without containers.",
)

Names = Annotated[str, Parameter(help="postgres, s3, kafka, elasticsearch, redis; without a name, all of them.")]
Ports = Annotated[
    list[str] | None,
    Parameter(name="--port", negative="", help="Another port, as kafka=39093; of an inner one, as kafka.controller=39094."),
]
_SECRETS = re.compile(r"(?<=SECRET_KEY=).+|(?<=://spice:)[^@]+(?=@)")


@app.command
def up(*names: Names, port: Ports = None, as_json: AsJson = False) -> int:
    """Start the servers that do not run, each with its own port and directory under `.spice/servers/`.

    What is needed is downloaded once, into `~/.cache/spice-harvester`. The servers go on until `spice servers down`. Afterwards
    `spice --full dev`, `spice --full demo` and every other command after `--full` use them; their variables are in
    `.spice/servers/full.env`. Exit codes: 0 all run; 2 a port is taken or something must be installed; 3 one did not come up.
    """
    fleet = _fleet(_ports(port or []))
    screen = Console(stderr=True, highlight=False, soft_wrap=True) if as_json else console()
    began = time.monotonic()
    screen.print(f"starting {', '.join(server.name for server in fleet.servers(names))}")

    def tell(server: Server, outcome: bool | SpiceError) -> None:
        if isinstance(outcome, SpiceError):
            screen.print(f"[red]failed[/]  {server.name}: {shown(outcome.message)}")
            return
        how = f"in {time.monotonic() - began:.1f} s" if outcome else "already"
        screen.print(f"[green]up[/]      {server.name:<14} 127.0.0.1:{server.port:<6} {server.title} {server.version()}, {how}")

    errors = fleet.up(names, tell=tell)
    if as_json:
        print_json({"servers": fleet.status(names), "environment_file": fleet.environment_file})
    else:
        _tell_use(fleet, screen)
    if errors:
        raise next((error for error in errors if isinstance(error, ConfigurationError)), errors[0])
    return 0


@app.command
def down(*names: Names, as_json: AsJson = False) -> int:
    """Stop the servers; their data and logs stay."""
    ran: dict[str, bool] = {}

    def tell(server: Server, did_run: bool) -> None:
        ran[server.name] = did_run
        if not as_json:
            console().print(f"{'stopped' if did_run else 'did not run'}  {server.name}")

    _fleet().down(names, tell=tell)
    if as_json:
        print_json({"stopped": [name for name, did_run in ran.items() if did_run]})
    return 0


@app.command
def status(*names: Names, as_json: AsJson = False) -> int:
    """Show which servers run, and where. Exit code 1 where one does not answer."""
    fleet = _fleet()
    found = fleet.status(names)
    if as_json:
        print_json(found)
    else:
        rows = [
            (one.name, f"{one.title} {one.version}", one.state, f"127.0.0.1:{one.port}", str(one.pid or "-")) for one in found
        ]
        print_table(("server", "product", "state", "address", "process"), rows)
        console().print(f"logs: {fleet.root}/<server>/server.log")
    return 0 if all(one.state == "up" for one in found) else 1


@app.command
def fetch(*names: Names) -> int:
    """Download what the servers need, without starting them."""
    _fleet().fetch(names, tell=lambda server: console().print(f"ready  {server.name:<14} {server.title} {server.version()}"))
    return 0


def _fleet(ports: Mapping[str, Mapping[str, int]] | None = None) -> Fleet:
    return Fleet.of_state(state_directory(load_settings()), ports=ports)


def _ports(words: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return `kafka=1 kafka.controller=2` as numbers by server and port.

    Raises:
        ConfigurationError: a word is not of that form.
    """
    asked: dict[str, dict[str, int]] = {}
    for word in words:
        match = re.fullmatch(r"([a-z0-9]+)(?:\.([a-z.]+))?=(\d{1,5})", word)
        if match is None or not 0 <= int(match[3]) <= 65535:
            raise ConfigurationError(f"--port {word} is not of the form kafka=39093")
        asked.setdefault(match[1], {})[match[2] or "port"] = int(match[3])
    return asked


def _tell_use(fleet: Fleet, screen: Console) -> None:
    if not fleet.settings():
        return
    screen.print(f"\nuse them: spice --full dev, spice --full demo …; or in a shell: set -a; . {fleet.environment_file}; set +a")
    for name, value in fleet.settings().items():
        screen.print(f"  {shown(_SECRETS.sub('********', f'{name}={value}'))}")
