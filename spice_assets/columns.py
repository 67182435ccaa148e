"""Columns as the asset catalogue shows them, and which column of which asset they come from."""

from collections.abc import Mapping, Sequence

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_core.domain.datasets import ClassMapping


def property_schema(entry: ClassEntry) -> dg.TableSchema:
    """Return the properties of a class as columns, with what people call them."""
    labels = dict(entry.labels)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, kind, description=labels.get(name), constraints=dg.TableColumnConstraints(nullable=not required))
            for name, kind, required in entry.properties
        ]
    )


def lineage_of_mappings(mappings: Sequence[ClassMapping], datasets: Mapping[str, dg.AssetKey]) -> dg.TableColumnLineage:
    """Return the source columns of each property and link that `mappings` fill; `datasets` are the assets by dataset id."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    for mapping in mappings:
        for field in mapping.fields if mapping.dataset_id in datasets else ():
            deps = [dg.TableColumnDep(datasets[mapping.dataset_id], name) for name in field.source_fields]
            found.setdefault(field.target_field, []).extend(deps)
    return dg.TableColumnLineage(found)


def lineage_of_copy(source: dg.AssetKey, columns: Sequence[str]) -> dg.TableColumnLineage:
    """Return that each of `columns` is the column of the same name of `source`."""
    return dg.TableColumnLineage({name: [dg.TableColumnDep(source, name)] for name in columns})
