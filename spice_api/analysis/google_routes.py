"""Looking into Google Sheets before they are sources. Nothing is stored."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from spice_api.analysis.google_schemas import PreviewAnswer, PreviewBody, WorksheetBody, preview_answer
from spice_api.analysis.structure_schemas import StructureBody, structure_body
from spice_api.connectors.known import ConnectionsDep, known_connection
from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import BarrierDep
from spice_core.bootstrap import state_directory
from spice_core.errors import InvalidInput
from spice_core.services.preview_source import PreviewSource, Worksheet

router = APIRouter(prefix="/api/v1/funnel", tags=["analysis"], route_class=StrictJsonRoute)

_KIND = "google_sheets"
_WORKSHEET_ID = re.compile(r"[#?&]gid=(\d{1,12})")


class Looking:
    """Finds the worksheet that a body names."""

    def __init__(self, platform: PlatformDep, barrier: BarrierDep, connections: ConnectionsDep) -> None:
        self._platform = platform
        self._barrier = barrier
        self._connections = connections
        self.sources = PreviewSource(
            platform.connectors[_KIND],
            sources=platform.source_files,
            tables=platform.tables,
            scratch=state_directory(platform.settings) / "scratch",
        )

    def worksheet(self, body: WorksheetBody) -> Worksheet:
        """Return the worksheet of a body. Raises `InvalidInput`, `RecordNotFound`, and as the connector."""
        if body.connection_id is None:
            access = self.sources.access(body.sheet_url, api_key=body.api_key)
        elif body.api_key is not None:
            raise InvalidInput("give connection_id or api_key, not both")
        else:
            connection = known_connection(body.connection_id, self._platform, self._barrier, self._connections)
            access = self.sources.access_by(connection, self._connections.access(connection), body.sheet_url)
        gid = _WORKSHEET_ID.search(body.sheet_url)
        return self.sources.find(access, name=body.worksheet_name, sheet_id=gid[1] if gid else None, values=body.values)


LookingDep = Annotated[Looking, Depends()]


@router.post("/preview/google-sheets")
def preview_google_sheet(body: PreviewBody, request: Request, looking: LookingDep) -> PreviewAnswer:
    """Show what a worksheet would become as datasets: tables, types, keys and first rows. Suggestions, never a gate."""
    with edge_of(request.scope).uploads.required_place():
        sheet = looking.worksheet(body)
        return preview_answer(sheet.found, looking.sources.preview(sheet, sample_size=body.sample_size, limit=body.limit))


@router.post("/structure/analyze/google-sheets")
def analyze_google_sheet(body: WorksheetBody, request: Request, looking: LookingDep) -> StructureBody:
    """Find the tables in a worksheet, the names with values outside of them, and the notes. Suggestions, never a gate."""
    with edge_of(request.scope).uploads.required_place():
        return structure_body(looking.sources.structure(looking.worksheet(body)))
