"""A run shows that its process lives: by a lease that it renews, and that runs out where the process is gone.

Dagster's launcher for local processes does not notice that a code server died together with its runs: they would stand as
started for ever, and keep their places in the queue.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from spice_assets.resources import PlatformSource
from spice_core.errors import LeaseLost, Unavailable
from spice_core.ports.work_ledger import Lease

LEASE_SECONDS = 60.0
_BEAT_SECONDS = 10.0


def lease_name(run_id: str) -> str:
    """Return the name of the lease of a run."""
    return f"dagster-run:{run_id}"


def platform_resource(source: PlatformSource) -> dg.ResourceDefinition:
    """Return the resource of assets, checks, sensors and jobs: `source`, and in a run its heartbeat."""

    def give(context: dg.InitResourceContext) -> Iterator[PlatformSource]:
        if context.run is None:
            yield source
            return
        with beating(source, context.run.run_id):
            yield source

    return dg.ResourceDefinition(give, description="The parts of the platform, opened when they are first needed.")


@contextmanager
def beating(source: PlatformSource, run_id: str) -> Iterator[None]:
    """Keep the lease of a run alive; a part that is down costs beats, never the run."""
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(source, run_id, stop), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _beat(source: PlatformSource, run_id: str, stop: threading.Event) -> None:
    lease: Lease | None = None
    while True:
        try:
            lease = source.get().work.acquire(lease_name(run_id), owner=run_id, seconds=LEASE_SECONDS)
        except Unavailable:
            lease = None
        if stop.wait(_BEAT_SECONDS):
            break
    if lease is not None:
        _give_back(source, lease)


def _give_back(source: PlatformSource, lease: Lease) -> None:
    try:
        source.get().work.release(lease)
    except (Unavailable, LeaseLost):
        return  # it runs out by itself
