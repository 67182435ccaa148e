"""Whether a dataset version can be what its mappings take it for."""

import dagster as dg

from spice_assets.catalogue import Catalogue, DatasetEntry, MappingEntry
from spice_assets.checks import check_of
from spice_assets.defs.ingest.assets import newest_version
from spice_assets.names import AUTOMATIC, DATASET, asset_key
from spice_assets.resources import PlatformSource
from spice_core.bootstrap import Platform
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.gates import FAIL
from spice_core.domain.key_specs import KeyCheck
from spice_core.services.keep_gates import Gates
from spice_core.services.save_key_specs import KeySpecs, codes_of


def dataset_checks(entry: DatasetEntry, catalogue: Catalogue) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one dataset."""
    mappings = [mapping for item in catalogue.classes for mapping in item.mappings if mapping.dataset_id == entry.dataset_id]
    return [_key_is_unique(entry, mappings), _schema_fits_mappings(entry)]


def _key_is_unique(entry: DatasetEntry, mappings: list[MappingEntry]) -> dg.AssetChecksDefinition:
    keys = sorted({mapping.key_columns for mapping in mappings if mapping.key_columns})

    @check_of(
        asset_key(DATASET, entry.database, entry.branch, entry.name),
        description=(
            "The columns that become a primary key have no gaps and no repeats; without a mapping, some columns could. A key "
            "that somebody stated of the dataset stops what follows where rows break it."
        ),
        blocking=True,
    )
    def key_is_unique(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        parts = platform.get()
        version = newest_version(parts.registry, entry.database, entry.dataset_id)
        stated = _stated_keys(parts, entry, version)
        if not keys and not stated:
            found = [", ".join(columns) for columns in version.primary_key_candidates]
            severity = dg.AssetCheckSeverity.WARN
            return dg.AssetCheckResult(passed=bool(found), severity=severity, metadata={"candidates": found})
        problems = {", ".join(key): _key_problems(parts, entry, version, key) for key in keys}
        broken = {", ".join(check.spec.columns): dict(codes_of(check)) for check in stated if not check.holds}
        return dg.AssetCheckResult(
            passed=not broken and not any(sum(counts.values()) for counts in problems.values()),
            severity=dg.AssetCheckSeverity.ERROR if broken else dg.AssetCheckSeverity.WARN,
            metadata={"problems": problems, "broken_stated_keys": broken},
        )

    return key_is_unique


def _stated_keys(parts: Platform, entry: DatasetEntry, version: DatasetVersion) -> list[KeyCheck]:
    specs = KeySpecs(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
    return [specs.check(entry.database, version, spec) for spec in specs.of_dataset(entry.database, entry.dataset_id)]


def _key_problems(parts: Platform, entry: DatasetEntry, version: DatasetVersion, key: tuple[str, ...]) -> dict[str, int]:
    table = parts.datasets.local_path(entry.database, version.commit_id, version.path)
    nulls, repeats, _rows = parts.tables.key_problems(table, key, limit=1)
    return {"nulls": nulls, "repeats": repeats}


def _schema_fits_mappings(entry: DatasetEntry) -> dg.AssetChecksDefinition:
    @check_of(
        asset_key(DATASET, entry.database, entry.branch, entry.name),
        description=(
            "The version has the columns that each mapping was made for. What somebody starts stops here otherwise; runs that "
            "start by themselves have left such a mapping out already, and only warn."
        ),
        blocking=True,
    )
    def schema_fits_mappings(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.AssetCheckResult:
        parts = platform.get()
        version = newest_version(parts.registry, entry.database, entry.dataset_id)
        gates = Gates(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
        mappings = parts.registry.mappings(entry.database, dataset_id=entry.dataset_id)
        columns = {column.name for column in version.columns}
        lacking = {
            mapping.class_id: sorted({name for field in mapping.fields for name in field.source_fields} - columns)
            for mapping in mappings
        }
        checks = {mapping.class_id: gates.schema(mapping, version) for mapping in mappings}
        refused = {class_id: check.message for class_id, check in checks.items() if check.status == FAIL}
        is_warning = not refused or AUTOMATIC in context.run.tags
        return dg.AssetCheckResult(
            passed=not refused,
            severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
            metadata={
                "refused": refused,
                "missing_columns": {name: missing for name, missing in lacking.items() if missing},
                "columns": len(columns),
            },
        )

    return schema_fits_mappings
