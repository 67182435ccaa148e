"""`python -m spice_workers graph search read-models registry | all`: the workers of one process."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence

from spice_core.bootstrap import Platform, bootstrap, log_lines
from spice_core.services.handling import Handler
from spice_core.services.sample_platform import PlatformSampler
from spice_core.settings import Settings, load_settings
from spice_workers import graph, read_models, registry, search
from spice_workers.crash_points import CrashPoints
from spice_workers.health import HealthServer
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import Summary, WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.sampling import PlatformGauges, SamplingThread
from spice_workers.shared_feed import SharedFeed
from spice_workers.stream import Parts

WORKERS: Mapping[str, Callable[[Platform], list[Handler]]] = {
    "graph": graph.build,
    "search": search.build,
    "read-models": read_models.build,
    "registry": registry.build,
}
_LOGGER = logging.getLogger("spice_workers")


def process_name(names: Sequence[str]) -> str:
    """Return what the process of the named workers is called in logs, traces and segments."""
    return f"worker-{'-'.join(names) or 'all'}"


def handlers_of(names: Sequence[str], platform: Platform) -> list[Handler]:
    """Return the handlers of the named workers (`all` for every one)."""
    chosen = list(WORKERS) if "all" in names or not names else names
    return [handler for name in chosen for handler in WORKERS[name](platform)]


def runner_of(
    platform: Platform, handlers: Sequence[Handler], *, metrics: WorkerMetrics, on_summary: Callable[[Summary], None]
) -> Runner:
    """Return a runner of `handlers` on `platform`."""
    parts = Parts(
        feed=SharedFeed(platform.feed),
        log=platform.log,
        work=platform.work,
        statuses=platform.statuses,
        clock=platform.clock,
        owner=platform.ids.new_id(),
        limits=RunnerLimits.of(platform.settings),
        metrics=metrics,
        crash=CrashPoints.of(platform.settings),
        tracer=platform.tracer,
    )
    return Runner(handlers, parts, on_summary=on_summary)


def run(settings: Settings, names: Sequence[str], *, on_summary: Callable[[Summary], None] | None = None) -> int:
    """Run the named workers until SIGTERM or SIGINT; return the exit code."""
    platform = bootstrap(settings, process=process_name(names))
    metrics = WorkerMetrics(since=platform.clock.now(), platform=platform.metrics)
    runner = runner_of(platform, handlers_of(names, platform), metrics=metrics, on_summary=on_summary or _log_summary)
    health = HealthServer(host=settings.listen_host, port=settings.worker_port, registry=metrics.registry, report=runner.health)
    sampling = SamplingThread(_sampler_of(platform).sample, PlatformGauges(metrics.registry))
    health.start()
    sampling.start()
    _LOGGER.info("ready on port %s", health.port)
    try:
        return 0 if runner.run() else 1
    finally:
        health.close()
        sampling.close()
        platform.close()


def _sampler_of(platform: Platform) -> PlatformSampler:
    return PlatformSampler(
        log=platform.log,
        ledger=platform.ledger,
        graph=platform.graph,
        search=platform.search,
        work=platform.work,
        feed=platform.feed,
        clock=platform.clock,
        state_path=platform.settings.state_path,
    )


def main(arguments: Sequence[str]) -> int:
    """Read the settings and run."""
    unknown = sorted(set(arguments) - {*WORKERS, "all"})
    if unknown:
        sys.stderr.write(f"unknown worker {', '.join(unknown)}; choose of {', '.join(WORKERS)} or all\n")
        return 2
    settings = load_settings()
    log_lines(settings, process=process_name(arguments))
    return run(settings, arguments)


def _log_summary(summary: Summary) -> None:
    counts, stream = dict(summary.handled), f"{summary.handler} on {summary.database}"
    _LOGGER.info("%s: %s, %s buried, %s behind", stream, counts, summary.buried, summary.lag_events)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
