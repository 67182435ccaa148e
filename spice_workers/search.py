"""The search worker: keeps the index up with the domain events."""

from spice_core.bootstrap import Platform
from spice_core.services.handling import Handler
from spice_core.services.project_search import SearchProjector


def build(platform: Platform) -> list[Handler]:
    """Return the handler of documents, their classes and branches."""
    return [SearchProjector(search=platform.search, graph=platform.graph, tracer=platform.tracer, work=platform.work)]
