"""The documents of a branch that starts at an old commit, where the index only knows what branches hold now."""

from spice_core.domain import naming
from spice_core.domain.graph import ONTOLOGY_CLASS, Commit
from spice_core.domain.search import SearchDocument
from spice_core.ports.graph_store import GraphStore
from spice_core.services.search_documents import document_of_node

_PAGE = 1000
_HISTORY = 1_000_000


def documents_of_difference(graph: GraphStore, database: str, source: str, *, before: int) -> tuple[str, list[SearchDocument]]:
    """Return the branch that commit `source` is nearest to, and what to write over it to get the state of `source`.

    `before` is the position of the event that creates the branch: the nearest branch is taken as it was then. The documents
    carry it as their version, so that they stand over what is inherited and under what comes later.

    Raises:
        DatabaseNotFound, CommitNotFound, BranchNotFound: the graph no longer knows the commit.
    """
    commit = graph.view(database, source).commit
    then = _as_of(graph, database, commit.branch, before) or commit
    documents: list[SearchDocument] = []
    after = ""
    while page := graph.diff(database, then.id, commit.id, after=after, limit=_PAGE):
        after = page[-1].key
        for difference in page:
            node = difference.after or difference.before
            if node is None or node.class_id == ONTOLOGY_CLASS:
                continue
            document = document_of_node(node)
            documents.append(
                SearchDocument(
                    key=document.key,
                    class_id=naming.split_node_key(document.key)[0],
                    data=document.data if difference.after else {},
                    version=before,
                    position=before,
                    event_id=document.event_id,
                    updated_at=document.updated_at,
                    is_deleted=difference.after is None,
                )
            )
    return commit.branch, documents


def _as_of(graph: GraphStore, database: str, branch: str, before: int) -> Commit | None:
    """Return the newest commit of `branch` that was made before position `before`."""
    history = graph.history(database, branch, limit=_HISTORY)
    return next((commit for commit in history if commit.last_position < before), None)
