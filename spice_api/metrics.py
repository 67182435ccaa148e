"""What an app tells Prometheus about its requests."""

from fastapi.routing import APIRoute
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.types import Scope

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class HttpMetrics:
    """Requests by method, route template and status, with their times; plus process, garbage collector and platform."""

    def __init__(self, app_name: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "spice_http_requests", "Requests answered.", ["app", "method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "spice_http_request_seconds",
            "Time from a request's first byte to its last.",
            ["app", "method", "route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._app = app_name

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request; a path that is no route counts as `unmatched`, so that labels stay few."""
        route = _template(scope)
        method = scope["method"] if route != "unmatched" else "ANY"
        self._requests.labels(self._app, method, route, str(status)).inc()
        self._seconds.labels(self._app, method, route).observe(seconds)

    def exposition(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self._registry)


def _template(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if isinstance(route, APIRoute) else "unmatched"
