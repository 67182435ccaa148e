"""`raw/…` and `dataset/…`: the file as it was uploaded, and the typed table made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from spice_assets.catalogue import DatasetEntry
from spice_assets.links import Links
from spice_assets.names import DATASET, RAW, asset_key, group_name, op_name
from spice_assets.owners import owners_of
from spice_assets.repeating import repeated
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.bootstrap import Platform, read_datasets
from spice_core.domain.datasets import Column, DatasetVersion
from spice_core.errors import DatasetNotFound
from spice_core.ports.registry import Registry

_REJECTS = 10


def ingest_assets(entry: DatasetEntry, links: Links) -> list[dg.AssetsDefinition]:
    """Return the two assets of one dataset."""
    return [_raw(entry, links), _dataset(entry, links)]


def newest_version(registry: Registry, database: str, dataset_id: str) -> DatasetVersion:
    """Return the newest version of a dataset.

    Raises:
        DatasetNotFound: it was deleted since the definitions were loaded, or nothing was uploaded yet.
    """
    dataset = registry.dataset(database, dataset_id)
    if dataset is None:
        raise DatasetNotFound(f"there is no dataset {dataset_id!r} any more; reload the code location")
    if dataset.latest is None:
        raise DatasetNotFound(f"dataset {dataset_id!r} has no version yet; upload a file")
    return dataset.latest


def table_schema(columns: Sequence[Column]) -> dg.TableSchema:
    """Return the columns of a dataset version as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.type, constraints=dg.TableColumnConstraints(nullable=column.nullable))
            for column in columns
        ]
    )


def version_metadata(version: DatasetVersion) -> Mapping[str, Any]:
    """Return what is worth plotting and reading of a version."""
    read = version.row_count + version.reject_count
    return {
        "dagster/row_count": version.row_count,
        "dagster/column_schema": table_schema(version.columns),
        "rejects": version.reject_count,
        "reject_rate": round(version.reject_count / read, 6) if read else 0.0,
        "bytes": version.size_bytes,
        "version": version.number,
        "version_id": version.version_id,
        "commit": version.commit_id,
        "file": version.filename,
        "primary_key_candidates": "; ".join(", ".join(columns) for columns in version.primary_key_candidates) or "none",
        **tables_of(notes=[{"note": note} for note in version.notes]),
    }


def rejected_rows(parts: Platform, database: str, version: DatasetVersion) -> list[dict[str, Any]]:
    """Return where the first rejects of a version are, and why: a `line` of the file, or a `row` and `column`; not their text."""
    found = read_datasets(parts).rejects(database, version.version_id, limit=_REJECTS)
    return [{name: reject[name] for name in ("line", "row", "column", "reason") if name in reject} for reject in found]


def _raw(entry: DatasetEntry, links: Links) -> dg.AssetsDefinition:
    key = asset_key(RAW, entry.database, entry.branch, entry.name)
    spec = dg.AssetSpec(
        key,
        group_name=group_name(entry.database, RAW),
        description=(
            f"The uploaded file of {entry.name}, byte for byte.\n\nPlace: branch {entry.branch} of database {entry.database}."
            "\n\nGrain: one file per version.\n\nFreshness: changes with each upload.\n\nKept: in the dataset "
            "store by content, so the same file again costs nothing."
        ),
        kinds={entry.source_type, "file"},
        owners=owners_of(entry.owner),
        metadata={"api": links.dataset(), "dataset_id": entry.dataset_id},
    )

    @dg.multi_asset(specs=[spec], name=op_name(key))
    def raw(platform: dg.ResourceParam[PlatformSource]) -> dg.MaterializeResult[Any]:
        with repeated():
            parts = platform.get()
            version = newest_version(parts.registry, entry.database, entry.dataset_id)
            stored = parts.datasets.files(entry.database, version.commit_id)[version.raw_path]
            return dg.MaterializeResult(
                metadata={
                    "bytes": stored.size_bytes,
                    "content": stored.address,
                    "file": version.filename,
                    "version": version.number,
                    **tables_of(dialect=[dict(version.dialect)] if version.dialect else []),
                    "uploaded_at": dg.MetadataValue.timestamp(version.created_at),
                    "uploaded_by": version.created_by or "unknown",
                },
                data_version=dg.DataVersion(stored.address),
            )

    return raw


def _dataset(entry: DatasetEntry, links: Links) -> dg.AssetsDefinition:
    key = asset_key(DATASET, entry.database, entry.branch, entry.name)
    spec = dg.AssetSpec(
        key,
        deps=[asset_key(RAW, entry.database, entry.branch, entry.name)],
        group_name=group_name(entry.database, DATASET),
        description=(
            f"The typed rows of {entry.name}.\n\nPlace: branch {entry.branch} of database {entry.database}.\n\n"
            "Grain: one row per row of the file that could be read; the others are listed as rejects with line and reason.\n\n"
            "Freshness: one version per upload; the data version is the commit of the dataset store."
        ),
        kinds={"parquet", "duckdb"},
        owners=owners_of(entry.owner),
        metadata={
            "api": links.dataset(),
            "dataset_id": entry.dataset_id,
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(name, kind, constraints=dg.TableColumnConstraints(nullable=nullable))
                    for name, kind, nullable in entry.columns
                ]
            ),
        },
    )

    @dg.multi_asset(specs=[spec], name=op_name(key))
    def dataset(context: dg.AssetExecutionContext, platform: dg.ResourceParam[PlatformSource]) -> dg.MaterializeResult[Any]:
        with repeated():
            parts = platform.get()
            version = newest_version(parts.registry, entry.database, entry.dataset_id)
            context.log.info(
                "version %s of %s: %s rows, %s rejects", version.number, entry.name, version.row_count, version.reject_count
            )
            rejects = tables_of(first_rejects=rejected_rows(parts, entry.database, version))
            return dg.MaterializeResult(
                metadata={**version_metadata(version), **rejects}, data_version=dg.DataVersion(version.commit_id)
            )

    return dataset
