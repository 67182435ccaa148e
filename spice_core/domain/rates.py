"""How often something may happen: the rates that routes declare by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` units in any `window_seconds`; one request takes `cost` of them.

    With `is_per_address` the requests of one network address count together as well, whoever they are from.
    """

    name: str
    limit: int
    window_seconds: int
    cost: int = 1
    is_per_address: bool = False


STRICT = Rate("strict", 10, 60, is_per_address=True)
STANDARD = Rate("standard", 60, 60)
RELAXED = Rate("relaxed", 200, 60)
BURST = Rate("burst", 20, 1)
SEARCH = Rate("search", 30, 60, cost=2)
WRITE = Rate("write", 2000, 60, cost=3)

PRESETS: Mapping[str, Rate] = MappingProxyType({rate.name: rate for rate in (STRICT, STANDARD, RELAXED, BURST, SEARCH, WRITE)})
"""Every rate that a route can declare."""


def presets(changes: Sequence[str]) -> Mapping[str, Rate]:
    """Return the presets with `changes` applied, each `name=limit/window` (units and seconds).

    Raises:
        ValueError: an unknown name, numbers that are none, a limit below one request, or `strict`, which is fixed.
    """
    found = dict(PRESETS)
    for change in changes:
        name, _, numbers = change.partition("=")
        limit, _, window = numbers.partition("/")
        if name not in found or name == STRICT.name:
            raise ValueError(f"{name!r} is not one of {', '.join(sorted(set(found) - {STRICT.name}))}")
        if not (limit.isdecimal() and window.isdecimal() and int(window) >= 1 and int(limit) >= found[name].cost):
            raise ValueError(f"{change!r} is not `name=limit/window`, such as `search=600/60`")
        found[name] = replace(found[name], limit=int(limit), window_seconds=int(window))
    return found
