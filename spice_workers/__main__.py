"""`python -m spice_workers graph search read-models registry connectors relay | all`: the workers of one process."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from spice_core.bootstrap import Platform, bootstrap, event_publisher, log_lines
from spice_core.errors import ConfigurationError
from spice_core.ports.event_feed import EventFeed
from spice_core.services.handling import Handler
from spice_core.services.sample_platform import PlatformSampler
from spice_core.settings import Settings, load_settings
from spice_workers import connectors, graph, read_models, registry, relay, search
from spice_workers.crash_points import CrashPoints
from spice_workers.health import HealthServer
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import FeedCollector, Summary, WorkerMetrics
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
RELAY = "relay"
CONNECTORS = "connectors"
_LOGGER = logging.getLogger("spice_workers")


def process_name(names: Sequence[str]) -> str:
    """Return what the process of the named workers is called in logs, traces and segments."""
    return f"worker-{'-'.join(names) or 'all'}"


def handlers_of(names: Sequence[str], platform: Platform) -> list[Handler]:
    """Return the handlers of the named workers (`all` for every one), without relay and connectors, which run beside them."""
    chosen = list(WORKERS) if "all" in names or not names else [name for name in names if name in WORKERS]
    return [handler for name in chosen for handler in WORKERS[name](platform)]


def runner_of(
    platform: Platform,
    handlers: Sequence[Handler],
    *,
    metrics: WorkerMetrics,
    on_summary: Callable[[Summary], None],
    feed: EventFeed | None = None,
) -> Runner:
    """Return a runner of `handlers` on `platform`, fed by `feed` or else by the platform's."""
    parts = Parts(
        feed=feed or SharedFeed(platform.feed),
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
    with ExitStack() as stack:
        platform = bootstrap(settings, process=process_name(names))
        stack.callback(platform.close)
        metrics = WorkerMetrics(since=platform.clock.now(), platform=platform.metrics)
        metrics.registry.register(FeedCollector(platform.feed))
        runners = _runners_of(platform, names, stack, metrics=metrics, on_summary=on_summary or _log_summary)
        report = partial(_health_of, runners)
        if CONNECTORS in names or (_is_all(names) and settings.connectors_enabled):
            loop = connectors.build(platform)
            stack.callback(loop.close)
            loop.start()
        health = HealthServer(host=settings.listen_host, port=settings.worker_port, registry=metrics.registry, report=report)
        sampling = SamplingThread(_sampler_of(platform).sample, PlatformGauges(metrics.registry))
        for part in (sampling, health):
            part.start()
            stack.callback(part.close)
        _LOGGER.info("ready on port %s", health.port)
        for beside in runners[1:]:
            beside.start()
        has_ended = runners[0].run()
        return 0 if all([has_ended, *(beside.stop() for beside in runners[1:])]) else 1


def _runners_of(
    platform: Platform, names: Sequence[str], stack: ExitStack, *, metrics: WorkerMetrics, on_summary: Callable[[Summary], None]
) -> list[Runner]:
    """Return the runner of the handlers, and that of the relay, which follows the log itself; one of them at least."""
    runners: list[Runner] = []
    handlers = handlers_of(names, platform)
    if handlers or RELAY not in names:
        runners.append(runner_of(platform, handlers, metrics=metrics, on_summary=on_summary))
    if RELAY in names or (_is_all(names) and platform.settings.event_feed == "kafka"):
        publisher = event_publisher(platform.settings)
        stack.callback(publisher.close)
        watch = relay.RelayWatch(platform, publisher, owner=platform.ids.new_id())
        stack.callback(watch.close)
        watch.start()
        handler, feed = relay.build(platform, publisher)
        runners.append(runner_of(platform, [handler], metrics=metrics, on_summary=on_summary, feed=feed))
    return runners


def _is_all(names: Sequence[str]) -> bool:
    return "all" in names or not names


def _health_of(runners: Sequence[Runner]) -> tuple[bool, Mapping[str, Any]]:
    """Return whether every runner makes progress, and what their streams are at."""
    reports = [runner.health() for runner in runners]
    return all(is_well for is_well, _ in reports), {
        "handlers": sorted(name for _, found in reports for name in found["handlers"]),
        "stuck": [name for _, found in reports for name in found["stuck"]],
        "paused": {name: error for _, found in reports for name, error in found["paused"].items()},
    }


def _sampler_of(platform: Platform) -> PlatformSampler:
    others: dict[str, Callable[[], bool]] = {}
    if platform.settings.redis_url is not None:
        others["redis"] = lambda: not platform.rate_limiter.is_degraded
    return PlatformSampler(
        log=platform.log,
        ledger=platform.ledger,
        graph=platform.graph,
        search=platform.search,
        work=platform.work,
        feed=platform.feed,
        clock=platform.clock,
        state_path=platform.settings.state_path,
        others=others,
    )


def main(arguments: Sequence[str]) -> int:
    """Read the settings and run."""
    unknown = sorted(set(arguments) - {*WORKERS, RELAY, CONNECTORS, "all"})
    if unknown:
        sys.stderr.write(f"unknown worker {', '.join(unknown)}; choose of {', '.join((*WORKERS, RELAY, CONNECTORS))} or all\n")
        return 2
    try:
        settings = load_settings()
        log_lines(settings, process=process_name(arguments))
        return run(settings, arguments)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2


def _log_summary(summary: Summary) -> None:
    _LOGGER.info("%s", summary_text(summary))


def summary_text(summary: Summary) -> str:
    """Return a summary as people read it: `graph on shop: 4 events (Customer 3, Order 1), up to date`."""
    kinds = ", ".join(f"{name} {count:,}" for name, count in sorted(summary.handled.items()))
    events = sum(summary.handled.values())
    parts = [f"{events:,} event{'' if events == 1 else 's'}" + (f" ({kinds})" if kinds else "")]
    if summary.buried:
        parts.append(f"{summary.buried:,} buried")
    parts.append(f"{summary.lag_events:,} behind" if summary.lag_events else "up to date")
    return f"{summary.handler} on {summary.database}: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
