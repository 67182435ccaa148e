"""`links/…`: the links of one type, made of a dataset or of the instances in between, with what people said on top."""

from typing import Any

import dagster as dg

from spice_assets.catalogue import LinkEntry
from spice_assets.defs.linking.outcomes import statistics_of, told_of
from spice_assets.links import Links
from spice_assets.names import DATASET, LINKS, OBJECTS, asset_key, group_name, op_name
from spice_assets.owners import TEAM
from spice_assets.repeating import now_and_then, repeated
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.bootstrap import link_instances
from spice_core.domain.link_types import LinkRun

ACTOR = "dagster"
_SAMPLES = 10


def link_asset(entry: LinkEntry, links: Links, *, known: frozenset[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset of one link type; it comes after those of `known` that make its ends and what it is made of."""
    key = link_key(entry)
    spec = dg.AssetSpec(
        key,
        deps=[upstream for upstream in _upstream(entry) if upstream in known],
        group_name=group_name(entry.database, LINKS),
        description=(
            f"The links {entry.predicate} from {entry.class_id} to {entry.target}.\n\nPlace: branch {entry.branch} of database "
            f"{entry.database}.\n\nMade from: {_origin(entry)}.\n\n"
            "Grain: one link per source and target.\n\nFreshness: follows each "
            "version of its data; only sources whose links differ become commands. Links that people added or removed stay as "
            "they said."
        ),
        kinds={"graph", "postgres"},
        owners=[TEAM],
        code_version=str(entry.version),
        metadata={"api": links.instances(), "runs": links.link_runs(), "link_type": entry.link_type_id},
    )

    @dg.multi_asset(specs=[spec], name=op_name(key))
    def made_links(context: dg.AssetExecutionContext, platform: dg.ResourceParam[PlatformSource]) -> dg.MaterializeResult[Any]:
        with repeated():
            parts = platform.get()
            tell = now_and_then(context.log.info, parts.clock)
            run = link_instances(parts).run(
                entry.database,
                entry.link_type_id,
                actor=ACTOR,
                progress=lambda done: tell(f"{done.step}: {done.sources:,} sources"),
            )
        if run.state != "succeeded":
            context.log_event(dg.AssetObservation(key, description=told_of(run), metadata=_metadata(run)))
            raise dg.Failure(f"link type {entry.name}: {told_of(run)}")
        commit = parts.graph.view(entry.database, entry.branch).commit
        rows = {"dagster/row_count": run.statistics.get("links", 0)}
        return dg.MaterializeResult(metadata={**rows, **_metadata(run)}, data_version=dg.DataVersion(commit.id))

    return made_links


def link_key(entry: LinkEntry) -> dg.AssetKey:
    """Return the key of a link type's asset."""
    return asset_key(LINKS, entry.database, entry.branch, entry.name)


def _upstream(entry: LinkEntry) -> list[dg.AssetKey]:
    classes = [entry.class_id, entry.target, *([entry.object_type] if entry.object_type else [])]
    keys = [asset_key(OBJECTS, entry.database, entry.branch, class_id) for class_id in classes]
    if entry.dataset:
        keys.append(asset_key(DATASET, entry.database, entry.branch, entry.dataset))
    return list(dict.fromkeys(keys))


def _origin(entry: LinkEntry) -> str:
    if entry.object_type:
        return f"the instances of {entry.object_type}"
    return f"the {entry.kind.replace('_', ' ')} in dataset {entry.dataset}"


def _metadata(run: LinkRun) -> dict[str, Any]:
    return {
        **statistics_of(run),
        "result": run.result or run.state,
        **tables_of(samples=run.samples[:_SAMPLES]),
        "seconds": round(run.seconds, 3),
        "run": run.run_id,
    }
