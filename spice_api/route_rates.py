"""Which rate a request counts under: every route may declare a preset beside the rate that all routes share."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import Scope

from spice_api.auth import Principal
from spice_core.domain.rates import Rate, presets
from spice_core.errors import ConfigurationError
from spice_core.ports.rate_limiter import Allowance, Charge
from spice_core.settings import Settings

_EXTENSION = "x-rate-limit"
RATE_HEADERS = tuple(f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset", "Mode", "Degraded"))
UNVERIFIED = "unverified"
"""The bucket that all refused credentials share."""


def counts_as(rate: Rate) -> dict[str, Any]:
    """Return what a route declares (`openapi_extra`) to count as `rate` too; its description then says so."""
    about = {"preset": rate.name, "limit": rate.limit, "window_seconds": rate.window_seconds, "cost": rate.cost}
    return {_EXTENSION: about}


class RouteRates:
    """The rates of one app's routes, found by method and path before a route is chosen, read from or run."""

    def __init__(self, app: str, settings: Settings, routers: Iterable[APIRouter]) -> None:
        """Read what the routes of `routers` declare.

        Raises:
            ConfigurationError: SPICE_RATE_LIMIT_PRESETS does not parse.
        """
        self._app = app
        self._outer = Rate("all", settings.rate_limit, settings.rate_limit_window_seconds)
        self._by_method = _declared(routers, _presets(settings))

    def charges(self, scope: Scope, principal: Principal) -> list[Charge]:
        """Return what the request of `scope` costs `principal`: first what its route declares, then the rate of all routes."""
        bucket = f"{self._app}:{principal.name}"
        rate = self._of_route(scope["method"], scope["path"])
        if rate is None:
            return [Charge(bucket, self._outer)]
        own = [Charge(bucket, rate)]
        if rate.is_per_address:
            address = (scope.get("client") or ("unknown", 0))[0]
            own.append(Charge(f"{self._app}:address:{address}", rate))
        return [*own, Charge(bucket, self._outer)]

    def refusal_charges(self) -> list[Charge]:
        """Return what a request with a wrong credential costs all of them."""
        return [Charge(f"{self._app}:{UNVERIFIED}", self._outer)]

    def _of_route(self, method: str, path: str) -> Rate | None:
        return next((rate for pattern, rate in self._by_method.get(method, ()) if pattern.match(path)), None)


def allowance_headers(allowance: Allowance) -> dict[str, str]:
    """Return the response headers that announce `allowance`, in units and whole seconds."""
    headers = {
        "X-RateLimit-Limit": str(allowance.rate.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(whole_seconds(allowance)),
        "X-RateLimit-Mode": allowance.mode,
    }
    if allowance.is_degraded:
        headers |= {"X-RateLimit-Degraded": "true", "Degraded": "true"}
    return headers


def whole_seconds(allowance: Allowance) -> int:
    """Return the seconds until something comes back, rounded up, so that whoever waits that long is not refused again."""
    return int(-(-allowance.reset_seconds // 1))


def _presets(settings: Settings) -> Mapping[str, Rate]:
    try:
        return presets(settings.rate_limit_presets)
    except ValueError as error:
        raise ConfigurationError(f"SPICE_RATE_LIMIT_PRESETS: {error}") from error


def _declared(
    routers: Iterable[APIRouter], rates: Mapping[str, Rate]
) -> Mapping[str, Sequence[tuple[re.Pattern[str], Rate | None]]]:
    """Return per method the patterns of all its routes, in the order in which the framework tries them.

    Routes without a preset stand among them: the first match decides, as it does for the request itself.
    """
    found: dict[str, list[tuple[re.Pattern[str], Rate | None]]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                declared = (route.openapi_extra or {}).get(_EXTENSION)
                rate = rates[declared["preset"]] if declared else None
                for method in route.methods or ():
                    found.setdefault(method, []).append((route.path_regex, rate))
    return {method: patterns for method, patterns in found.items() if any(rate for _, rate in patterns)}
