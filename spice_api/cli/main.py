"""Entry point of `spice`: the commands by name, loaded when they are called, and what their ends mean to a shell."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from spice_core.errors import ConfigurationError, InvalidInput, SpiceError, Unavailable

OK = 0
FAILED = 1
BAD_USAGE = 2
UNAVAILABLE = 3
_FULL = "--full"

_HELP = """SPICE Harvester: spreadsheets and event streams into a governed, versioned, searchable knowledge graph.

Start with `spice demo` (a tour with real data) or `spice dev` (everything, until Ctrl-C). `spice --full …` runs any command on
the engines that `spice servers up` started.

Exit codes: 0 done; 1 what was asked about failed or does not hold; 2 bad usage or configuration; 3 a part is down.
"""
_COMMANDS: Sequence[tuple[str, str, str]] = (
    ("dev", "spice_api.cli.dev:dev", "Run everything, supervised, until Ctrl-C."),
    ("demo", "spice_api.cli.demo:demo", "Take real flights from spreadsheets to a graph, and prove what it says."),
    ("api", "spice_api.cli.api:api", "Run one of the apps: oms, bff or funnel."),
    ("worker", "spice_api.cli.worker:worker", "Run workers: graph, search, read-models, registry, connectors, relay, or all."),
    ("db", "spice_api.cli.db:app", "List, create and delete databases."),
    ("dataset", "spice_api.cli.dataset:app", "Upload, list and preview datasets; make classes of them."),
    ("connector", "spice_api.cli.connector:app", "Take Google Sheets and SQL databases as sources of datasets."),
    ("query", "spice_api.cli.query:query", "Ask the graph, over any number of hops."),
    ("why", "spice_api.cli.why:why", "Explain why a node or an edge is there."),
    ("ontology", "spice_api.cli.ontology:app", "List and show classes; migrate one whose primary key changes."),
    ("log", "spice_api.cli.log:app", "Verify, follow and read the event log."),
    ("check", "spice_api.cli.check:check", "Replay the log into empty stores and compare them with the live ones."),
    ("rebuild", "spice_api.cli.rebuild:app", "Build projections anew from the log, and compare."),
    ("dead-letters", "spice_api.cli.dead_letters:app", "Look at events that no retry helped; retry or discard them."),
    ("config", "spice_api.cli.config:app", "Check and show the settings."),
    ("servers", "spice_api.cli.servers:app", "Start, stop and look at real engines on this machine, without containers."),
    ("health-monitor", "spice_api.cli.health_monitor:health_monitor", "Ask the apps for their health, again and again."),
    ("doctor", "spice_api.cli.doctor:doctor", "Look at every part and say what to do."),
)


def build() -> App:
    """Return the command line; no module of a command is imported yet."""
    app = App(name="spice", help=_HELP, version=version("spice-harvester"), result_action="return_value")
    for name, target, text in _COMMANDS:
        app.command(target, name=name, help=text)
    return app


def run(words: Sequence[str]) -> int:
    """Run one command line; return the exit code."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        if words and words[0] == _FULL:
            words = words[1:]
            if words and not words[0].startswith("-"):
                import_module("spice_api.cli.full").use_servers(words)
        result = build()(list(words), exit_on_error=False, print_error=True, error_console=Console(stderr=True, highlight=False))
    except CycloptsError:
        return BAD_USAGE
    except SpiceError as error:
        errors.print(f"[bold red]error[/] {_escaped(error.message)} [dim]({error.code})[/]")
        return exit_code(error)
    except BrokenPipeError:
        return OK
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else OK


def exit_code(error: SpiceError) -> int:
    """Return what an error means to a shell."""
    if isinstance(error, ConfigurationError | InvalidInput):
        return BAD_USAGE
    return UNAVAILABLE if isinstance(error, Unavailable) else FAILED


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


if __name__ == "__main__":
    main()
