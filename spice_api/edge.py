"""What the layers in front of the routes work with, wired once per app."""

from dataclasses import dataclass, field
from typing import cast

from anyio import CapacityLimiter
from starlette.types import Scope

from spice_api.auth import Gate
from spice_api.metrics import HttpMetrics
from spice_api.refusals import RefusalRecorder
from spice_api.route_rates import RouteRates
from spice_api.task_board import TaskBoard
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.rate_limiter import RateLimiter
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.services.waiting_room import WaitingRoom
from spice_core.settings import Settings

UPLOAD_PATHS = frozenset(
    {"/api/v1/funnel/structure/analyze/excel"}
    | {f"/api/v1/pipelines/datasets/{name}" for name in ("csv-upload", "excel-upload", "media-upload", "upload")}
)


@dataclass(frozen=True, slots=True)
class Edge:
    """The parts of one app's outer layers; `limiter` is None where rates are not limited.

    `limiter_threads` are the threads in which a remote limiter is asked, `probe_threads` those of readiness and metrics,
    `look_threads` those in which a status is looked at for clients that wait. `reads` and `outcomes` bound how many routes
    wait in a thread of the common pool: before a read, and for what became of a write; `uploads` how many files are worked on.
    """

    settings: Settings
    clock: Clock
    ids: IdSource
    metrics: HttpMetrics
    gate: Gate
    rates: RouteRates
    limiter: RateLimiter | None
    limiter_threads: CapacityLimiter
    probe_threads: CapacityLimiter
    look_threads: CapacityLimiter
    reads: WaitingRoom
    outcomes: WaitingRoom
    uploads: WaitingRoom
    refusals: RefusalRecorder
    tasks: TaskBoard
    tracer: Tracer = field(default_factory=SilentTracer)
    untraced: Tracer = field(default_factory=SilentTracer)

    def body_limit(self, path: str) -> int:
        """Return how many bytes the body of a request to `path` may have."""
        return self.settings.max_upload_bytes if path in UPLOAD_PATHS else self.settings.max_request_bytes


def edge_of(scope: Scope) -> Edge:
    """Return the edge of the app that handles `scope`; it exists while the app runs."""
    return cast("Edge", scope["app"].state.edge)
