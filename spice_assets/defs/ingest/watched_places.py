"""Files that others put into watched places start a run that takes them in."""

from dataclasses import asdict

import dagster as dg

from spice_assets.repeating import repeated
from spice_assets.resources import PlatformSource
from spice_assets.turns import key_of_turn
from spice_core.bootstrap import Platform, ingest_dataset, watch_places
from spice_core.errors import Unavailable
from spice_core.services.watch_places import Arrival, WatchedFile

INTERVAL_SECONDS = 15


@dg.op(description="Takes in what is new in the watched places; a file that cannot be read is on record as failed.")
def scan_watched_places(context: dg.OpExecutionContext, platform: dg.ResourceParam[PlatformSource]) -> None:
    """Scan once, and put what was done on the run."""

    def told(file: WatchedFile) -> None:
        log = context.log.warning if file.outcome == "failed" else context.log.info
        log("%s %s/%s is %s %s", file.database, file.place_id, file.path, file.outcome, file.message)

    with repeated():
        parts = platform.get()
        done = watch_places(parts, ingest_dataset(parts)).scan(told)
    context.add_output_metadata(asdict(done))


@dg.job(
    name="watched_places",
    description="Makes dataset versions of files that were put into watched places: each content once.",
    executor_def=dg.in_process_executor,
)
def watched_places() -> None:
    """One step."""
    scan_watched_places()


@dg.sensor(
    name="watched_locations",
    job_name="watched_places",
    description="Looks at the watched places without reading a file, and starts a run where one is new and quiet.",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def watched_locations(platform: dg.ResourceParam[PlatformSource]) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run per set of files; for the same set again after ten minutes."""
    try:
        parts = platform.get()
        if not parts.settings.watch_roots:
            return dg.SkipReason("SPICE_WATCH_ROOTS names no place that may be watched")
        arrived = _arrivals(parts)
    except Unavailable as error:
        return dg.SkipReason(f"{error.message}; looking again")
    if not arrived:
        return dg.SkipReason("nothing new in the watched places")
    states = sorted((file.database, file.place_id, file.path, file.stamp) for file in arrived)
    return dg.RunRequest(run_key=key_of_turn(states, parts.clock.now()), tags={"spice/files": str(len(arrived))})


def _arrivals(parts: Platform) -> list[Arrival]:
    return watch_places(parts, ingest_dataset(parts)).arrivals()
