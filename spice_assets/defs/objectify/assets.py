"""`objects/…`: the instances of a class, made of the rows of its datasets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from spice_assets.catalogue import Catalogue, ClassEntry
from spice_assets.columns import lineage_of_mappings, property_schema
from spice_assets.defs.ingest.assets import newest_version
from spice_assets.defs.ingest.sensors import refusal_of
from spice_assets.defs.objectify.outcomes import counted, reasons_and_samples, told_of
from spice_assets.links import Links
from spice_assets.names import AUTOMATIC, DATASET, OBJECTS, asset_key, group_name, op_name
from spice_assets.owners import TEAM
from spice_assets.partitions import backfill_of, figures_of, partitions_of, shards_of_run
from spice_assets.repeating import now_and_then, repeated
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform, objectify
from spice_core.domain.datasets import ObjectifyRun
from spice_core.domain.gates import FAIL
from spice_core.domain.shards import Shards
from spice_core.services.fit_mappings import MappingFit
from spice_core.services.keep_gates import Gates

ACTOR = "dagster"


def object_asset(entry: ClassEntry, catalogue: Catalogue, links: Links, after: Sequence[dg.AssetDep]) -> dg.AssetsDefinition:
    """Return the asset of one class; `after` are the classes that its links need first."""
    key = asset_key(OBJECTS, entry.database, entry.branch, entry.class_id)
    names = {dataset.dataset_id: dataset for dataset in catalogue.datasets}
    sources = [names[mapping.dataset_id] for mapping in entry.mappings if mapping.dataset_id in names]
    datasets = {source.dataset_id: asset_key(DATASET, source.database, source.branch, source.name) for source in sources}
    lineage = lineage_of_mappings(entry.mappings, datasets)
    policies = sorted({mapping.on_missing_target for mapping in entry.mappings})
    spec = dg.AssetSpec(
        key,
        deps=[*datasets.values(), *after],
        group_name=group_name(entry.database, OBJECTS),
        description=(
            f"The instances of {entry.class_id} in the graph.\n\n{_told(entry.description)}"
            f"Place: branch {entry.branch} of database {entry.database}.\n\n"
            f"Grain: one instance per primary key.\n\nFreshness: follows each dataset version; only "
            f"rows that changed become commands.\n\nLinks to missing targets: {', '.join(policies) or 'none'}."
        ),
        kinds={"graph", "postgres"},
        owners=[TEAM],
        skippable=True,
        partitions_def=partitions_of(entry.shards),
        code_version=" ".join(f"{mapping.mapping_id}:{mapping.version}" for mapping in entry.mappings) or None,
        metadata={
            "api": links.instances(),
            "runs": links.objectify_runs(),
            "gates": links.gates(),
            "dagster/column_schema": property_schema(entry, datasets),
        },
    )

    @dg.multi_asset(specs=[spec], name=op_name(key), backfill_policy=backfill_of(entry.shards))
    def objects(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[PlatformSource]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with repeated():
            parts = platform.get()
            mapping_ids = [mapping.mapping_id for mapping in entry.mappings]
            if context.run.tags.get(AUTOMATIC) is not None:
                mapping_ids, refused = admitted(parts, entry.database, mapping_ids)
                for reason in refused:
                    context.log.warning("not run: %s", reason)
                    context.log_event(refusal_of(key, reason, links))
                if not mapping_ids:
                    return
            shards = shards_of_run(context, entry.shards)
            runs = [_objectify(parts, entry, mapping_id, shards, context.log.info) for mapping_id in mapping_ids]
            yield _report(parts, entry, runs, lineage=lineage, figures_of=figures_of(context, entry.shards))

    return objects


def admitted(parts: Platform, database: str, mapping_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which mappings run by themselves on the newest versions, and why others do not: gates, or somebody, said no."""
    gates = Gates(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
    fit = MappingFit(settled=parts.commands.settled, registry=parts.registry)
    known = {mapping.mapping_id: mapping for mapping in parts.registry.mappings(database)}
    ready: list[str] = []
    refused: list[str] = []
    for mapping_id in mapping_ids:
        mapping = known.get(mapping_id)
        if mapping is None:
            refused.append(f"mapping {mapping_id} was deleted meanwhile")
        elif mapping.auto_run:
            version = newest_version(parts.registry, database, mapping.dataset_id)
            check = gates.schema(mapping, version)
            if check.status == FAIL:
                refused.append(check.message)
            elif misfit := fit.refusal(mapping, version):
                refused.append(misfit)
            else:
                ready.append(mapping_id)
    return ready, refused


def _told(description: str) -> str:
    return f"{description}\n\n" if description else ""


def _objectify(parts: Platform, entry: ClassEntry, mapping_id: str, shards: Shards, log: Callable[..., None]) -> ObjectifyRun:
    tell = now_and_then(log, parts.clock)
    run = objectify(parts).run(
        entry.database,
        mapping_id,
        shards=shards,
        actor=ACTOR,
        progress=lambda done: tell(f"mapping {mapping_id}: {done.rows:,} rows looked at, {done.rows_per_second:,.0f} a second"),
    )
    log("mapping %s: %s rows, %s rejected, %.1f s", run.mapping_id, run.rows, run.rejected, run.seconds)
    if run.state != "succeeded":
        raise dg.Failure(told_of(run), metadata=reasons_and_samples([run]))
    return run


def _report(
    parts: Platform, entry: ClassEntry, runs: Sequence[ObjectifyRun], *, lineage: dg.TableColumnLineage, figures_of: str
) -> dg.MaterializeResult[Any]:
    view = parts.graph.view(entry.database, entry.branch)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": view.count([entry.class_id]),
            "dagster/column_lineage": lineage,
            **counted(runs),
            "figures_of": figures_of,
        },
        data_version=dg.DataVersion(view.commit.id),
    )
