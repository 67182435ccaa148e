"""Whether the documents of a class are its instances."""

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_assets.checks import check_of
from spice_assets.defs.projection.assets import compare_class
from spice_assets.names import SEARCH, asset_key
from spice_assets.resources import PlatformSource


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
            metadata={
                "instances": found.nodes,
                "documents": found.documents,
                "missing": found.missing,
                "surplus": found.surplus,
                "different": found.different,
                "samples": list(found.samples),
            },
        )

    return [documents_equal_instances]
