"""Whether indexing a link type left anything out."""

import dagster as dg

from spice_assets.catalogue import LinkEntry
from spice_assets.checks import check_of
from spice_assets.defs.linking.assets import link_key
from spice_assets.defs.linking.outcomes import statistics_of, told_of
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.link_types import link_run_of_json

_SAMPLES = 10


def link_checks(entry: LinkEntry) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one link type."""

    @check_of(
        link_key(entry),
        description="The newest run is a PASS: no link was dropped for a missing end, none came twice. A FAIL stops the rest.",
        blocking=True,
    )
    def nothing_dropped(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        registry = platform.get().registry
        found = registry.records(entry.database, RecordKind.LINK_RUN, parent=entry.link_type_id, limit=1)
        if not found:
            return dg.AssetCheckResult(passed=False, description="The link type was never indexed: materialize the asset.")
        run = link_run_of_json(found[0].document)
        return dg.AssetCheckResult(
            passed=run.result == "PASS",
            severity=dg.AssetCheckSeverity.WARN if run.result == "WARN" else dg.AssetCheckSeverity.ERROR,
            description=told_of(run),
            metadata={
                **statistics_of(run),
                "result": run.result or run.state,
                **tables_of(samples=run.samples[:_SAMPLES]),
            },
        )

    return [nothing_dropped]
