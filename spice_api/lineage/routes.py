"""Asking why: for a node, for a link, by command, by dataset version, and as a graph of causes."""

import itertools
from typing import Annotated

from fastapi import APIRouter, Query

from spice_api.dependencies import MAIN, BranchQuery, DatabasePath, PlatformDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.lineage.schemas import (
    Effects,
    ExplanationBody,
    LineageCounts,
    LineageEdge,
    LineageGraph,
    LineageNode,
    cause_body,
    explanation_body,
)
from spice_api.reading import BarrierDep, ExplainerDep
from spice_core.errors import CommandNotFound

router = APIRouter(prefix="/api/v1/lineage/{db_name}", tags=["lineage"], route_class=StrictJsonRoute)

NodeId = Annotated[str, Query(min_length=3, max_length=700, description="`Class/id`.", examples=["Product/prod_001"])]
DEFAULT_NODES = 200


@router.get("/why/node")
def why_node(
    db_name: DatabasePath, explainer: ExplainerDep, barrier: BarrierDep, node_id: NodeId, branch: BranchQuery = MAIN
) -> Envelope[ExplanationBody]:
    """Explain a node: the event, command, person, dataset row and commit of its last change, and of all before."""
    barrier.wait(db_name, "graph", "lineage")
    body = explanation_body(explainer.node(db_name, branch, node_id))
    return Envelope(message=f"{node_id} is as command {body.because.command_id} left it", data=body)


@router.get("/why/edge")
def why_edge(
    *,
    db_name: DatabasePath,
    explainer: ExplainerDep,
    barrier: BarrierDep,
    from_node: NodeId,
    predicate: Annotated[str, Query(min_length=1, max_length=100, examples=["owned_by"])],
    to_node: NodeId,
    branch: BranchQuery = MAIN,
) -> Envelope[ExplanationBody]:
    """Explain a link: the event that introduced it, with command, person, dataset row and commit."""
    barrier.wait(db_name, "graph", "lineage")
    body = explanation_body(explainer.link(db_name, branch, from_node, predicate, to_node))
    return Envelope(message=f"the link was made by command {body.because.command_id}", data=body)


@router.get("/command/{command_id}")
def of_command(db_name: DatabasePath, command_id: str, explainer: ExplainerDep, barrier: BarrierDep) -> Envelope[Effects]:
    """List what one command brought about."""
    barrier.wait(db_name, "graph", "lineage")
    found = explainer.effects_of_command(db_name, command_id)
    if found is None:
        raise CommandNotFound(f"there is no command {command_id[:100]!r} in {db_name}")
    body = Effects(
        subject=f"command:{command_id}",
        artifacts=[record.artifact for record in found],
        records=[cause_body(explainer.cause(db_name, record)) for record in found],
        next_after=None,
    )
    return Envelope(message=f"{len(found)} effects", data=body)


@router.get("/version/{version_id}")
def of_dataset_version(
    *,
    db_name: DatabasePath,
    version_id: str,
    platform: PlatformDep,
    explainer: ExplainerDep,
    barrier: BarrierDep,
    after: Annotated[int, Query(ge=0, le=2**53, description="Continue behind this log position.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[Effects]:
    """List what was made from one dataset version."""
    barrier.wait(db_name, "graph", "lineage")
    found = platform.lineage.of_dataset_version(db_name, version_id, after=after, limit=limit)
    body = Effects(
        subject=f"version:{version_id}",
        artifacts=[record.artifact for record in found],
        records=[cause_body(explainer.cause(db_name, record)) for record in found],
        next_after=found[-1].position if len(found) == limit else None,
    )
    return Envelope(message=f"{len(found)} effects", data=body)


@router.get("/graph")
def lineage_graph(
    *,
    db_name: DatabasePath,
    explainer: ExplainerDep,
    barrier: BarrierDep,
    root: NodeId,
    branch: BranchQuery = MAIN,
    max_nodes: Annotated[int, Query(ge=1, le=2000)] = DEFAULT_NODES,
) -> Envelope[LineageGraph]:
    """Return the causes of a node as a graph: commands, events, commits and dataset versions, leading to the node."""
    barrier.wait(db_name, "graph", "lineage")
    found = explainer.node(db_name, branch, root, limit=max_nodes)
    nodes = {f"node:{branch}:{root}": LineageNode(id=f"node:{branch}:{root}", kind="node", label=root)}
    edges = []
    for cause in found.history:
        steps = [("version", cause.dataset_version.version_id)] if cause.dataset_version else []
        steps += [("command", cause.command_id), ("event", cause.event_id)]
        steps += [("commit", cause.commit.id)] if cause.commit else []
        ids = [f"{kind}:{name}" for kind, name in steps]
        nodes |= {
            node_id: LineageNode(id=node_id, kind=kind, label=name) for node_id, (kind, name) in zip(ids, steps, strict=True)
        }
        chain = [*ids, f"node:{branch}:{root}"]
        edges += [
            LineageEdge(from_node=left, to_node=right, edge_type=_edge_type(left, right))
            for left, right in itertools.pairwise(chain)
        ]
    body = LineageGraph(root=root, nodes=list(nodes.values()), edges=edges, is_cut=len(found.history) >= max_nodes)
    return Envelope(message=f"{len(found.history)} steps led to {root}", data=body)


@router.get("/metrics")
def lineage_metrics(db_name: DatabasePath, platform: PlatformDep) -> Envelope[LineageCounts]:
    """Count the steps by type of event, and say how far the projection is behind the log."""
    body = LineageCounts(
        counts=dict(platform.lineage.counts(db_name)),
        position=platform.work.position("lineage", db_name),
        log_position=platform.log.head(db_name).position,
    )
    return Envelope(message=f"{sum(body.counts.values())} steps", data=body)


def _edge_type(left: str, right: str) -> str:
    return f"{left.partition(':')[0]}_to_{right.partition(':')[0]}"
