"""New uploads and mappings start their runs."""

from collections.abc import Collection, Sequence

import dagster as dg

from spice_assets.defs.ingest.arrivals import (
    ObservedDatabase,
    ObservedDataset,
    ObservedLinkType,
    ObservedMapping,
    evaluate,
    position_of,
)
from spice_assets.resources import PlatformSource
from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.errors import Unavailable
from spice_core.ports.registry import Registry
from spice_core.services.save_link_types import link_types_of

INTERVAL_SECONDS = 5


def new_uploads_sensor(selection: Collection[dg.AssetKey]) -> dg.SensorDefinition:
    """Return the sensor over the assets of this code location."""
    known = frozenset(selection)

    @dg.sensor(
        name="new_uploads",
        description="A new dataset version, or a new or edited mapping, starts the chain to search: one run per database.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        target=dg.AssetSelection.assets(*sorted(known, key=lambda key: list(key.path))),
    )
    def new_uploads(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            observed = observe(platform.get().registry, context.cursor)
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; asking again")
        found = evaluate(context.cursor, observed, is_known=known.__contains__)
        requests = [dg.RunRequest(run_key=run_key, asset_selection=list(keys)) for run_key, keys in found.requests]
        reason = None if requests else dg.SkipReason("nothing new")
        return dg.SensorResult(run_requests=requests or None, skip_reason=reason, cursor=found.cursor)

    return new_uploads


def observe(registry: Registry, cursor: str | None) -> Sequence[ObservedDatabase]:
    """Read the databases whose registry moved since the cursor."""
    return [
        _observed(registry, database)
        for database in registry.databases()
        if registry.position(database) > position_of(cursor, database)
    ]


def _observed(registry: Registry, database: str) -> ObservedDatabase:
    position = registry.position(database)
    datasets = [
        ObservedDataset(entry.dataset_id, entry.branch, entry.name, entry.latest.version_id if entry.latest else None)
        for entry in registry.datasets(database)
    ]
    mappings = [
        ObservedMapping(entry.mapping_id, entry.version, entry.dataset_id, entry.branch, entry.class_id)
        for entry in registry.mappings(database)
        if entry.auto_run
    ]
    link_types = [_observed_link_type(registry, entry) for entry in link_types_of(registry, database) if entry.trigger_index]
    return ObservedDatabase(database, position, datasets, mappings, link_types)


def _observed_link_type(registry: Registry, entry: LinkType) -> ObservedLinkType:
    """Links through objects follow the datasets that make those objects."""
    if isinstance(entry.spec, TableSpec):
        sources = [entry.spec.dataset_id]
    else:
        mappings = registry.mappings(entry.database)
        sources = [item.dataset_id for item in mappings if (item.branch, item.class_id) == (entry.branch, entry.spec.object_type)]
    return ObservedLinkType(entry.link_type_id, entry.version, entry.branch, entry.name, entry.class_id, sorted(sources))
