"""The adapters of `GraphStore` under test: each name with a factory that gets pytest's request."""

from collections.abc import Callable, Mapping

import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.ports.graph_store import GraphStore


def _memory(request: pytest.FixtureRequest) -> GraphStore:
    return MemoryGraphStore()


GRAPH_STORES: Mapping[str, Callable[[pytest.FixtureRequest], GraphStore]] = {"memory": _memory}
