"""One line per interval of what the workers do: Dagster sees the real-time path, and never a single event of it."""

from collections.abc import Collection, Sequence

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_assets.defs.projection.summaries import ObservedBranch, commit_of, count_changes, evaluate
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform
from spice_core.domain.graph import Difference
from spice_core.errors import NotFound, Unavailable

INTERVAL_SECONDS = 60
OBJECTIFY = "objectify"
_MOST_CHANGES = 20_000
_PAGE = 2_000


def worker_summaries_sensor(known: Collection[dg.AssetKey], classes: Sequence[ClassEntry]) -> dg.SensorDefinition:
    """Return the sensor over the branches that have mapped classes."""
    assets = frozenset(known)
    watched = sorted({(entry.database, entry.branch) for entry in classes})
    names = frozenset(entry.class_id for entry in classes)

    @dg.sensor(
        name="worker_summaries",
        description="Reports per interval, for each class that changed, how many instances came, changed and went.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def worker_summaries(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            parts = platform.get()
            observed = [entry for place in watched for entry in _observed(parts, place, context.cursor, names)]
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; asking again")
        reports, cursor = evaluate(context.cursor, observed, known=assets)
        reason = None if reports else dg.SkipReason("nothing changed")
        return dg.SensorResult(asset_events=reports, skip_reason=reason, cursor=cursor)

    return worker_summaries


def _observed(parts: Platform, place: tuple[str, str], cursor: str | None, classes: Collection[str]) -> list[ObservedBranch]:
    """Return the branch if it moved; a branch that is gone is left out."""
    database, branch = place
    try:
        view = parts.graph.view(database, branch)
        before = commit_of(cursor, database, branch)
        if view.commit.id == before:
            return []
        is_batch = before is not None and _is_only_objectify(parts, database, branch, before)
        differences = _differences(parts, database, before, view.commit.id) if before and not is_batch else None
    except NotFound:
        return []
    changes = None if differences is None else count_changes(differences)
    head = parts.log.head(database).position
    return [
        ObservedBranch(
            database=database,
            branch=branch,
            commit=view.commit.id,
            changes=changes,
            is_complete=differences is None or len(differences) < _MOST_CHANGES,
            instances={name: view.count([name]) for name in changes or () if name in classes},
            behind={name: max(0, head - parts.work.position(name, database)) for name in ("graph", "search")},
        )
    ]


def _is_only_objectify(parts: Platform, database: str, branch: str, before: str) -> bool:
    """Whether every commit since `before` came from objectify, whose runs have reported themselves."""
    for commit in parts.graph.history(database, branch, limit=_PAGE):
        if commit.id == before:
            return True
        if commit.author != OBJECTIFY:
            return False
    return False


def _differences(parts: Platform, database: str, before: str, after: str) -> Sequence[Difference]:
    found: list[Difference] = []
    try:
        while len(found) < _MOST_CHANGES:
            page = parts.graph.diff(database, before, after, after=found[-1].key if found else "", limit=_PAGE)
            found.extend(page)
            if len(page) < _PAGE:
                break
    except NotFound:
        return []
    return found
