"""What every process counts about the platform in it, whatever else it does."""

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector

_APPEND_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class PlatformMetrics:
    """The Prometheus metrics of one platform, in a registry of its own; an app or a worker adds its own beside them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._append_seconds = Histogram(
            "spice_log_append_seconds",
            "Time of an append to the event log, until it is durable.",
            buckets=_APPEND_BUCKETS,
            registry=self.registry,
        )
        self._appended = Counter("spice_log_appended_events", "Events appended to the log.", ["kind"], registry=self.registry)
        self._commands, self._domain_events = self._appended.labels("command"), self._appended.labels("domain")
        self._repeated = Counter("spice_log_repeated_appends", "Appends that the log had already.", registry=self.registry)
        self._failures = Counter(
            "spice_log_append_failures", "Appends that were refused or failed, by error code.", ["code"], registry=self.registry
        )

    def appended(self, *, commands: int, domain_events: int, seconds: float) -> None:
        """Note an append that the log took."""
        self._append_seconds.observe(seconds)
        if commands:
            self._commands.inc(commands)
        if domain_events:
            self._domain_events.inc(domain_events)

    def append_repeated(self) -> None:
        """Note an append that changed nothing, since the log had its events."""
        self._repeated.inc()

    def append_failed(self, code: str) -> None:
        """Note an append that the log did not take; `code` is the error's."""
        self._failures.labels(code).inc()
