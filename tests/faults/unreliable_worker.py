"""A worker whose feed repeats, reorders and leaves out events, as the seed in `FAULT_SEED` decides."""

import os
import runpy
from typing import Any

from spice_core.bootstrap import platform
from tests.workers_world import UnreliableFeed


def main() -> None:
    """Put the feed in between and run the workers."""
    make = platform.event_feed
    seed = int(os.environ["FAULT_SEED"])

    def unreliable(*args: Any, **named: Any) -> UnreliableFeed:
        return UnreliableFeed(make(*args, **named), seed)

    platform.event_feed = unreliable  # type: ignore[assignment]
    runpy.run_module("spice_workers", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
