"""Whether a dataset version can be what its mappings take it for."""

import dagster as dg

from spice_assets.catalogue import Catalogue, DatasetEntry, MappingEntry
from spice_assets.checks import check_of
from spice_assets.defs.ingest.assets import newest_version
from spice_assets.names import DATASET, asset_key
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform
from spice_core.domain.datasets import DatasetVersion


def dataset_checks(entry: DatasetEntry, catalogue: Catalogue) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one dataset."""
    mappings = [mapping for item in catalogue.classes for mapping in item.mappings if mapping.dataset_id == entry.dataset_id]
    return [_key_is_unique(entry, mappings), _schema_fits_mappings(entry)]


def _key_is_unique(entry: DatasetEntry, mappings: list[MappingEntry]) -> dg.AssetChecksDefinition:
    keys = sorted({mapping.key_columns for mapping in mappings if mapping.key_columns})

    @check_of(
        asset_key(DATASET, entry.database, entry.branch, entry.name),
        description="The columns that become a primary key have no gaps and no repeats; without a mapping, some columns could.",
    )
    def key_is_unique(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        parts = platform.get()
        version = newest_version(parts.registry, entry.database, entry.dataset_id)
        if not keys:
            found = [", ".join(columns) for columns in version.primary_key_candidates]
            severity = dg.AssetCheckSeverity.WARN
            return dg.AssetCheckResult(passed=bool(found), severity=severity, metadata={"candidates": found})
        problems = {", ".join(key): _key_problems(parts, entry, version, key) for key in keys}
        is_fine = not any(sum(counts.values()) for counts in problems.values())
        return dg.AssetCheckResult(passed=is_fine, severity=dg.AssetCheckSeverity.WARN, metadata={"problems": problems})

    return key_is_unique


def _key_problems(parts: Platform, entry: DatasetEntry, version: DatasetVersion, key: tuple[str, ...]) -> dict[str, int]:
    table = parts.datasets.local_path(entry.database, version.commit_id, version.path)
    nulls, repeats, _rows = parts.tables.key_problems(table, key, limit=1)
    return {"nulls": nulls, "repeats": repeats}


def _schema_fits_mappings(entry: DatasetEntry) -> dg.AssetChecksDefinition:
    @check_of(
        asset_key(DATASET, entry.database, entry.branch, entry.name),
        description="Every column that a mapping reads is there; a warning where types changed since the mapping was made.",
        blocking=True,
    )
    def schema_fits_mappings(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        parts = platform.get()
        version = newest_version(parts.registry, entry.database, entry.dataset_id)
        columns = {column.name for column in version.columns}
        mappings = parts.registry.mappings(entry.database, dataset_id=entry.dataset_id)
        lacking = {
            mapping.class_id: sorted({name for field in mapping.fields for name in field.source_fields} - columns)
            for mapping in mappings
        }
        lacking = {name: missing for name, missing in lacking.items() if missing}
        changed = [mapping.class_id for mapping in mappings if mapping.schema_hash != version.schema_hash]
        return dg.AssetCheckResult(
            passed=not lacking and not changed,
            severity=dg.AssetCheckSeverity.ERROR if lacking else dg.AssetCheckSeverity.WARN,
            metadata={"missing_columns": lacking, "changed_since_mapping": changed, "columns": len(columns)},
        )

    return schema_fits_mappings
