"""What one asks of the graph: over several hops, why, and what happens to a correction."""

from collections import Counter
from typing import Any

from rich.console import Console

from spice_api.cli.report import print_table
from spice_api.cli.tour.client import Api, Refused
from spice_api.cli.tour.findings import Findings
from spice_api.cli.tour.tables import DemoTables
from spice_api.cli.why import tree_of
from spice_core.bootstrap import Platform
from spice_core.domain import naming
from spice_core.services.explain import Explainer

ORIGIN, DESTINATION = "JFK", "SFO"
_SHOWN = 8


def ask(api: Api, database: str, tables: DemoTables, *, findings: Findings, console: Console) -> None:
    """Which airlines and planes flew from JFK to SFO: from an airport over its flights to airlines and planes."""
    planes = _reached(api, database, "flown_by", "Plane")
    airlines = _reached(api, database, "operated_by", "Airline")
    flown = tables.between(ORIGIN, DESTINATION)
    names = {row["carrier"]: row["name"] for row in tables.lines("airlines")}
    path = "Airport <-departs_from- Flight -operated_by-> Airline"
    console.print(f"  who flew from {ORIGIN} to {DESTINATION}? {path}", markup=False)
    shown = sorted(airlines.items(), key=lambda item: -item[1])
    print_table(["airline", "name", "flights"], [[key, names[key], count] for key, count in shown[:_SHOWN]])
    findings.equal(
        "the graph and the file name the same airlines and their flights", airlines, dict(Counter(row.carrier for row in flown))
    )
    expected = {row.tailnum for row in flown} & tables.column("planes", "tailnum")
    findings.equal(f"and the same {len(planes)} planes", set(planes), expected)


def explain(parts: Platform, database: str, tables: DemoTables, *, findings: Findings, console: Console) -> str:
    """Show why one flight is linked to its plane, down to the row of the file; return the flight's key."""
    known = tables.column("planes", "tailnum")
    number, row = next((number, row) for number, row in enumerate(tables.flights, start=1) if row.tailnum in known)
    instance = naming.instance_id_of_key([row.time_hour, row.carrier, row.flight])
    flight = naming.node_key("Flight", instance)
    explainer = Explainer(graph=parts.graph, lineage=parts.lineage, log=parts.log, registry=parts.registry)
    found = explainer.link(database, naming.MAIN, flight, "flown_by", f"Plane/{row.tailnum}")
    console.print(tree_of(found))
    source = found.because.source or {}
    findings.equal("the link leads back to its row of flights.csv", source.get("row"), number)
    findings.holds("and to a commit, a command and a dataset version", _is_whole(found.because))
    return flight


def correct(api: Api, database: str, flight: str, *, findings: Findings, console: Console) -> None:
    """Correct a value with the number that was read; then let a second person try with the same number."""
    instance = flight.partition("/")[2]
    path = f"/instances/{database}/async/Flight/{instance}/update"
    before = api.instance(database, flight)
    number = before["version"]
    api.put("bff", path, {"data": {"dep_delay": 99}}, wait=True, expected_seq=number)
    after = api.instance(database, flight)
    console.print(f"  corrected dep_delay of {flight}: {before['data'].get('dep_delay')} -> {after['data'].get('dep_delay')}")
    findings.equal(
        "the correction is there, one number further",
        (after["data"].get("dep_delay"), after["version"]),
        (99, number + 1),
    )
    try:
        api.put("bff", path, {"data": {"dep_delay": 1}}, expected_seq=number)
    except Refused as refused:
        detail = refused.details.get("detail", {})
        console.print(f"  a second correction of number {number}: HTTP {refused.status} {detail}", markup=False)
        found = (refused.status, detail.get("expected_seq"), detail.get("actual_seq"))
        findings.equal("it is refused with both numbers", found, (409, number, number + 1))
    else:
        findings.holds("a second correction with an old number is refused", False)
    findings.equal("and changes nothing", api.instance(database, flight), after)


def _reached(api: Api, database: str, predicate: str, target: str) -> dict[str, int]:
    """Return how many flights of the route lead to each target."""
    question = {
        "start_class": "Airport",
        "filters": {"faa": ORIGIN},
        "hops": [
            {
                "predicate": "departs_from",
                "target_class": "Flight",
                "direction": "in",
                "filters": {"arrives_at": f"Airport/{DESTINATION}"},
            },
            {"predicate": predicate, "target_class": target},
        ],
        "max_nodes": 50_000,
        "max_edges": 100_000,
        "include_documents": False,
    }
    answer = api.post("bff", f"/graph-query/{database}", question)
    counts: dict[str, int] = {}
    for edge in answer["edges"]:
        if edge["predicate"] == predicate:
            key = edge["to_node"].partition("/")[2]
            counts[key] = counts.get(key, 0) + 1
    return counts


def _is_whole(cause: Any) -> bool:
    return all((cause.command_id, cause.event_id, cause.actor, cause.commit, cause.dataset_version))
