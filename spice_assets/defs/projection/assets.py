"""`search/…`: the documents of a class, which the search projector keeps; the asset waits for it and compares."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_assets.columns import lineage_of_copy, property_schema
from spice_assets.links import Links
from spice_assets.names import OBJECTS, SEARCH, asset_key, group_name, op_name
from spice_assets.owners import TEAM
from spice_assets.partitions import backfill_of, figures_of, partitions_of, shards_of_run
from spice_assets.repeating import repeated
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform
from spice_core.domain.shards import WHOLE, Shards
from spice_core.errors import SearchUnavailable
from spice_core.services.compare_documents import Comparison, compare_documents
from spice_core.services.wait_for_reads import ReadBarrier

WAIT_SECONDS = 600.0


def search_asset(entry: ClassEntry, links: Links, *, after: Sequence[dg.AssetKey | dg.AssetDep]) -> dg.AssetsDefinition:
    """Return the asset of one class's documents; `after` are its instances, and the links that they have from data."""
    key = asset_key(SEARCH, entry.database, entry.branch, entry.class_id)
    objects_key = asset_key(OBJECTS, entry.database, entry.branch, entry.class_id)
    spec = dg.AssetSpec(
        key,
        deps=after,
        partitions_def=partitions_of(entry.shards),
        group_name=group_name(entry.database, SEARCH),
        description=(
            f"The searchable documents of {entry.class_id}.\n\nPlace: branch {entry.branch} of database {entry.database}.\n\n"
            "Grain: one document per instance.\n\nFreshness: the projector follows the event log within seconds; this asset "
            "waits for it and compares every document with the graph. It can be rebuilt from the log at any time with "
            "`spice rebuild search`."
        ),
        kinds={"search", "postgres"},
        owners=[TEAM],
        metadata={"api": links.instances(), "dagster/column_schema": property_schema(entry)},
    )

    @dg.multi_asset(specs=[spec], name=op_name(key), backfill_policy=backfill_of(entry.shards))
    def search(context: dg.AssetExecutionContext, platform: dg.ResourceParam[PlatformSource]) -> dg.MaterializeResult[Any]:
        with repeated():
            parts = platform.get()
            started = parts.clock.monotonic()
            wait_for_projection(parts, entry.database)
            waited = parts.clock.monotonic() - started
            found = compare_class(parts, entry, shards_of_run(context, entry.shards))
            commit = parts.graph.view(entry.database, entry.branch).commit
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": found.documents,
                    "dagster/column_lineage": lineage_of_copy(objects_key, [name for name, *_ in entry.properties]),
                    "instances": found.nodes,
                    "missing": found.missing,
                    "surplus": found.surplus,
                    "different": found.different,
                    "waited_seconds": round(waited, 3),
                    "seconds": round(parts.clock.monotonic() - started, 3),
                    "commit": commit.id,
                    "figures_of": figures_of(context, entry.shards),
                },
                data_version=dg.DataVersion(commit.id),
            )

    return search


def wait_for_projection(parts: Platform, database: str) -> None:
    """Wait until graph and search have done what the log holds now.

    Raises:
        SearchUnavailable: (retryable) they have not after `WAIT_SECONDS`; says which.
    """
    barrier = ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=WAIT_SECONDS)
    behind = barrier.wait(database, "graph", "search")
    if behind:
        raise SearchUnavailable(f"{', '.join(behind)} did not catch up within {WAIT_SECONDS:.0f} s; do the workers run?")


def compare_class(parts: Platform, entry: ClassEntry, shards: Shards = WHOLE) -> Comparison:
    """Compare the documents of a class, or of shards of it by their own keys, with its instances."""
    return compare_documents(
        graph=parts.graph,
        search=parts.search,
        database=entry.database,
        branch=entry.branch,
        class_id=entry.class_id,
        shards=shards,
    )
