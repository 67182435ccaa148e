"""What the workers did since the last look, per class: the pure half of their summary in the asset catalogue."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from spice_assets.names import OBJECTS, SEARCH, asset_key
from spice_core.domain.graph import Difference

CREATED, UPDATED, DELETED = "created", "updated", "deleted"


@dataclass(frozen=True, slots=True)
class ObservedBranch:
    """One branch of the graph now, and what changed since the commit of the cursor (None: the cursor does not know it).

    `is_complete` is false where more changed than was looked at. `behind` is how many events each worker has yet to do.
    """

    database: str
    branch: str
    commit: str
    changes: Mapping[str, Mapping[str, int]] | None
    is_complete: bool = True
    instances: Mapping[str, int] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)


def evaluate(
    cursor: str | None, observed: Sequence[ObservedBranch], *, known: Collection[dg.AssetKey]
) -> tuple[list[dg.AssetObservation], str]:
    """Return one summary per changed asset that this code location knows, and the next cursor (the commit of each branch).

    Summaries are observations: a materialization that no run made would stand before the run's own, and its checks would
    count as not evaluated.
    """
    commits: dict[str, str] = json.loads(cursor) if cursor else {}
    reports = [
        report
        for entry in observed
        for class_id, counts in sorted((entry.changes or {}).items())
        for report in _reports(entry, class_id, counts)
        if report.asset_key in known
    ]
    commits |= {place(entry.database, entry.branch): entry.commit for entry in observed}
    return reports, json.dumps(commits, sort_keys=True)


def commit_of(cursor: str | None, database: str, branch: str) -> str | None:
    """Return the commit at which a branch was last summarized."""
    known: dict[str, str] = json.loads(cursor) if cursor else {}
    return known.get(place(database, branch))


def place(database: str, branch: str) -> str:
    """Return the name of a branch in the cursor."""
    return f"{database}@{branch}"


def count_changes(differences: Sequence[Difference]) -> dict[str, dict[str, int]]:
    """Return how many nodes of each class came, changed and went."""
    counted: dict[str, Counter[str]] = {}
    for difference in differences:
        kind = CREATED if difference.before is None else DELETED if difference.after is None else UPDATED
        counted.setdefault(difference.key.partition("/")[0], Counter())[kind] += 1
    return {class_id: dict(counts) for class_id, counts in counted.items()}


def _reports(entry: ObservedBranch, class_id: str, counts: Mapping[str, int]) -> list[dg.AssetObservation]:
    changed = {kind: counts.get(kind, 0) for kind in (CREATED, UPDATED, DELETED)}
    rows = {"dagster/row_count": entry.instances[class_id]} if class_id in entry.instances else {}
    return [
        dg.AssetObservation(
            asset_key=asset_key(kind, entry.database, entry.branch, class_id),
            description=f"What the {worker} worker did since its last summary.",
            metadata={
                **rows,
                **changed,
                "counts_are_complete": entry.is_complete,
                "events_behind": entry.behind.get(worker, 0),
                "commit": entry.commit,
            },
        )
        for kind, worker in ((OBJECTS, "graph"), (SEARCH, "search"))
    ]
