"""The batch that a run of commands makes of its changes: the same one whenever it is made again."""

from collections.abc import Sequence
from datetime import datetime

from spice_core.domain.graph import GraphBatch, Node, Removal
from spice_core.services.apply_control import author_of
from spice_core.services.graph_commands import Outcome


def last_changes(outcomes: Sequence[Outcome]) -> list[Node | Removal]:
    """Return the last change of each key."""
    found: dict[str, Node | Removal] = {}
    for outcome in outcomes:
        for change in outcome.changes:
            found[change.key] = change
    return list(found.values())


def batch_of(branch: str, outcomes: Sequence[Outcome]) -> GraphBatch:
    """Return the one batch of outcomes that change something: all of it follows from their commands, failed ones left out."""
    changes = last_changes(outcomes)
    placed_ = [outcome.placed for outcome in outcomes]
    return batch(
        branch,
        changes,
        actors={item.command.created_by for item in placed_},
        times=[item.command.created_at for item in placed_],
        positions=[item.position for item in placed_],
    )


def batch(
    branch: str,
    changes: Sequence[Node | Removal],
    *,
    actors: set[str | None],
    times: Sequence[datetime],
    positions: Sequence[int],
) -> GraphBatch:
    """Return the batch of `changes`, which commands of these actors, times and positions made: a replay makes the same one."""
    first, last = min(positions), max(positions)
    return GraphBatch(
        branch=branch,
        changes=changes,
        author=author_of(actors),
        message=f"{len(changes)} changes by commands {first}..{last}",
        at=max(times),
        first_position=first,
        last_position=last,
    )
