"""`spice demo`: the tour."""

import signal
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from spice_api.cli.session import platform
from spice_api.cli.tour.client import Api
from spice_api.cli.tour.conversation import converse
from spice_api.cli.tour.findings import Findings
from spice_api.cli.tour.loading import load
from spice_api.cli.tour.proof import prove
from spice_api.cli.tour.questions import ask, correct, explain
from spice_api.cli.tour.report import bring_in_report
from spice_api.cli.tour.stage import Stage, stage
from spice_api.cli.tour.tables import DemoTables
from spice_core.bootstrap import Platform
from spice_core.settings import load_settings


def demo(
    *,
    all_year: Annotated[
        bool, Parameter(name="--all", negative="", help="The whole year (336,776 flights) instead of January.")
    ] = False,
    keep: Annotated[bool, Parameter(negative="", help="Leave the platform running afterwards, until Ctrl-C.")] = False,
    dagster: Annotated[bool, Parameter(help="Through Dagster: real runs, to be seen in its UI.")] = True,
) -> int:
    """Take real flights from spreadsheets to a graph, and prove what it says.

    Uses the platform that `spice dev` runs, or starts one of its own beside it. Every number is read back from the system and
    compared with the files; the exit code is 0 only if every comparison held.
    """
    screen = Console(highlight=False)
    findings = Findings(screen)
    tables = DemoTables(all_year=all_year)
    screen.rule("SPICE Harvester", style="dim")
    with stage(load_settings(), with_dagster=dagster) as place, platform(place.settings, process="demo") as parts:
        where = "on the running platform" if not place.is_own else f"on a platform of its own, up in {place.start_seconds:.1f} s"
        screen.print(f"{where}: {'  '.join(f'{name} {url}' for name, url in place.urls.items())}\n")
        _tour(place, parts, tables=tables, findings=findings, screen=screen)
        code = _verdict(place, findings, screen)
        if keep and place.is_own:
            screen.print(
                f"running until Ctrl-C; state in {place.settings.state_path}, token in {place.settings.state_path}/admin_token"
            )
            _wait_for_interrupt()
    return code


def _tour(place: Stage, parts: Platform, *, tables: DemoTables, findings: Findings, screen: Console) -> None:
    api = Api(place.urls, token=place.token)
    try:
        first, second = _free_names(parts)
        _title(screen, 1, "a customer, her product and the link between them, sent without waiting")
        converse(api, first, findings=findings, console=screen)
        _title(screen, 2, "from four CSV files to versioned datasets, a typed graph and a search index")
        load(api, parts, place, second, tables, findings=findings, console=screen)
        _title(screen, 3, "a question over several hops")
        ask(api, second, tables, findings=findings, console=screen)
        _title(screen, 4, "why is this link there?")
        flight = explain(parts, second, tables, findings=findings, console=screen)
        _title(screen, 5, "a correction, and a conflict")
        correct(api, second, flight, findings=findings, console=screen)
        _title(screen, 6, "a messy workbook, and the next month of it")
        bring_in_report(api, parts, place, second, findings=findings, console=screen)
        _title(screen, 7, "rebuild the search index from the log")
        prove(parts, [first, second], findings=findings, console=screen)
    finally:
        api.close()


def _free_names(parts: Platform) -> tuple[str, str]:
    """Return names of databases that no log has yet."""
    number = 1
    while parts.log.exists(f"demo_{number}") or parts.log.exists(f"flights_{number}"):
        number += 1
    return f"demo_{number}", f"flights_{number}"


def _title(screen: Console, number: int, text: str) -> None:
    screen.print(f"\n[bold]{number}. {text}[/]")


def _verdict(place: Stage, findings: Findings, screen: Console) -> int:
    screen.rule(style="dim")
    if findings.failed:
        screen.print(f"[bold red]{len(findings.failed)} of {findings.count} comparisons failed:[/] {'; '.join(findings.failed)}")
        return 1
    screen.print(f"[bold green]all {findings.count} comparisons held[/]")
    for name, url in place.urls.items():
        screen.print(f"  {name:<8} {url}{'' if name == 'dagster' else '/docs'}")
    if place.is_own:
        screen.print("  (they end with the demo: `spice demo --keep` leaves them, `spice dev` runs them for good)")
    return 0


def _wait_for_interrupt() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pause()
