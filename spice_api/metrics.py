"""What an app tells Prometheus about its requests."""

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from spice_core.services.platform_metrics import PlatformMetrics

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LOCAL = "local"


class HttpMetrics:
    """Requests by method, route template and status, with their times; and beside them what the app's platform counts."""

    def __init__(self, app_name: str, *, platform: PlatformMetrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(platform.registry)
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
        self._is_local = Gauge(
            "spice_rate_limit_local",
            "1 while this process counts requests for itself, 0 while it shares its limits with others.",
            ["app"],
            registry=self._registry,
        )
        self._app = app_name

    def observe(self, scope: Scope, status: int, seconds: float, *, mode: str | None = None) -> None:
        """Count one request; a path that is no route counts as `unmatched`, so that labels stay few.

        `mode` is what the answer said of its rate limit, if it was limited.
        """
        route = route_of(scope)
        method = scope["method"] if route != _UNMATCHED else "ANY"
        self._requests.labels(self._app, method, route, str(status)).inc()
        self._seconds.labels(self._app, method, route).observe(seconds)
        if mode is not None:
            self._is_local.labels(self._app).set(1 if mode == _LOCAL else 0)

    def exposition(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self._registry)


_UNMATCHED = "unmatched"


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request took, `unmatched` for none."""
    route = scope.get("route")
    return route.path if isinstance(route, APIRoute) else _UNMATCHED
