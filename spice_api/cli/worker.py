"""`spice worker`: the workers, in this process."""

import os
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

WorkerName = Literal["graph", "search", "read-models", "registry", "connectors", "relay", "all"]


def worker(*names: Annotated[WorkerName, Parameter(help="Which workers; all of them in one process: `all`.")]) -> int:
    """Run workers: graph, search, read-models, registry, connectors, relay, or all.

    `connectors` syncs the sources of connections; with SPICE_CONNECTORS_ENABLED it is one of all.
    `relay` fills Kafka's topics from the log; with SPICE_EVENT_FEED=kafka it is one of all.

    `/healthz` and `/metrics` answer on SPICE_WORKER_PORT. Several processes may run the same worker: one works,
    the others stand by.    SIGTERM finishes the batch at hand and ends.
    """
    chosen = names or ("all",)
    os.execv(sys.executable, [sys.executable, "-m", "spice_workers", *chosen])  # noqa: S606 - our own program takes this one's place
