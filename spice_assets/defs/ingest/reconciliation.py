"""The schedule that ends what dead workers left: uploads that were received or kept, and never published."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import dagster as dg

from spice_assets.resources import PlatformSource
from spice_assets.turns import key_of_turn
from spice_core.bootstrap import ingest_dataset, reconcile_ingest
from spice_core.domain.ingest_requests import IngestRequest
from spice_core.errors import Unavailable
from spice_core.services.reconcile_ingest import STALE_SECONDS

EVERY_MINUTE = "* * * * *"


@dg.op(description="Publishes what was kept, and fails what never arrived whole; what waits for a part that is down stays.")
def reconcile_stale_ingests(context: dg.OpExecutionContext, platform: dg.ResourceParam[PlatformSource]) -> None:
    """End the requests that have not moved for an hour, and put what was done on the run."""
    parts = platform.get()
    service = reconcile_ingest(parts, ingest_dataset(parts))
    done = service.run(
        stale_seconds=STALE_SECONDS, progress=lambda request: context.log.info("%s is %s", request.request_id, request.state)
    )
    context.add_output_metadata(asdict(done))


@dg.job(
    name="ingest_reconciliation",
    description="Ends uploads whose worker died: their bytes are kept, so nothing has to be sent again.",
    executor_def=dg.in_process_executor,
)
def ingest_reconciliation() -> None:
    """One step."""
    reconcile_stale_ingests()


@dg.schedule(
    job=ingest_reconciliation,
    cron_schedule=EVERY_MINUTE,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every minute, and starts a run only where something is stale.",
)
def ingest_reconciliation_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[PlatformSource]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run per set of stale requests; for the same set again after ten minutes."""
    try:
        parts = platform.get()
        stale = reconcile_ingest(parts, ingest_dataset(parts)).stale(stale_seconds=STALE_SECONDS)
    except Unavailable as error:
        return dg.SkipReason(f"{error.message}; looking again")
    if not stale:
        return dg.SkipReason("nothing is stale")
    return dg.RunRequest(run_key=run_key(stale, context.scheduled_execution_time))


def run_key(stale: Sequence[IngestRequest], at: datetime) -> str:
    """Return a key that stays the same for ten minutes as long as the same requests stand in the same states."""
    return key_of_turn(sorted((request.request_id, request.sequence) for request in stale), at)
