"""Runs of datasets that were deleted are cancelled, queued or running.

A run notices by itself that its dataset is gone, too; the sensor spares it the start, and frees its place in the queue.
"""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from spice_assets.catalogue import Catalogue
from spice_assets.names import DATASET, LINKS, OBJECTS, RAW, SEARCH, asset_key
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform
from spice_core.errors import Unavailable
from spice_core.services.wait_for_reads import ReadBarrier

INTERVAL_SECONDS = 5
_MOST_RUNS = 200
_PATIENCE_SECONDS = 2.0
_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)

Sources = Mapping[dg.AssetKey, frozenset[dg.AssetKey]]
"""The dataset assets that an asset is made from."""


def sources_of(catalogue: Catalogue) -> Sources:
    """Return what each asset of a catalogue is made from."""
    names = {entry.dataset_id: asset_key(DATASET, entry.database, entry.branch, entry.name) for entry in catalogue.datasets}
    found: dict[dg.AssetKey, frozenset[dg.AssetKey]] = {}
    for entry in catalogue.classes:
        made_from = frozenset(names[mapping.dataset_id] for mapping in entry.mappings if mapping.dataset_id in names)
        for kind in (OBJECTS, SEARCH):
            found[asset_key(kind, entry.database, entry.branch, entry.class_id)] = made_from
    for link in catalogue.links:
        key = asset_key(LINKS, link.database, link.branch, link.name)
        through = asset_key(OBJECTS, link.database, link.branch, link.object_type)
        table = frozenset({asset_key(DATASET, link.database, link.branch, link.dataset)})
        found[key] = table if link.dataset else found.get(through, frozenset())
    return found


def is_in_vain(keys: Collection[dg.AssetKey], sources: Sources, existing: Collection[dg.AssetKey]) -> bool:
    """Whether every dataset that a run of `keys` works on is gone; `existing` are the dataset assets that are there."""
    wanted: set[dg.AssetKey] = set()
    for key in keys:
        is_of_dataset = key.path[0] in {RAW, DATASET}
        wanted |= {dg.AssetKey([DATASET, *key.path[1:]])} if is_of_dataset else sources.get(key, frozenset())
    return bool(wanted) and not wanted & set(existing)


def deleted_datasets_sensor(catalogue: Catalogue) -> dg.SensorDefinition:
    """Return the sensor over the runs of this instance."""
    sources = sources_of(catalogue)

    @dg.sensor(
        name="deleted_datasets",
        description="Cancels queued and running runs whose datasets were all deleted.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def deleted_datasets(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]) -> dg.SkipReason:
        runs = context.instance.get_runs(dg.RunsFilter(statuses=list(_UNDER_WAY)), limit=_MOST_RUNS)
        if not runs:
            return dg.SkipReason("nothing runs")
        try:
            existing = existing_datasets(platform.get(), runs)
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; asking again")
        if existing is None:
            return dg.SkipReason("the registry is behind the log; asking again")
        doomed = [run for run in runs if is_in_vain(run.asset_selection or (), sources, existing)]
        for run in doomed:
            context.log.warning("run %s is cancelled: its datasets were deleted", run.run_id)
            context.instance.run_coordinator.cancel_run(run.run_id)
        names = ", ".join(run.run_id for run in doomed)
        return dg.SkipReason(f"cancelled {names}: their datasets were deleted" if doomed else "all runs have their datasets")

    return deleted_datasets


def existing_datasets(parts: Platform, runs: Sequence[dg.DagsterRun]) -> set[dg.AssetKey] | None:
    """Return the dataset assets that are there, of the databases that `runs` are about; None where the registry lags.

    A registry that is being rebuilt lacks datasets that nobody deleted.
    """
    places = {key.path[1].partition(".")[0] for run in runs for key in run.asset_selection or () if len(key.path) > 1}
    barrier = ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=_PATIENCE_SECONDS)
    live = [database for database in sorted(places) if parts.log.exists(database)]
    if any(barrier.wait(database, "registry") for database in live):
        return None
    return {
        asset_key(DATASET, dataset.database, dataset.branch, dataset.name)
        for database in live
        for dataset in parts.registry.datasets(database)
    }
