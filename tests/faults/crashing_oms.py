"""An OMS process that dies at a named point of an append: `FAULT_POINT` (such as `after put`) at its `FAULT_COUNT`-th time.

The points: before and after the put of a segment, after the append (before the client hears of it), before and after a fold.
"""

import itertools
import os
import runpy
import signal
from collections.abc import Callable
from typing import Any

from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.bootstrap import platform
from spice_core.services.event_log.event_log import EventLog

POINTS = ("before put", "after put", "after append", "before fold", "after fold")


class DeadlyStore:
    """An object store whose puts of segments pass the deadly point; everything else is the store's own."""

    def __init__(self, inner: Any, at: Callable[[str], None]) -> None:
        self._inner = inner
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Put, with a point before and after."""
        if "/log/" not in key:
            self._inner.put_if_absent(key, data)
            return
        self._at("before put")
        self._inner.put_if_absent(key, data)
        self._at("after put")


def _deadly(point: str, count: int) -> Callable[[str], None]:
    times = itertools.count(1)

    def at(place: str) -> None:
        if place == point and next(times) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def _around(owner: Any, name: str, at: Callable[[str], None], *, before: str = "", after: str = "") -> None:
    original = getattr(owner, name)

    def passing(*args: Any, **named: Any) -> Any:
        at(before)
        result = original(*args, **named)
        at(after)
        return result

    setattr(owner, name, passing)


def main() -> None:
    """Plant the point and run OMS."""
    at = _deadly(os.environ["FAULT_POINT"], int(os.environ["FAULT_COUNT"]))
    make = platform.object_store_of
    platform.object_store_of = lambda *args, **named: DeadlyStore(make(*args, **named), at)  # type: ignore[assignment]
    _around(EventLog, "append", at, after="after append")
    _around(PostgresLedger, "fold", at, before="before fold", after="after fold")
    runpy.run_module("spice_api.oms.main", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
