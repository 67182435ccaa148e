"""Numbers on a branch: what it inherited goes on counting from where the branch began, so that none comes round again."""

from collections.abc import Collection, Mapping

from spice_core.domain import naming
from spice_core.domain.events import Event
from spice_core.errors import OptimisticConcurrencyConflict
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.services.graph_commands import Placed

_NUMBER = "number"


def beginning_of(graph: GraphStore, database: str, branch: str) -> GraphView | None:
    """Return the state that `branch` began with; None for main, and for a ref that is no branch.

    Raises:
        DatabaseNotFound, BranchNotFound, CommitNotFound: the database, or the branch this very moment, is gone.
    """
    if branch == naming.MAIN:
        return None
    begun = next((item.created_from for item in graph.branches(database) if item.name == branch), None)
    return graph.view(database, begun) if begun is not None else None


def inherited_numbers(begun: GraphView | None, keys: Collection[str]) -> dict[str, int]:
    """Return the numbers that nodes of a branch had where it `begun`; those that were not there are left out.

    The log counts the commands of every branch from 1. The number that clients read and send is the inherited one plus that.
    """
    if begun is None or not keys:
        return {}
    return {key: node.sequence_number for key, node in begun.get(keys).items()}


def told_number(event: Event) -> int:
    """Return the number that clients know the state by which a domain event tells of."""
    return int(event.metadata.get(_NUMBER, event.sequence_number or 0))


def number_metadata(told: int, logged: int) -> Mapping[str, int]:
    """Return what the metadata of a domain event says of its number (see `told_number`): nothing where the log's is it."""
    return {} if told == logged else {_NUMBER: told}


def check_unmoved(placed: Placed, inherited: int) -> None:
    """Raise `OptimisticConcurrencyConflict` where a command on a branch expects another number than the one before it.

    It was checked when it was accepted, but against the branch as it was then: it may have been created anew since.
    """
    command, before = placed.command, inherited + placed.sequence_number - 1
    if command.branch != naming.MAIN and command.expected_seq not in {None, before}:
        raise OptimisticConcurrencyConflict(
            aggregate_id=command.aggregate_id, expected_seq=command.expected_seq or 0, actual_seq=before
        )
