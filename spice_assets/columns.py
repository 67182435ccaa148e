"""Columns as the asset catalogue shows them, and which column of which asset they come from."""

from collections.abc import Mapping, Sequence

import dagster as dg

from spice_assets.catalogue import ClassEntry, MappingEntry


def property_schema(entry: ClassEntry, datasets: Mapping[str, dg.AssetKey] | None = None) -> dg.TableSchema:
    """Return the properties of a class as columns: what people call them and, of `datasets` by id, where they come from."""
    labels = dict(entry.labels)
    origins = lineage_of_mappings(entry.mappings, datasets or {}).deps_by_column
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                kind,
                description=_told(labels.get(name), origins.get(name, ())),
                constraints=dg.TableColumnConstraints(nullable=not required),
            )
            for name, kind, required in entry.properties
        ]
    )


def lineage_of_mappings(mappings: Sequence[MappingEntry], datasets: Mapping[str, dg.AssetKey]) -> dg.TableColumnLineage:
    """Return the source columns of each property and link that `mappings` fill; `datasets` are the assets by dataset id."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    for mapping in mappings:
        for target, sources in mapping.fields if mapping.dataset_id in datasets else ():
            deps = [dg.TableColumnDep(datasets[mapping.dataset_id], name) for name in sources]
            found.setdefault(target, []).extend(deps)
    return dg.TableColumnLineage(found)


def lineage_of_copy(source: dg.AssetKey, columns: Sequence[str]) -> dg.TableColumnLineage:
    """Return that each of `columns` is the column of the same name of `source`."""
    return dg.TableColumnLineage({name: [dg.TableColumnDep(source, name)] for name in columns})


def _told(label: str | None, origins: Sequence[dg.TableColumnDep]) -> str | None:
    """Dagster's open-source pages do not draw column lineage, so the description says it, too."""
    by_asset: dict[str, list[str]] = {}
    for dep in origins:
        by_asset.setdefault(dep.asset_key.path[-1], []).append(dep.column_name)
    named = [f"{' + '.join(dict.fromkeys(columns))} of {name}" for name, columns in by_asset.items()]
    return ", ".join([*([label] if label else []), *([f"from {' and '.join(named)}"] if named else [])]) or None
