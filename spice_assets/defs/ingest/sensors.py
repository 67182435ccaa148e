"""New dataset versions and mappings start their runs, wherever they came from."""

from collections.abc import Callable, Collection, Mapping, Sequence

import dagster as dg

from spice_assets.defs.ingest.arrivals import (
    Arrivals,
    ObservedDatabase,
    ObservedDataset,
    ObservedLinkType,
    ObservedMapping,
    evaluate,
    position_of,
    seen_of,
)
from spice_assets.defs.ingest.resets import observe_resets
from spice_assets.links import Links
from spice_assets.names import AUTOMATIC, DATABASE
from spice_assets.resources import PlatformSource, served_databases
from spice_core.domain.datasets import ClassMapping, DatasetVersion
from spice_core.domain.gates import FAIL, GateCheck
from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.errors import Unavailable
from spice_core.ports.registry import Registry
from spice_core.services.fit_mappings import MappingFit
from spice_core.services.keep_gates import Gates
from spice_core.services.save_link_types import link_types_of

INTERVAL_SECONDS = 5

Gate = Callable[[ClassMapping, DatasetVersion], GateCheck]
Fit = Callable[[ClassMapping, DatasetVersion], str]
"""Why a mapping does not fit its class, "" where it does."""


def new_uploads_sensor(selection: Collection[dg.AssetKey], links: Links, *, all_shards: Mapping[str, str]) -> dg.SensorDefinition:
    """Return the sensor over the assets of this code location; `all_shards` are the tags of a run over all partitions."""
    known = frozenset(selection)

    @dg.sensor(
        name="new_uploads",
        description=(
            "A new dataset version (by upload, connector or watched place), a new or edited mapping or link type, or a migration "
            "that reset a class, starts the chain to search: one run per database. A mapping whose gate refuses the version, or "
            "that does not fit the class it has to fill again, is left out, and its class says why."
        ),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        target=dg.AssetSelection.assets(*sorted(known, key=lambda key: list(key.path))),
    )
    def new_uploads(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            parts = platform.get()
            gates = Gates(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
            fit = MappingFit(settled=parts.commands.settled, registry=parts.registry)
            observed = observe(parts.registry, served_databases(parts), context.cursor, gate=gates.schema, fit=fit.refusal)
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; asking again")
        found = evaluate(context.cursor, observed, is_known=known.__contains__)
        for key, reason in found.refused:
            context.log.warning("%s is not run: %s", key.to_user_string(), reason)
        requests = [
            dg.RunRequest(run_key=run_key, asset_selection=list(keys), tags={AUTOMATIC: "true", DATABASE: database, **all_shards})
            for database, run_key, keys in found.requests
        ]
        return dg.SensorResult(
            run_requests=requests or None,
            skip_reason=None if requests else dg.SkipReason(_why_nothing(found)),
            asset_events=[refusal_of(key, reason, links) for key, reason in found.refused],
            cursor=found.cursor,
        )

    return new_uploads


def refusal_of(key: dg.AssetKey, reason: str, links: Links) -> dg.AssetObservation:
    """Return what the asset catalogue shows of a class that cannot be run now."""
    return dg.AssetObservation(key, description=f"not run: {reason}", metadata={"reason": reason, "gates": links.gates()})


def _why_nothing(found: Arrivals) -> str:
    reasons = [f"{key.to_user_string()}: {reason}" for key, reason in found.refused]
    return f"what is new cannot be run: {'; '.join(reasons)}" if reasons else "nothing new"


def observe(
    registry: Registry, databases: Sequence[str], cursor: str | None, *, gate: Gate, fit: Fit
) -> Sequence[ObservedDatabase]:
    """Read those of `databases` whose registry moved since the cursor, and what `gate` says to each mapping's newest version.

    A mapping whose instances a migration took away is asked by `fit`, too, until it has been requested.
    """
    return [
        _observed(registry, database, seen_of(cursor, database), gate, fit)
        for database in databases
        if registry.position(database) > position_of(cursor, database)
    ]


def _observed(registry: Registry, database: str, seen: Mapping[str, str], gate: Gate, fit: Fit) -> ObservedDatabase:
    position = registry.position(database)
    found = registry.datasets(database)
    datasets = [
        ObservedDataset(entry.dataset_id, entry.branch, entry.name, entry.latest.version_id if entry.latest else None)
        for entry in found
    ]
    newest = {entry.dataset_id: entry.latest for entry in found}
    mappings = [entry for entry in registry.mappings(database) if entry.auto_run]
    link_types = [entry for entry in link_types_of(registry, database) if entry.trigger_index]

    def refusal(entry: ClassMapping) -> str:
        version = newest[entry.dataset_id]
        return "" if version is None else _refusal(gate(entry, version)) or fit(entry, version)

    return ObservedDatabase(
        database,
        position,
        datasets,
        [_observed_mapping(entry, newest.get(entry.dataset_id), gate) for entry in mappings],
        [_observed_link_type(registry, entry) for entry in link_types],
        observe_resets(
            registry,
            database,
            mappings=[entry for entry in mappings if newest.get(entry.dataset_id) is not None],
            link_types=link_types,
            refusal=refusal,
            seen=seen,
        ),
    )


def _observed_mapping(entry: ClassMapping, version: DatasetVersion | None, gate: Gate) -> ObservedMapping:
    refusal = _refusal(gate(entry, version)) if version is not None else ""
    return ObservedMapping(entry.mapping_id, entry.version, entry.dataset_id, entry.branch, entry.class_id, refusal)


def _refusal(check: GateCheck) -> str:
    return check.message if check.status == FAIL else ""


def _observed_link_type(registry: Registry, entry: LinkType) -> ObservedLinkType:
    """Links follow their table, and what makes their ends and the objects they lead through: a link may wait for its target."""
    classes = {entry.class_id, entry.target}
    sources = set()
    if isinstance(entry.spec, TableSpec):
        sources.add(entry.spec.dataset_id)
    else:
        classes.add(entry.spec.object_type)
    mappings = registry.mappings(entry.database)
    sources |= {item.dataset_id for item in mappings if item.branch == entry.branch and item.class_id in classes}
    return ObservedLinkType(entry.link_type_id, entry.version, entry.branch, entry.name, entry.class_id, sorted(sources))
