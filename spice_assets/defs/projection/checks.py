"""Whether the documents of a class are its instances."""

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_assets.checks import check_of
from spice_assets.defs.projection.assets import compare_class
from spice_assets.names import SEARCH, asset_key
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.services.compare_documents import Comparison


def search_checks(entry: ClassEntry) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one class's documents."""

    @check_of(
        asset_key(SEARCH, entry.database, entry.branch, entry.class_id),
        description="Every instance has exactly one document, at its version and with its state; writes under way may show.",
    )
    def documents_equal_instances(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        found = compare_class(platform.get(), entry)
        return dg.AssetCheckResult(
            passed=found.is_equal,
            description=_told(found, entry.database),
            metadata={
                "instances": found.nodes,
                "documents": found.documents,
                "missing": found.missing,
                "surplus": found.surplus,
                "different": found.different,
                **tables_of(samples=[{"differs": key} for key in found.samples]),
            },
        )

    return [documents_equal_instances]


def _told(found: Comparison, database: str) -> str:
    if found.is_equal:
        return f"{found.documents:,} documents, {found.nodes:,} instances: equal."
    return (
        f"{found.missing:,} documents are missing, {found.surplus:,} are too many, {found.different:,} differ. Evaluate it again "
        f"when nothing is written; what differs then is mended by `spice rebuild search {database}`."
    )
