"""`spice rebuild search` that dies at the point FAULT_POINT: while it writes, around the swap and between its two steps."""

import os
import runpy
import signal
from typing import Any

from spice_core.adapters.elasticsearch.search_generations import GenerationIndexes
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex

POINTS = ("during", "before the swap", "within the swap", "after the swap")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _deadly(owner: type, name: str, *, is_after: bool = False, least: int = 1, replaces: bool = False) -> None:
    """Let `owner.name` kill this process, before or after its work, when it is called for the `least`-th time."""
    original = getattr(owner, name)
    calls = 0

    def passing(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += not replaces or args[-1] is not None
        if calls >= least and not is_after:
            _die()
        result = original(*args, **named)
        if calls >= least:
            _die()
        return result

    setattr(owner, name, passing)


def main() -> None:
    """Plant the point and run the command line."""
    point = os.environ["FAULT_POINT"]
    if point == "during":
        _deadly(ElasticsearchSearchIndex, "write", is_after=True, least=2)
    elif point == "within the swap":
        _deadly(GenerationIndexes, "publish", replaces=True)
    else:
        _deadly(ElasticsearchSearchIndex, "finish_rebuild", is_after=point == "after the swap")
    runpy.run_module("spice_api.cli.main", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
