"""`spice query`: a graph question from the command line."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from spice_api.cli.report import AsJson, Branch, Database, Limit, console, print_json, print_table
from spice_api.cli.session import platform, read_barrier
from spice_core.bootstrap import Platform
from spice_core.domain import naming
from spice_core.domain.graph import Direction
from spice_core.errors import InvalidQuery
from spice_core.services.query_graph import GraphAnswer, GraphQueries, GraphQuery, Hop, QueryLimits

_HOP = re.compile(r"(?P<back><?)(?P<predicate>[A-Za-z_]\w*)(?::(?P<target>.+))?")


def query(
    start_class: str,
    *hops: Annotated[str, Parameter(help="`predicate` or `predicate:Class`; `<predicate:Class` goes against the link.")],
    db: Database,
    branch: Branch = naming.MAIN,
    where: Annotated[
        list[str] | None, Parameter(name=["--where", "-w"], help="`property=value` on the start class; repeatable.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> int:
    """Ask the graph: start at the instances of a class that meet the conditions, and follow links.

    For example: `spice query Flight origin plane -d nyc -w month=1 -n 5`, or against the links
    `spice query Plane '<plane:Flight' -d nyc`.
    """
    asked = GraphQuery(
        start_class=start_class,
        hops=[parse_hop(word) for word in hops],
        filters=parse_conditions(where or []),
        limit=limit,
        max_paths=limit if hops else 0,
    )
    with platform() as parts:
        answer = graph_queries(parts).ask(db, branch, asked)
    if as_json:
        print_json({"nodes": answer.nodes, "edges": answer.walk.links, "total": answer.total, "warnings": answer.warnings})
    else:
        _print(answer)
    return 0


def parse_hop(word: str) -> Hop:
    """Read `predicate`, `predicate:Class` or `<predicate:Class`. Raises `InvalidQuery`."""
    match = _HOP.fullmatch(word)
    if match is None:
        raise InvalidQuery(f"{word!r} is no hop: write predicate, predicate:Class, or <predicate:Class")
    direction = Direction.IN if match["back"] else Direction.OUT
    return Hop(match["predicate"], match["target"], direction)


def parse_conditions(words: Sequence[str]) -> Mapping[str, Any]:
    """Read `property=value` words. Raises `InvalidQuery`."""
    conditions = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise InvalidQuery(f"{word!r} is no condition: write property=value")
        conditions[name] = value
    return conditions


def graph_queries(parts: Platform) -> GraphQueries:
    """Return the service that answers questions, with the limits of the settings."""
    settings = parts.settings
    return GraphQueries(
        graph=parts.graph,
        search=parts.search,
        barrier=read_barrier(parts),
        limits=QueryLimits(
            max_hops=settings.graph_query_max_hops,
            max_limit=settings.graph_query_max_limit,
            max_paths=settings.graph_query_max_paths,
        ),
    )


def _print(answer: GraphAnswer) -> None:
    rows = [[found.node.key, found.title, found.node.sequence_number, found.data_status] for found in answer.nodes]
    print_table(["node", "title", "seq", "document"], rows)
    links = [[link.source, link.predicate, link.target] for link in answer.walk.links]
    if links:
        print_table(["from", "predicate", "to"], links)
    more = "" if answer.next_offset is None else f", more behind --limit {answer.next_offset}"
    console().print(f"{answer.total:,} start nodes in all{more}; commit {answer.commit[:12]}")
    for warning in answer.warnings:
        console().print(f"[yellow]warning[/] {warning}")
