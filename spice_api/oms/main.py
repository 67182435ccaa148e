"""The OMS app: `python -m spice_api.oms.main`, or `uvicorn --factory spice_api.oms.main:app`."""

from fastapi import FastAPI

from spice_api.app import AppInfo, create_app
from spice_api.branches.routes import router as branches
from spice_api.commands.routes import router as commands
from spice_api.configuration.routes import router as configuration
from spice_api.databases.routes import router as databases
from spice_api.instances.routes import router as instances
from spice_api.instances.writing import router as instance_writes
from spice_api.monitoring.routes import router as monitoring
from spice_api.ontology.routes import router as ontology
from spice_api.serve import serve
from spice_api.versions.routes import router as versions
from spice_core.bootstrap import Platform
from spice_core.settings import Settings, load_settings

INFO = AppInfo(
    name="oms",
    title="SPICE Harvester OMS",
    summary="Ontology management: databases, classes, instances, branches, versions.",
    description=(
        "Every change is a command: it is accepted into the event log, answered with 202 and a `command_id`, and applied by a "
        "worker. Ask for its status, wait for it (`Prefer: wait=10`), or follow it as server-sent events. Updates and "
        "deletions carry `expected_seq`; if the aggregate has moved on, the answer is 409 and nothing was written."
    ),
)
ROUTERS = (instance_writes, instances, databases, ontology, commands, branches, versions, monitoring, configuration)


def app(settings: Settings | None = None, platform: Platform | None = None) -> FastAPI:
    """Return the OMS app; it bootstraps its own platform when it starts, unless one is given."""
    return create_app(INFO, settings=settings or load_settings(), routers=ROUTERS, platform=platform)


def main() -> None:
    """Serve OMS on its port."""
    settings = load_settings()
    serve(app(settings), settings=settings, port=settings.oms_port)


if __name__ == "__main__":
    main()
