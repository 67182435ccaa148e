"""Sources of connectors: who syncs them, and what came of it.

Where the `connectors` worker runs (SPICE_CONNECTORS_ENABLED), it syncs and the sensor tells; where it does not, the sensor
syncs, too. Both at once are harmless: a lease per source, its pause, and the upload's key let each change become one version.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from spice_assets.links import Links
from spice_assets.names import RAW, asset_key
from spice_assets.repeating import repeated
from spice_assets.resources import PlatformSource, served_databases
from spice_assets.turns import key_of_turn
from spice_core.bootstrap import Platform, connection_commands, sync_connectors
from spice_core.domain.connectors import ConnectorSource, SyncState
from spice_core.errors import Conflict, RecordNotFound, Unavailable
from spice_core.ports.clock import Clock
from spice_core.services.sync_connectors import Due, SyncConnectors

INTERVAL_SECONDS = 15
BUDGET_SECONDS = 20.0
SOURCE_SECONDS = 5.0


class TickIsOver(Unavailable):
    """A sync takes longer than a look of the sensor may: it is done by a run."""

    code = "tick_is_over"


class SourceConfig(dg.Config):
    """Which source to sync."""

    database: str
    source_id: str


@dg.op(description="Brings the dataset of one source up to date; what goes wrong at the source is on record there.")
def sync_source(context: dg.OpExecutionContext, config: SourceConfig, platform: dg.ResourceParam[PlatformSource]) -> None:
    """Sync, and put the outcome on the run."""
    with repeated():
        parts = platform.get()
        outcome = sync_connectors(parts).sync(config.database, config.source_id)
    context.add_output_metadata({"result": outcome.result, "rows": outcome.row_count or 0, "error": outcome.error or ""})


@dg.job(
    name="connector_sync",
    description="Syncs a source whose table is too large for a look of the sensor.",
    executor_def=dg.in_process_executor,
)
def connector_sync() -> None:
    """One step."""
    sync_source()


def connector_changes_sensor(links: Links) -> dg.SensorDefinition:
    """Return the sensor over all sources."""

    @dg.sensor(
        name="connector_changes",
        job_name="connector_sync",
        description=(
            "Tells what became of the sources of connectors: new versions, failures, missing consent. Syncs those that are due "
            "where no `connectors` worker does (SPICE_CONNECTORS_ENABLED=false); large tables by a run."
        ),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def connector_changes(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            parts = platform.get()
            syncs = sync_connectors(parts)
            unfinished = [] if parts.settings.connectors_enabled else sync_due(parts, syncs, tell=context.log.warning)
            news, cursor = changes(context.cursor, _states(parts, syncs))
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; looking again")
        requests = [_request(due, parts) for due in unfinished]
        reason = "nothing changed" if not news else f"{len(news)} sources changed"
        return dg.SensorResult(
            run_requests=requests or None,
            skip_reason=None if requests else dg.SkipReason(reason),
            asset_events=[_observation(item, links) for item in news],
            cursor=cursor,
        )

    return connector_changes


@dataclass(frozen=True, slots=True)
class ObservedSource:
    """A source, and where its sync stands."""

    source: ConnectorSource
    state: SyncState


def changes(cursor: str | None, observed: Sequence[ObservedSource]) -> tuple[list[ObservedSource], str]:
    """Return the sources whose state was written since the cursor, and the next one: the number of each source's state."""
    before: Mapping[str, int] = json.loads(cursor) if cursor else {}
    news = [item for item in observed if item.state.version and before.get(item.source.source_id) != item.state.version]
    after = {item.source.source_id: item.state.version for item in observed}
    return news, json.dumps(after, sort_keys=True)


def sync_due(parts: Platform, syncs: SyncConnectors, *, tell: Callable[..., None]) -> list[Due]:
    """Sync the sources whose turn it is, as far as `BUDGET_SECONDS` reach.

    Those that take longer than `SOURCE_SECONDS` are broken off, with nothing done, and returned: for runs.
    """
    unfinished: list[Due] = []
    ends = parts.clock.monotonic() + BUDGET_SECONDS
    for due in syncs.due(parts.clock.now()):
        if parts.clock.monotonic() >= ends:
            break
        try:
            syncs.sync(due.database, due.source_id, progress=_for_seconds(parts.clock, SOURCE_SECONDS))
        except TickIsOver:
            unfinished.append(due)
        except (Unavailable, Conflict, RecordNotFound) as error:
            tell("%s is tried again: %s", due.source_id, error.message)
    return unfinished


def _for_seconds(clock: Clock, seconds: float) -> Callable[[int], None]:
    ends = clock.monotonic() + seconds

    def go_on(_rows: int) -> None:
        if clock.monotonic() >= ends:
            raise TickIsOver

    return go_on


def _states(parts: Platform, syncs: SyncConnectors) -> list[ObservedSource]:
    connections = connection_commands(parts)
    return [
        ObservedSource(source, syncs.state(source))
        for database in served_databases(parts)
        for source in connections.sources(database)
    ]


def _request(due: Due, parts: Platform) -> dg.RunRequest:
    config: dict[str, Any] = {"database": due.database, "source_id": due.source_id}
    return dg.RunRequest(
        run_key=key_of_turn(config, parts.clock.now()), run_config={"ops": {sync_source.name: {"config": config}}}
    )


def _observation(item: ObservedSource, links: Links) -> dg.AssetObservation:
    source, state = item.source, item.state
    run = state.runs[0] if state.runs else None
    counts: dict[str, Any] = {"rows": run.row_count or 0, "seconds": run.seconds, "result": run.result} if run else {}
    return dg.AssetObservation(
        asset_key(RAW, source.database, source.branch, source.dataset),
        description=f"The sync of {source.title or source.key} is {state.status}.",
        metadata={
            "status": str(state.status),
            **counts,
            "attempts": state.attempts,
            "error": state.error or "",
            "version_id": state.version_id or "",
            "syncs": links.syncs(),
        },
    )
