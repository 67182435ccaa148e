"""The code location: assets, checks and sensors built from the registry when it loads."""

from collections.abc import Sequence

import dagster as dg

from spice_assets.catalogue import Catalogue, ClassEntry, LinkEntry
from spice_assets.defs.ingest.assets import ingest_assets
from spice_assets.defs.ingest.checks import dataset_checks
from spice_assets.defs.ingest.connector_syncs import connector_changes_sensor, connector_sync
from spice_assets.defs.ingest.reconciliation import ingest_reconciliation, ingest_reconciliation_schedule
from spice_assets.defs.ingest.sensors import new_uploads_sensor
from spice_assets.defs.ingest.watched_places import watched_locations, watched_places
from spice_assets.defs.linking.assets import link_asset, link_key
from spice_assets.defs.linking.checks import link_checks
from spice_assets.defs.objectify.assets import object_asset
from spice_assets.defs.objectify.checks import object_checks
from spice_assets.defs.projection.assets import search_asset
from spice_assets.defs.projection.checks import search_checks
from spice_assets.defs.projection.dead_letters import (
    databases_of,
    dead_letter_assets,
    dead_letter_checks,
    dead_letters_sensor,
)
from spice_assets.defs.projection.sensors import worker_summaries_sensor
from spice_assets.defs.runs.deletions import deleted_datasets_sensor
from spice_assets.defs.runs.lost import lost_runs
from spice_assets.heartbeat import platform_resource
from spice_assets.links import Links
from spice_assets.names import OBJECTS, asset_key
from spice_assets.partitions import dependencies, tags_of_all
from spice_assets.pinned import pinned_definitions
from spice_assets.resources import PLATFORM, PlatformSource, catalogue_of, platform_from_environment
from spice_core.settings import load_settings


@dg.definitions
def definitions() -> dg.Definitions:
    """Return the definitions of the registry as it is now, in a run as they were when the run was made."""
    source = PlatformSource(platform_from_environment)
    links = Links(load_settings())

    def read() -> Catalogue:
        return catalogue_of(source.get())

    return pinned_definitions(read, lambda catalogue: build_definitions(catalogue, source=source, links=links))


def build_definitions(catalogue: Catalogue, *, source: PlatformSource, links: Links) -> dg.Definitions:
    """Return the definitions of a catalogue; nothing is opened."""
    assets = [asset for entry in catalogue.datasets for asset in ingest_assets(entry, links)]
    upstream = links_without_cycles(catalogue.classes)
    in_shards = frozenset(_key(entry) for entry in catalogue.classes if entry.shards > 1)
    for entry in catalogue.classes:
        made = [link_key(link) for link in catalogue.links if _leads_from(link, entry)]
        after = dependencies(upstream[_key(entry)], in_shards)
        itself = dependencies([_key(entry)], in_shards)
        assets += [object_asset(entry, catalogue, links, after), search_asset(entry, links, after=[*itself, *made])]
    known = frozenset(key for asset in assets for key in asset.keys)
    assets += [link_asset(link, links, known=known) for link in catalogue.links]
    checks = [check for dataset in catalogue.datasets for check in dataset_checks(dataset, catalogue)]
    checks += [check for link in catalogue.links for check in link_checks(link)]
    checks += [check for entry in catalogue.classes for check in (*object_checks(entry), *search_checks(entry))]
    keys = [key for asset in assets for key in asset.keys]
    databases = databases_of(catalogue)
    sensors = [watched_locations, connector_changes_sensor(links), dead_letters_sensor(databases, links), lost_runs]
    if keys:
        sensors += [
            new_uploads_sensor(keys, links, all_shards=tags_of_all(catalogue)),
            worker_summaries_sensor(keys, catalogue.classes),
            deleted_datasets_sensor(catalogue),
        ]
    return dg.Definitions(
        assets=[*assets, *dead_letter_assets(databases, links)],
        asset_checks=[*checks, *dead_letter_checks(databases)],
        jobs=[ingest_reconciliation, watched_places, connector_sync],
        schedules=[ingest_reconciliation_schedule],
        sensors=sensors,
        resources={PLATFORM: platform_resource(source)},
        executor=dg.in_process_executor,
    )


def links_without_cycles(classes: Sequence[ClassEntry]) -> dict[dg.AssetKey, list[dg.AssetKey]]:
    """Return which classes are filled before which, following their links; a link that would close a circle is left out.

    So a flight finds its airports within one run. Classes that no mapping fills are nobody's upstream.
    """
    known = {_key(entry): entry for entry in classes}
    upstream: dict[dg.AssetKey, list[dg.AssetKey]] = {key: [] for key in known}
    for key, entry in known.items():
        for target in entry.links_to:
            candidate = asset_key(OBJECTS, entry.database, entry.branch, target)
            if candidate in known and not _leads_to(upstream, candidate, key):
                upstream[key].append(candidate)
    return upstream


def _leads_to(upstream: dict[dg.AssetKey, list[dg.AssetKey]], start: dg.AssetKey, goal: dg.AssetKey) -> bool:
    seen: set[dg.AssetKey] = set()
    pending = [start]
    while pending:
        key = pending.pop()
        if key == goal:
            return True
        if key not in seen:
            seen.add(key)
            pending.extend(upstream[key])
    return False


def _leads_from(link: LinkEntry, entry: ClassEntry) -> bool:
    return (link.database, link.branch, link.class_id) == (entry.database, entry.branch, entry.class_id)


def _key(entry: ClassEntry) -> dg.AssetKey:
    return asset_key(OBJECTS, entry.database, entry.branch, entry.class_id)
