"""`spice why`: the reasons of a node or an edge as a short tree."""

from collections.abc import Mapping
from typing import Any

from rich.tree import Tree

from spice_api.cli.report import AsJson, Branch, Database, folding_console, print_json, shown
from spice_api.cli.session import platform
from spice_core.domain import naming
from spice_core.errors import InvalidInput
from spice_core.services.explain import Cause, Explainer, Explanation


def why(
    source: str,
    predicate: str | None = None,
    target: str | None = None,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    as_json: AsJson = False,
) -> int:
    """Explain why a node (`spice why Plane/N14228 -d nyc`) or an edge (`spice why Flight/… carrier Airline/UA -d nyc`) is there.

    Names the event, the command and who sent it, the dataset version and the row of its file, and the commit.
    """
    if (predicate is None) != (target is None):
        raise InvalidInput("name a node, or an edge as SOURCE PREDICATE TARGET")
    with platform() as parts:
        explainer = Explainer(graph=parts.graph, lineage=parts.lineage, log=parts.log, registry=parts.registry)
        if predicate is None or target is None:
            found = explainer.node(db, branch, source)
        else:
            found = explainer.link(db, branch, source, predicate, target)
    if as_json:
        print_json(found)
    else:
        folding_console().print(tree_of(found))
    return 0


def tree_of(found: Explanation) -> Tree:
    """Return the explanation as a tree: what, because of which event, command, row and commit, and how often it changed."""
    subject = found.subject
    what = subject.get("node") or f"{subject['from_node']} -{subject['predicate']}-> {subject['to_node']}"
    tree = Tree(f"[bold]{shown(what)}[/] is there on {subject['branch']} because of")
    _add_cause(tree, found.because)
    if len(found.history) > 1:
        tree.add(f"{len(found.history)} changes in all, the first at {found.history[-1].occurred_at:%Y-%m-%d %H:%M:%S}")
    return tree


def _add_cause(tree: Tree, cause: Cause) -> None:
    event = tree.add(
        f"event {cause.event_type or 'of the node'} {cause.event_id} [dim]at position {cause.position} of the log[/]"
    )
    command = event.add(f"command {cause.command_id} #{cause.sequence_number}")
    command.add(f"by {shown(cause.actor or 'the platform')} at {cause.occurred_at:%Y-%m-%d %H:%M:%S} UTC")
    if cause.dataset_version is not None:
        version = cause.dataset_version
        origin = command.add(f"from dataset {shown(_dataset_name(version.dataset_id))} version {version.number}")
        origin.add(f"row {_row(cause.source)} of {shown(version.filename)} [dim]sha256 {version.content_sha256[:12]}…[/]")
        origin.add(f"dataset commit {version.commit_id[:12]}")
    elif cause.source:
        command.add(f"from {shown(dict(cause.source))}")
    if cause.commit is not None:
        event.add(f"graph commit {cause.commit.id[:12]}: {shown(cause.commit.message)}")


def _dataset_name(dataset_id: str) -> str:
    return naming.split_aggregate_id(dataset_id)[-1]


def _row(source: Mapping[str, Any] | None) -> object:
    return (source or {}).get("row", "?")
