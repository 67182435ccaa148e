"""Whether a dataset version can be what its mappings take it for."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from spice_assets.catalogue import Catalogue, DatasetEntry, MappingEntry
from spice_assets.checks import check_of
from spice_assets.defs.ingest.assets import newest_version
from spice_assets.names import AUTOMATIC, DATASET, asset_key
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.bootstrap import Platform
from spice_core.domain.datasets import ClassMapping, DatasetVersion
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
            return _candidates(version)
        found = [*(_mapped_key(parts, entry, version, key) for key in keys), *map(_stated_key, stated)]
        broken = any(not check.holds for check in stated)
        problems = [row for row in found if row["without"] or row["repeated"]]
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.ERROR if broken else dg.AssetCheckSeverity.WARN,
            description=_told_of_keys(problems, is_blocking=broken) if problems else f"Every row has its own {_names(found)}.",
            metadata={
                "rows": version.row_count,
                "rows_without_key": sum(row["without"] for row in found),
                "rows_with_repeated_key": sum(row["repeated"] for row in found),
                **tables_of(keys=found),
            },
        )

    return key_is_unique


def _stated_keys(parts: Platform, entry: DatasetEntry, version: DatasetVersion) -> list[KeyCheck]:
    specs = KeySpecs(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
    return [specs.check(entry.database, version, spec) for spec in specs.of_dataset(entry.database, entry.dataset_id)]


def _candidates(version: DatasetVersion) -> dg.AssetCheckResult:
    found = [", ".join(columns) for columns in version.primary_key_candidates]
    told = (
        f"{'; or '.join(found)} could be a key."
        if found
        else "No choice of columns identifies every row: a class made of it has no key."
    )
    return dg.AssetCheckResult(
        passed=bool(found),
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata={"rows": version.row_count, "candidates": len(found)},
    )


def _mapped_key(parts: Platform, entry: DatasetEntry, version: DatasetVersion, key: tuple[str, ...]) -> dict[str, Any]:
    table = parts.datasets.local_path(entry.database, version.commit_id, version.path)
    nulls, repeats, _rows = parts.tables.key_problems(table, key, limit=1)
    return {"columns": ", ".join(key), "key_of": "a mapping", "without": nulls, "repeated": repeats, "rows": ""}


def _stated_key(check: KeyCheck) -> dict[str, Any]:
    counts = dict(codes_of(check))
    return {
        "columns": ", ".join(check.spec.columns),
        "key_of": f"the dataset ({check.spec.kind})",
        "without": counts.get("key_missing", 0),
        "repeated": counts.get("key_repeated", 0),
        "rows": ", ".join(map(str, check.rows)),
    }


def _told_of_keys(problems: Sequence[Mapping[str, Any]], *, is_blocking: bool) -> str:
    told = "; ".join(
        f"{row['columns']}: {row['without']:,} rows without it, {row['repeated']:,} that repeat one" for row in problems
    )
    if is_blocking:
        return f"{told}. A stated key is broken, so nothing follows. Upload a file that keeps to it, or delete the key."
    return f"{told}. Such rows become no instances. Upload a corrected file, or save the mapping with other key columns."


def _names(found: Sequence[Mapping[str, Any]]) -> str:
    return " and its own ".join(dict.fromkeys(row["columns"] for row in found))


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
        refused = [
            {"class": mapping.class_id, "reason": check.message, "missing_columns": ", ".join(_missing(mapping, version))}
            for mapping in mappings
            if (check := gates.schema(mapping, version)).status == FAIL
        ]
        is_warning = not refused or AUTOMATIC in context.run.tags
        told = "; ".join(f"{row['class']}: {row['reason']}" for row in refused)
        return dg.AssetCheckResult(
            passed=not refused,
            severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
            description=f"{told}."
            if told
            else f"The columns are those that {len(mappings)} of {len(mappings)} mappings were made for.",
            metadata={
                "columns": len(version.columns),
                "mappings": len(mappings),
                "mappings_refused": len(refused),
                **tables_of(refused=refused),
            },
        )

    return schema_fits_mappings


def _missing(mapping: ClassMapping, version: DatasetVersion) -> list[str]:
    """The columns that a mapping reads and a version lacks."""
    return sorted(
        {name for field in mapping.fields for name in field.source_fields} - {column.name for column in version.columns}
    )
