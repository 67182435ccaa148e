"""Writing a graph answer in the shape that clients read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from spice_api.graph_query.schemas import (
    Display,
    EdgeBody,
    EsRef,
    GraphAnswer,
    IndexStatus,
    IndexSummary,
    NodeBody,
    PageBody,
    PathBody,
    ProvenanceBody,
)
from spice_core.domain.graph import Link, Node
from spice_core.services.query_graph import GraphAnswer as Found
from spice_core.services.query_graph import GraphQuery, JoinedNode

_SUMMARY_FIELDS = 4


def graph_answer(
    database: str,
    branch: str,
    query: GraphQuery,
    found: Found,
    *,
    now: datetime,
    asked: Mapping[str, Any],
    with_provenance: bool,
    with_audit: bool,
    with_paths: bool,
) -> GraphAnswer:
    """Return `found` as clients read it; `now` dates the index."""
    nodes = [_node(database, item, now, with_provenance=with_provenance, with_audit=with_audit) for item in found.nodes]
    sources = {item.node.key: item.node for item in found.nodes} if with_provenance else {}
    paths = None
    if with_paths:
        paths = [
            PathBody(nodes=list(path.nodes), edges=[_edge(link, sources) for link in path.links], length=len(path.links))
            for path in found.walk.paths
        ]
    return GraphAnswer(
        nodes=nodes,
        edges=[_edge(link, sources) for link in found.walk.links],
        query=dict(asked),
        count=len(nodes),
        total=found.total,
        branch=branch,
        commit=found.commit,
        warnings=list(found.warnings),
        page=PageBody(limit=query.limit, offset=query.offset, next_offset=found.next_offset),
        paths=paths,
        index_summary=_summary(nodes),
    )


def provenance_of(node: Node) -> ProvenanceBody:
    """Return why a node is as it is."""
    provenance = node.provenance
    return ProvenanceBody(
        event_id=provenance.event_id,
        command_id=provenance.command_id,
        actor=provenance.actor,
        occurred_at=provenance.occurred_at,
        sequence_number=node.sequence_number,
        position=node.position,
        source=dict(provenance.source) if provenance.source else None,
    )


def _node(database: str, item: JoinedNode, now: datetime, *, with_provenance: bool, with_audit: bool) -> NodeBody:
    node, document = item.node, item.document
    is_readable = document is not None and not document.is_deleted
    return NodeBody(
        id=node.key,
        type=node.class_id,
        es_doc_id=node.key,
        db_name=database,
        es_ref=EsRef(index=f"{database}_instances", id=node.key),
        data_status=item.data_status,
        display=_display(item),
        data=dict(document.data) if document is not None and is_readable else None,
        index_status=_index_status(item, now),
        provenance=provenance_of(node) if with_provenance else None,
        audit=_audit(node) if with_audit else None,
    )


def _display(item: JoinedNode) -> Display:
    key = " ".join(str(value) for value in item.key_values.values()) or item.node.key.partition("/")[2]
    shown = [(name, value) for name, value in item.node.document.items() if isinstance(value, str | int | float | bool)]
    summary = ", ".join(f"{name}: {value}" for name, value in shown[:_SUMMARY_FIELDS])
    return Display(primary_key=key, name=item.title, summary=summary)


def _index_status(item: JoinedNode, now: datetime) -> IndexStatus:
    document = item.document
    if document is None:
        return IndexStatus()
    return IndexStatus(
        last_indexed_at=document.updated_at,
        index_age_seconds=max(0.0, (now - document.updated_at).total_seconds()),
        event_sequence=item.node.sequence_number if document.version == item.node.position else None,
        position=document.version,
        tombstoned=document.is_deleted,
    )


def _audit(node: Node) -> dict[str, Any]:
    provenance = node.provenance
    return {"actor": provenance.actor, "command_id": provenance.command_id, "occurred_at": provenance.occurred_at}


def _edge(link: Link, sources: Mapping[str, Node]) -> EdgeBody:
    source = sources.get(link.source)
    return EdgeBody(
        from_node=link.source,
        to_node=link.target,
        predicate=link.predicate,
        provenance=provenance_of(source) if source else None,
    )


def _summary(nodes: Sequence[NodeBody]) -> IndexSummary:
    ages = [node.index_status.index_age_seconds for node in nodes if node.index_status.index_age_seconds is not None]
    return IndexSummary(
        documents_found=sum(node.data is not None for node in nodes),
        documents_missing=sum(node.data_status == "MISSING" for node in nodes),
        max_index_age_seconds=max(ages, default=None),
        avg_index_age_seconds=sum(ages) / len(ages) if ages else None,
    )
