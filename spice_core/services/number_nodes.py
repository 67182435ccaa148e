"""The number that the next command on a node has to expect: commands that failed count too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spice_core.domain import naming
from spice_core.domain.graph import ONTOLOGY_CLASS, Node
from spice_core.ports.graph_store import GraphStore
from spice_core.services.branch_numbers import beginning_of, inherited_numbers
from spice_core.services.wait_for_reads import ReadBarrier


@dataclass(frozen=True, slots=True)
class NodeNumbers:
    """Compares what the graph shows with what the log has accepted."""

    graph: GraphStore
    barrier: ReadBarrier

    def of(self, database: str, ref: str, nodes: Sequence[Node]) -> list[Node]:
        """Return `nodes` (read at `ref`) with the `sequence_number` to expect, at the state that goes with it.

        Nodes of a commit id, and those a branch inherited without a command of its own, are returned as they are. Others of a
        branch go on from the number that they had where it began.
        """
        aggregates = {node.key: _aggregate(database, ref, node.key) for node in nodes}
        numbers = self.barrier.log.numbers(database, aggregates.values())
        own = {node.key: number for node in nodes if (number := numbers[aggregates[node.key]])}
        inherited = inherited_numbers(beginning_of(self.graph, database, ref) if own else None, own)
        told = {key: number + inherited.get(key, 0) for key, number in own.items()}
        moved = {node.key: told[node.key] for node in nodes if told.get(node.key, node.sequence_number) != node.sequence_number}
        # A number that is undecided must not be told with an older state: it would let a client overwrite what it never saw.
        if not moved or self.barrier.wait(database, "graph"):
            return list(nodes)
        newest = self.graph.view(database, ref).get(moved)
        return [
            replace(newest[node.key], sequence_number=moved[node.key]) if node.key in newest and node.key in moved else node
            for node in nodes
        ]


def _aggregate(database: str, ref: str, key: str) -> str:
    class_id, name = naming.split_node_key(key)
    if class_id == ONTOLOGY_CLASS:
        return f"OntologyClass|{naming.aggregate_id(database, ref, name)}"
    return f"Instance|{naming.aggregate_id(database, ref, class_id, name)}"
