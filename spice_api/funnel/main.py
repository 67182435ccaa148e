"""The Funnel app: `python -m spice_api.funnel.main`, or `uvicorn --factory spice_api.funnel.main:app`."""

from fastapi import FastAPI

from spice_api.analysis.google_routes import router as google
from spice_api.analysis.routes import router as analysis
from spice_api.analysis.structure_routes import router as structure
from spice_api.app import AppInfo, create_app
from spice_api.serve import serve
from spice_core.bootstrap import Platform
from spice_core.settings import Settings, load_settings

INFO = AppInfo(
    name="funnel",
    title="SPICE Harvester Funnel",
    summary="Types of columns, inferred from their values, and tables found in sheets.",
    description=(
        "Nothing is stored: send rows, get the type of every column with its confidence and the reason, and a class; send cells "
        "or a workbook, or name a Google Sheet, get the tables in them."
    ),
)
ROUTERS = (analysis, structure, google)


def app(settings: Settings | None = None, platform: Platform | None = None) -> FastAPI:
    """Return the Funnel app; it bootstraps its own platform when it starts, unless one is given."""
    return create_app(INFO, settings=settings or load_settings(), routers=ROUTERS, platform=platform)


def main() -> None:
    """Serve Funnel on its port."""
    settings = load_settings()
    serve(app(settings), settings=settings, port=settings.funnel_port)


if __name__ == "__main__":
    main()
