"""The graph worker: decides the commands of each database in log order."""

from spice_core.bootstrap import Platform
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.handling import Handler
from spice_workers.crash_points import CrashPoints


def build(platform: Platform) -> list[Handler]:
    """Return the handler of databases, branches, classes and instances."""
    crash = CrashPoints.of(platform.settings)
    return [GraphHandler(log=platform.log, graph=platform.graph, crash_point=crash.at, tracer=platform.tracer)]
