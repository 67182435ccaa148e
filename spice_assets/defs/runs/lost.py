"""Runs whose process died are failed, so that the run queue starts them again."""

import json
from collections.abc import Callable, Collection, Mapping

import dagster as dg

from spice_assets.heartbeat import LEASE_SECONDS, lease_name
from spice_assets.reloader import LOCATION
from spice_assets.resources import PlatformSource
from spice_core.errors import Unavailable

INTERVAL_SECONDS = 15
_MOST_RUNS = 200


@dg.sensor(
    name="lost_runs",
    description="Fails started runs whose process has shown no sign of life for a minute; the run queue starts them again.",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def lost_runs(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]) -> dg.SensorResult | dg.SkipReason:
    """Fail what was silent at two looks: one look may fall right behind an outage of the ledger."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    records = [record for record in context.instance.get_run_records(filters, limit=_MOST_RUNS) if _is_ours(record.dagster_run)]
    try:
        parts = platform.get()
        now = parts.clock.now().timestamp()
        started = {record.dagster_run.run_id: record.start_time or now for record in records}
        lost, cursor = evaluate(
            context.cursor, started, now=now, is_alive=lambda run_id: parts.work.holder(lease_name(run_id)) is not None
        )
    except Unavailable as error:
        return dg.SkipReason(f"{error.message}; looking again")
    for record in records:
        if record.dagster_run.run_id in lost:
            message = f"The process of this run has been silent for more than {LEASE_SECONDS:.0f} s: it died."
            context.instance.report_run_failed(record.dagster_run, message)
    return dg.SensorResult(skip_reason=dg.SkipReason(f"failed: {', '.join(sorted(lost))}" if lost else "none"), cursor=cursor)


def evaluate(
    cursor: str | None, started: Mapping[str, float], *, now: float, is_alive: Callable[[str], bool]
) -> tuple[Collection[str], str]:
    """Return the runs that are silent now and were at the look before, and the next cursor; a young run has time to begin."""
    before = set(json.loads(cursor)) if cursor else set()
    silent = {run_id for run_id, at in started.items() if now - at >= LEASE_SECONDS and not is_alive(run_id)}
    return silent & before, json.dumps(sorted(silent - before))


def _is_ours(run: dg.DagsterRun) -> bool:
    origin = run.remote_job_origin
    return origin is not None and origin.repository_origin.code_location_origin.location_name == LOCATION
