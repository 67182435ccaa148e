"""Asking every part that a request may need whether it answers."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from spice_core.domain.naming import SYSTEM_DATABASE
from spice_core.errors import SpiceError
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.ledger import Ledger
from spice_core.ports.search_index import SearchIndex
from spice_core.services.event_log.event_log import EventLog


def check_parts(*, log: EventLog, ledger: Ledger, graph: GraphStore, search: SearchIndex) -> Mapping[str, str | None]:
    """Return None for each part that answers, and the message of its error for one that does not."""
    probes: Mapping[str, Callable[[], object]] = {
        "log": log.databases,
        "ledger": ledger.heads,
        "graph": graph.databases,
        "search": lambda: search.get(SYSTEM_DATABASE, "main", ["_/_"]),
    }
    # A part that is down takes its time to say so: together they take the longest one's, not the sum.
    with ThreadPoolExecutor(len(probes)) as pool:
        return dict(zip(probes, pool.map(_probe, probes.values()), strict=True))


def _probe(probe: Callable[[], object]) -> str | None:
    try:
        probe()
    except SpiceError as error:
        return f"{error.code}: {error.message}"
    return None
