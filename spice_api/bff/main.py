"""The BFF app: `python -m spice_api.bff.main`, or `uvicorn --factory spice_api.bff.main:app`."""

from fastapi import FastAPI

from spice_api.app import AppInfo, create_app
from spice_api.audit.routes import router as audit
from spice_api.branches.routes import router as branches
from spice_api.commands.routes import router as commands
from spice_api.configuration.routes import router as configuration
from spice_api.connectors.connections import router as connections
from spice_api.connectors.sources import router as connector_sources
from spice_api.databases.routes import router as databases
from spice_api.datasets.ingest_requests import router as ingest_requests
from spice_api.datasets.references import router as references
from spice_api.datasets.routes import router as datasets
from spice_api.datasets.uploads import router as uploads
from spice_api.datasets.watched_places import router as watched_places
from spice_api.dead_letters.routes import router as dead_letters
from spice_api.graph_query.routes import router as graph_query
from spice_api.instances.routes import browsing
from spice_api.instances.routes import router as instances
from spice_api.instances.writing import router as instance_writes
from spice_api.lineage.routes import router as lineage
from spice_api.links.routes import router as links
from spice_api.mappings.routes import router as mappings
from spice_api.monitoring.routes import router as monitoring
from spice_api.ontology.routes import router as ontology
from spice_api.search.routes import router as search
from spice_api.serve import serve
from spice_api.tasks.routes import router as tasks
from spice_api.versions.routes import router as versions
from spice_core.bootstrap import Platform
from spice_core.settings import Settings, load_settings

INFO = AppInfo(
    name="bff",
    title="SPICE Harvester BFF",
    summary="The public API: graph questions, search, lineage, audit, datasets, and everything of OMS.",
    description=(
        "Ask the graph hop by hop, search its documents, and ask why a node or a link is there. Upload tables as versions of "
        "datasets and turn their rows into instances. Reads wait a little for what was accepted before them; `warnings` says "
        "if that was in vain."
    ),
)
ROUTERS = (
    graph_query,
    search,
    lineage,
    audit,
    uploads,
    ingest_requests,
    watched_places,
    references,
    datasets,
    connections,
    connector_sources,
    mappings,
    links,
    tasks,
    dead_letters,
    databases,
    ontology,
    instance_writes,
    instances,
    browsing,
    commands,
    branches,
    versions,
    monitoring,
    configuration,
)


def app(settings: Settings | None = None, platform: Platform | None = None) -> FastAPI:
    """Return the BFF app; it bootstraps its own platform when it starts, unless one is given."""
    return create_app(INFO, settings=settings or load_settings(), routers=ROUTERS, platform=platform)


def main() -> None:
    """Serve BFF on its port."""
    settings = load_settings()
    serve(app(settings), settings=settings, port=settings.bff_port)


if __name__ == "__main__":
    main()
