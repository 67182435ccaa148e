"""What bounds a runner, in one place."""

from dataclasses import dataclass

from spice_core.settings import Settings


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """Bounds of one runner.

    Attributes:
        batch: events per pass of a stream.
        max_attempts: how often an event is tried before it waits for an operator.
        lease_seconds, heartbeat_seconds: of every stream's lease.
        threads: how many streams work at once.
        tick_seconds: how long the dispatcher sleeps when nothing is new.
        idle_seconds: the longest pause between two looks at a quiet database.
        first_backoff_seconds, longest_backoff_seconds: the pause of a stream whose engine is down, doubling.
        first_retry_seconds, longest_retry_seconds: the pause before a failed event is tried again, doubling.
        stuck_seconds: a pass that takes longer makes `/healthz` fail and its lease run out.
        release_seconds: a stream without news for so long gives its lease back.
        stop_seconds: how long a stop waits for the passes under way.
        summary_seconds: how often `on_summary` is called.
        retention_days: how long the marks of done events are kept.
    """

    batch: int = 1000
    max_attempts: int = 5
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 5.0
    threads: int = 3
    tick_seconds: float = 0.02
    idle_seconds: float = 0.25
    first_backoff_seconds: float = 0.2
    longest_backoff_seconds: float = 30.0
    first_retry_seconds: float = 1.0
    longest_retry_seconds: float = 60.0
    stuck_seconds: float = 120.0
    release_seconds: float = 60.0
    stop_seconds: float = 10.0
    summary_seconds: float = 60.0
    retention_days: float = 7.0

    @classmethod
    def of(cls, settings: Settings) -> "RunnerLimits":
        """Return the limits that the settings name."""
        return cls(
            batch=settings.worker_batch,
            max_attempts=settings.worker_max_attempts,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            retention_days=settings.processed_events_retention_days,
        )
